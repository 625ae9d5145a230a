package esm_test

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// giveUp runs a stream whose records all fail and returns the failure record.
func giveUp(t *testing.T, config esm.Config, handle func(context.Context, []sources.Record) (esm.Response, error)) (string, *esm.FailureRecord) {
	t.Helper()
	s := memory.NewStream(memory.StreamOptions{Name: "telemetry"})
	s.Put("device-17", []byte("one"))
	time.Sleep(1333 * time.Millisecond)
	s.Put("device-17", []byte("two <&>"))
	if config.MaximumRecordAge > 0 {
		time.Sleep(2 * time.Minute)
	}
	s.End()
	j, f := newJournal(), &failures{}
	config.OnFailure = f
	config.FunctionARN = "arn:aws:lambda:eu-west-1:123456789012:function:consumer"
	config.Name = "mapping"
	config.BatchSize = 2
	config.MaximumBatchingWindow = time.Second
	mustRun(t, mustNew(t, s.Source("app"), j.handler(handle), j.config(config)))
	if len(f.records) != 1 {
		t.Fatalf("failure records: %v", f.summary())
	}
	document, err := json.Marshal(f.records[0])
	if err != nil {
		t.Fatal(err)
	}
	return string(document), f.records[0]
}

var uuid = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)

// stable replaces what differs from run to run.
func stable(document string) string {
	document = uuid.ReplaceAllString(document, "UUID")
	return regexp.MustCompile(`SequenceNumber":"[0-9]+"`).ReplaceAllString(document, `SequenceNumber":"N"`)
}

const batchInfo = `"KinesisBatchInfo":{"shardId":"shardId-000000000000","startSequenceNumber":"N","endSequenceNumber":"N",` +
	`"approximateArrivalOfFirstRecord":"2000-01-01T00:00:00.000Z","approximateArrivalOfLastRecord":"2000-01-01T00:00:01.333Z",` +
	`"batchSize":2,"streamArn":"arn:aws:kinesis:us-east-1:000000000000:stream/telemetry"}`

func TestFailureRecordOfExhaustedRetries_DST10(t *testing.T) {
	bubble(t, func(t *testing.T) {
		document, _ := giveUp(t, esm.Config{MaximumRetryAttempts: new(2)}, func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, errHandler
		})
		got := regexp.MustCompile(`"timestamp":"[^"]+"`).ReplaceAllString(stable(document), `"timestamp":"T"`)
		want := `{"requestContext":{"requestId":"UUID","functionArn":"arn:aws:lambda:eu-west-1:123456789012:function:consumer",` +
			`"condition":"RetryAttemptsExhausted","approximateInvokeCount":3},` +
			`"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},` +
			`"version":"1.0","timestamp":"T",` + batchInfo + `}`
		equal(t, "document", got, want)
	})
}

// Failure record of malformed response (DST-17, KIN-155, ESM-127).
func TestFailureRecordOfMalformedResponse(t *testing.T) {
	bubble(t, func(t *testing.T) {
		document, _ := giveUp(t, esm.Config{MaximumRetryAttempts: new(0), ReportBatchItemFailures: true},
			func(context.Context, []sources.Record) (esm.Response, error) {
				return esm.Response{BatchItemFailures: []string{"unknown"}}, nil
			})
		if !strings.Contains(document, `"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":null},`) {
			t.Error(document)
		}
	})
}

// Failure record of aged records (DST-11, DST-16, DST-19, KIN-229).
func TestFailureRecordOfAgedRecords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		document, record := giveUp(t, esm.Config{MaximumRecordAge: time.Minute}, nil)
		want := `{"requestContext":{"requestId":"UUID","functionArn":"arn:aws:lambda:eu-west-1:123456789012:function:consumer",` +
			`"condition":"RecordAgeExceeded","approximateInvokeCount":1},` +
			`"version":"1.0","timestamp":"2000-01-01T00:02:01.333Z",` + batchInfo + `}`
		equal(t, "document", stable(document), want)
		equal(t, "partition", record.Partition, "shardId-000000000000")
		equal(t, "mapping", record.Mapping, "mapping")
	})
}

// Failure record with payload (DST-30, DST-31).
func TestFailureRecordWithPayload(t *testing.T) {
	bubble(t, func(t *testing.T) {
		_, record := giveUp(t, esm.Config{MaximumRetryAttempts: new(0)}, func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, errHandler
		})
		document, err := record.Marshal(esm.TextPayload)
		if err != nil {
			t.Fatal(err)
		}
		var outer struct {
			Payload string `json:"payload"`
		}
		if err := json.Unmarshal(document, &outer); err != nil {
			t.Fatal(err)
		}
		equal(t, "payload is the event as text", outer.Payload, string(record.Event()))
		var event events.KinesisEvent
		if err := json.Unmarshal([]byte(outer.Payload), &event); err != nil {
			t.Fatal(err)
		}
		equal(t, "data", string(event.Records[1].Kinesis.Data), "two <&>")
		if !strings.HasSuffix(string(document), `]}"}`) || strings.Contains(string(document), `\u003c`) {
			t.Errorf("document: %s", document)
		}
	})
}

func TestStopGivesUpOnADeadDestinationAtOnce_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison")
		j := newJournal()
		m := mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(esm.Config{
			MaximumRetryAttempts: new(0),
			OnFailure:            esm.DestinationFunc(func(context.Context, *esm.FailureRecord) error { return errHandler }),
		}))
		stop := background(t, m)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := j.count(esm.OnFailureDestinationDeliveryErrorCount); n < 10 || n > 40 {
			t.Errorf("%d deliveries in ten minutes", n)
		}
		took, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "took", took, 0)
		equal(t, "lag", s.Lag("app"), 1)
	})
}
