package esm

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// MaximumPayloadSizeExceeded is the condition of a failure record for a record
// that does not fit into any event document. It is the name Kafka sources have
// on AWS (DST-23); that of streams is not known (DST-19e), so they share it.
const MaximumPayloadSizeExceeded retry.Reason = "MaximumPayloadSizeExceeded"

// failureVersion is the version of the failure record's format (DST-10).
const failureVersion = "1.0"

// Destination takes the failure records of what a mapping gives up.
type Destination interface {
	// Deliver delivers one failure record. It is called concurrently, by each
	// lane that gives something up. One attempt: after an error the mapping
	// backs off and calls again, and the position does not move until it
	// succeeds, so that nothing is lost to a destination in trouble (AWS drops
	// the record at some point, DST-62, DST-63). ctx ends when a stopping
	// mapping loses its patience; the batch is then handled again after a
	// restart. The record must not be kept.
	Deliver(ctx context.Context, record *FailureRecord) error
}

// DestinationFunc is a function as a Destination.
type DestinationFunc func(ctx context.Context, record *FailureRecord) error

// Deliver calls f.
func (f DestinationFunc) Deliver(ctx context.Context, record *FailureRecord) error {
	return f(ctx, record)
}

// FailureRecord describes records that were given up, as AWS does for stream
// and Kafka sources (DST-10..19). Its JSON is the document that SQS and SNS
// destinations get.
type FailureRecord struct {
	// RequestID is a random UUID (DST-12).
	RequestID string
	// FunctionARN is Config.FunctionARN (DST-13).
	FunctionARN string
	// Condition says why the records were given up (DST-14).
	Condition retry.Reason
	// ApproximateInvokeCount is how often the records were invoked as one
	// batch, at least 1 (DST-15).
	ApproximateInvokeCount int
	// Response is what the last invocation came to; nil for records that were
	// too old or too large (DST-16).
	Response *ResponseContext
	// Timestamp is when the record was made (DST-19).
	Timestamp time.Time
	// Mapping is Config.Name.
	Mapping string
	// Partition is the ID of the partition.
	Partition string
	// Records are what was given up.
	Records []sources.Record

	batchInfo []byte
	appender  sources.EventAppender
}

// ResponseContext is what an invocation came to.
type ResponseContext struct {
	// StatusCode is 200: the handler ran.
	StatusCode int `json:"statusCode"`
	// ExecutedVersion is the version of the function that ran.
	ExecutedVersion string `json:"executedVersion"`
	// FunctionError is "Unhandled" for an error, a timeout or a panic; nil,
	// written as null, for a partial or malformed response (DST-17).
	FunctionError *string `json:"functionError"`
}

// MarshalJSON writes the failure record with its members in AWS's order.
func (f *FailureRecord) MarshalJSON() ([]byte, error) { return f.marshal(nil) }

// MarshalWithPayload is MarshalJSON with one more member, payload: the event
// document as a JSON string, as S3 destinations get it (DST-30, DST-31).
func (f *FailureRecord) MarshalWithPayload() ([]byte, error) {
	return f.marshal(f.Event())
}

func (f *FailureRecord) marshal(payload []byte) ([]byte, error) {
	type requestContext struct {
		RequestID              string       `json:"requestId"`
		FunctionARN            string       `json:"functionArn"`
		Condition              retry.Reason `json:"condition"`
		ApproximateInvokeCount int          `json:"approximateInvokeCount"`
	}
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(struct {
		RequestContext  requestContext   `json:"requestContext"`
		ResponseContext *ResponseContext `json:"responseContext,omitempty"`
		Version         string           `json:"version"`
		Timestamp       string           `json:"timestamp"`
	}{
		requestContext{f.RequestID, f.FunctionARN, f.Condition, f.ApproximateInvokeCount},
		f.Response, failureVersion, f.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z"),
	})
	if err != nil {
		return nil, fmt.Errorf("encode failure record: %w", err)
	}
	document := bytes.TrimSuffix(bytes.TrimSpace(buffer.Bytes()), []byte("}"))
	if len(f.batchInfo) > 0 {
		document = append(append(document, ','), f.batchInfo...)
	}
	if payload != nil {
		var text bytes.Buffer
		encoder := json.NewEncoder(&text)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(string(payload)); err != nil {
			return nil, fmt.Errorf("encode payload: %w", err)
		}
		document = append(append(document, `,"payload":`...), bytes.TrimSpace(text.Bytes())...)
	}
	return append(document, '}'), nil
}

// Event returns the event document of the records, nil if the source writes
// none.
func (f *FailureRecord) Event() []byte {
	if f.appender == nil {
		return nil
	}
	return f.appender.AppendEvent(nil, f.Partition, f.Records)
}

// newUUID returns a random UUID of version 4.
func newUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
