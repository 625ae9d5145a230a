package esm

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// failureVersion is the version of the failure record's format (DST-10).
const failureVersion = "1.0"

// Destination takes the failure records of what a mapping gives up.
type Destination interface {
	// Deliver delivers one failure record. It is called concurrently, by each
	// lane that gives something up. One attempt, of half a minute at most, when
	// ctx ends: after an error the mapping backs off and calls again with the
	// same record, and the position does not move until it succeeds or
	// Config.OnFailureTimeout is over. ctx also ends when a stopping mapping
	// loses its patience; the batch is then handled again after a restart, and Run
	// returns ErrDrainTimeout. A call that has not returned a second after the end
	// of ctx is abandoned: it is counted as AbandonedDeliveryCount, and the lane
	// makes no other call before it returns. The record must not be kept.
	Deliver(ctx context.Context, record *FailureRecord) error
}

// Feeder is a [Destination] that knows what it feeds. New refuses one that feeds the
// source of the mapping: what fails would go round for ever (DST-43).
type Feeder interface {
	// Feeds reports whether the source reads what is delivered. It makes no call.
	Feeds(source sources.Source) bool
}

// DestinationFunc is a function as a Destination.
type DestinationFunc func(ctx context.Context, record *FailureRecord) error

// Deliver calls f.
func (f DestinationFunc) Deliver(ctx context.Context, record *FailureRecord) error {
	return f(ctx, record)
}

// FailureRecord describes records that were given up, as AWS does for stream
// and Kafka sources (DST-10..19). Its JSON is the document that SQS and SNS
// destinations get; Marshal writes those of the others.
type FailureRecord struct {
	// RequestID is that of the last invocation (see [InvocationOf]), or a random UUID
	// for records that were never invoked (DST-12).
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
	// MappingUUID is Config.UUID.
	MappingUUID string
	// Partition is the ID of the partition.
	Partition string
	// Records are what was given up.
	Records []sources.Record

	describer       sources.BatchDescriber
	recordDescriber sources.RecordDescriber // nil if single records have no form of their own
	appender        sources.EventAppender
	// single says that it is about one record of those that were given up.
	single bool
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

// Payload is how the document of a failure record carries the event document of
// its records.
type Payload int

const (
	// NoPayload: not at all, as SQS and SNS destinations get it (DST-19c).
	NoPayload Payload = iota
	// TextPayload: as a string of JSON, as S3 destinations get it (DST-31).
	TextPayload
	// ObjectPayload: as a JSON object, as Kafka topics get it (DST-46).
	ObjectPayload
)

// MarshalJSON writes the failure record without payload.
func (f *FailureRecord) MarshalJSON() ([]byte, error) { return f.Marshal(NoPayload) }

// Marshal writes the failure record with its members in AWS's order, and the
// event document as payload says: in one more member, payload, at the end. A
// source that writes no event documents has no such member.
func (f *FailureRecord) Marshal(payload Payload) ([]byte, error) {
	type requestContext struct {
		RequestID              string       `json:"requestId"`
		FunctionARN            string       `json:"functionArn"`
		Condition              retry.Reason `json:"condition"`
		ApproximateInvokeCount int          `json:"approximateInvokeCount"`
	}
	document, err := appendJSON(nil, struct {
		RequestContext  requestContext `json:"requestContext"`
		ResponseContext any            `json:"responseContext,omitempty"`
		Version         string         `json:"version"`
		Timestamp       string         `json:"timestamp"`
	}{
		requestContext{f.RequestID, f.FunctionARN, f.Condition, f.ApproximateInvokeCount},
		f.responseContext(), failureVersion, f.Timestamp.UTC().Format("2006-01-02T15:04:05.000Z"),
	})
	if err != nil {
		return nil, fmt.Errorf("encode failure record: %w", err)
	}
	document = f.appendBatchInfo(bytes.TrimSuffix(document, []byte("}")))
	if payload != NoPayload && f.appender != nil {
		event := f.Event()
		document = append(document, `,"payload":`...)
		if payload == ObjectPayload {
			document = append(document, event...)
		} else if document, err = appendJSON(document, string(event)); err != nil {
			return nil, fmt.Errorf("encode payload: %w", err)
		}
	}
	return append(document, '}'), nil
}

// responseContext is what stands in the document: null for a record that is too
// large, nothing for one that is too old (DST-16, DST-23).
func (f *FailureRecord) responseContext() any {
	switch {
	case f.Response != nil:
		return f.Response
	case f.Condition == retry.MaximumPayloadSizeExceeded:
		return json.RawMessage("null")
	default:
		return nil
	}
}

// appendBatchInfo appends the source's description of the records.
func (f *FailureRecord) appendBatchInfo(dst []byte) []byte {
	if f.describer == nil {
		return dst
	}
	dst = append(dst, ',')
	if f.single && f.recordDescriber != nil {
		return f.recordDescriber.AppendRecordInfo(dst, &f.Records[0])
	}
	return f.describer.AppendBatchInfo(dst, f.Records)
}

// Record returns the failure record of the one record at place i of Records, as
// Kafka topics get one for each (DST-40, DST-44).
func (f *FailureRecord) Record(i int) *FailureRecord {
	one := *f
	one.Records, one.single = f.Records[i:i+1], true
	return &one
}

// Part returns the failure record of the records from one place of Records up to
// another, for a target that takes no document as long as that of all.
func (f *FailureRecord) Part(from, to int) *FailureRecord {
	part := *f
	part.Records = f.Records[from:to]
	return &part
}

// Event returns the event document of the records, nil if the source writes
// none.
func (f *FailureRecord) Event() []byte {
	if f.appender == nil {
		return nil
	}
	return f.appender.AppendEvent(nil, f.Partition, f.Records)
}

// appendJSON appends value as encoding/json writes it, < > and & as they are.
func appendJSON(dst []byte, value any) ([]byte, error) {
	buffer := bytes.NewBuffer(dst)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(value)
	return bytes.TrimSuffix(buffer.Bytes(), []byte("\n")), err
}
