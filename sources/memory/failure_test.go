package memory_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
	"github.com/openesm/openesm/sources/memory"
)

// disguised is a stream whose partitions describe batches as those of another kind
// of source do.
type disguised struct {
	sources.Source
	events sources.EventAppender
	batch  func(dst []byte, records []sources.Record) []byte
	record func(dst []byte, record *sources.Record) []byte
}

func (d disguised) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	return d.events.AppendEvent(dst, partition, records)
}

func (d disguised) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := d.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return describing{p, d}, nil
}

type describing struct {
	sources.Partition
	as disguised
}

func (d describing) AppendBatchInfo(dst []byte, records []sources.Record) []byte {
	return d.as.batch(dst, records)
}

func (d describing) AppendRecordInfo(dst []byte, record *sources.Record) []byte {
	return d.as.record(dst, record)
}

// giveUp fails a batch of two records, a second and a half apart, and returns the
// failure record.
func giveUp(t *testing.T, source func(sources.Source) sources.Source, config esm.Config) *esm.FailureRecord {
	t.Helper()
	stream := memory.NewStream(memory.StreamOptions{Name: "telemetry"})
	stream.Put("a", []byte("one"))
	time.Sleep(1500 * time.Millisecond)
	stream.Put("b", []byte("two"))
	stream.End()
	if config.MaximumRecordAge > 0 {
		time.Sleep(2 * time.Minute)
	}
	var failure *esm.FailureRecord
	config.FunctionARN = "arn:aws:lambda:eu-west-1:123456789012:function:consumer"
	config.MaximumBatchingWindow = time.Second
	config.Logger = slog.New(slog.DiscardHandler)
	config.OnFailure = esm.DestinationFunc(func(_ context.Context, f *esm.FailureRecord) error {
		kept := *f
		kept.Records = slices.Clone(f.Records)
		failure = &kept
		return nil
	})
	mapping, err := esm.New(source(stream.Source("app")), esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
		return esm.Response{}, errors.New("poison")
	}), config)
	if err != nil {
		t.Fatal(err)
	}
	if err := mapping.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	return failure
}

var random = regexp.MustCompile(`"requestId":"[0-9a-f-]{36}"`)

// same compares a document with one that is indented.
func same(t *testing.T, f *esm.FailureRecord, payload esm.Payload, want string) {
	t.Helper()
	document, err := f.Marshal(payload)
	if err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, []byte(want)); err != nil {
		t.Fatal(err)
	}
	if got := random.ReplaceAllString(string(document), `"requestId":"ID"`); got != compact.String() {
		t.Errorf("document\n got %s\nwant %s", got, compact.String())
	}
}

func dynamoDB(s sources.Source) sources.Source {
	return disguised{
		Source: s, events: s.(sources.EventAppender), record: nil,
		batch: func(dst []byte, records []sources.Record) []byte {
			end := func(r *sources.Record) batchinfo.StreamRecord {
				return batchinfo.StreamRecord{SequenceNumber: r.ID, Arrival: r.Time}
			}
			return batchinfo.AppendDynamoDB(dst, &batchinfo.Stream{
				ShardID: "shardId-00000001767225600000-0a1b2c3d", First: end(&records[0]), Last: end(&records[len(records)-1]), Size: len(records),
				StreamARN: "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000",
			})
		},
	}
}

// Failure record of dynamo DB (DST-11, DST-85).
func TestFailureRecordOfDynamoDB(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		same(t, giveUp(t, dynamoDB, esm.Config{MaximumRecordAge: time.Minute}), esm.NoPayload, `{
  "requestContext": {
    "requestId": "ID",
    "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:consumer",
    "condition": "RecordAgeExceeded",
    "approximateInvokeCount": 1
  },
  "version": "1.0",
  "timestamp": "2000-01-01T00:02:01.500Z",
  "DDBStreamBatchInfo": {
    "shardId": "shardId-00000001767225600000-0a1b2c3d",
    "startSequenceNumber": "1",
    "endSequenceNumber": "2",
    "approximateArrivalOfFirstRecord": "2000-01-01T00:00:00Z",
    "approximateArrivalOfLastRecord": "2000-01-01T00:00:01Z",
    "batchSize": 2,
    "streamArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
  }
}`)
	})
}

func kafka(s sources.Source) sources.Source {
	end := func(r *sources.Record) batchinfo.KafkaRecord {
		return batchinfo.KafkaRecord{Offset: int64(14 + r.Offset), Timestamp: r.Time}
	}
	info := func(records []sources.Record) *batchinfo.Kafka {
		return &batchinfo.Kafka{
			Size: len(records), BootstrapServers: "b-1.shop.example.com:9092", PayloadSize: 400,
			EventSourceARN: "arn:aws:kafka:eu-west-1:123456789012:cluster/shop/1",
			Partitions:     []batchinfo.KafkaPartition{{Name: "orders-0", First: end(&records[0]), Last: end(&records[len(records)-1])}},
		}
	}
	return disguised{
		Source: s, events: s.(sources.EventAppender),
		batch: func(dst []byte, records []sources.Record) []byte { return batchinfo.AppendKafka(dst, info(records)) },
		record: func(dst []byte, r *sources.Record) []byte {
			return batchinfo.AppendKafkaRecord(dst, info([]sources.Record{*r}))
		},
	}
}

const (
	kafkaOpen = `{
  "requestContext": {
    "requestId": "ID",
    "functionArn": "arn:aws:lambda:eu-west-1:123456789012:function:consumer",
    "condition": "RetryAttemptsExhausted",
    "approximateInvokeCount": 1
  },
  "responseContext": {
    "statusCode": 200,
    "executedVersion": "$LATEST",
    "functionError": "Unhandled"
  },
  "version": "1.0",
  "timestamp": "2000-01-01T00:00:01.500Z",
  "KafkaBatchInfo": {`
	kafkaEvent = `{"Records":[{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"b","sequenceNumber":"2","data":"dHdv",` +
		`"approximateArrivalTimestamp":946684801.5},"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shardId-000000000000:2",` +
		`"eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::000000000000:role/memory","awsRegion":"us-east-1",` +
		`"eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/telemetry"}]}`
)

// Failure record of kafka (DST-20, DST-21, DST-40, DST-44, DST-46).
func TestFailureRecordOfKafka(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := giveUp(t, kafka, esm.Config{MaximumRetryAttempts: new(0)})
		same(t, f, esm.NoPayload, kafkaOpen+`
    "batchSize": 2,
    "eventSourceArn": "arn:aws:kafka:eu-west-1:123456789012:cluster/shop/1",
    "bootstrapServers": "b-1.shop.example.com:9092",
    "payloadSize": 400,
    "recordsInfo": {
      "orders-0": {
        "firstRecordOffset": "14",
        "lastRecordOffset": "15",
        "firstRecordTimestamp": "2000-01-01T00:00:00.000Z",
        "lastRecordTimestamp": "2000-01-01T00:00:01.500Z"
      }
    }
  }
}`)
		// For a topic, record by record; the payload is an object.
		same(t, f.Record(1), esm.ObjectPayload, kafkaOpen+`
    "batchSize": 1,
    "eventSourceArn": "arn:aws:kafka:eu-west-1:123456789012:cluster/shop/1",
    "bootstrapServers": "b-1.shop.example.com:9092",
    "payloadSize": 400,
    "recordInfo": {
      "offset": "15",
      "timestamp": "2000-01-01T00:00:01.500Z"
    }
  },
  "payload": `+kafkaEvent+`
}`)
	})
}
