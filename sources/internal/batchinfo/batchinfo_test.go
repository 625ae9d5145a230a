package batchinfo_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/internal/batchinfo"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t.In(time.FixedZone("elsewhere", 3600)) // it must not matter
}

const (
	kinesis = `{
  "KinesisBatchInfo": {
    "shardId": "shardId-000000000002",
    "startSequenceNumber": "49667000000000000000000000000000000001234567890123456789",
    "endSequenceNumber": "49667000000000000000000000000000000001234567890123456999",
    "approximateArrivalOfFirstRecord": "2026-01-01T00:00:01.123Z",
    "approximateArrivalOfLastRecord": "2026-01-01T00:00:02.456Z",
    "batchSize": 12,
    "streamArn": "arn:aws:kinesis:eu-west-1:123456789012:stream/telemetry"
  }
}`
	dynamoDB = `{
  "DDBStreamBatchInfo": {
    "shardId": "shardId-00000001767225600000-0a1b2c3d",
    "startSequenceNumber": "111100000000000000000001",
    "endSequenceNumber": "111100000000000000000001",
    "approximateArrivalOfFirstRecord": "2026-01-01T00:00:01Z",
    "approximateArrivalOfLastRecord": "2026-01-01T00:00:01Z",
    "batchSize": 1,
    "streamArn": "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000"
  }
}`
	kafka = `{
  "KafkaBatchInfo": {
    "batchSize": 3,
    "eventSourceArn": "arn:aws:kafka:eu-west-1:123456789012:cluster/shop/11111111-2222-3333-4444-555555555555-1",
    "bootstrapServers": "b-1.shop.example.com:9092,b-2.shop.example.com:9092",
    "payloadSize": 1162,
    "recordsInfo": {
      "orders-0": {
        "firstRecordOffset": "15",
        "lastRecordOffset": "16",
        "firstRecordTimestamp": "2026-01-01T00:00:01.123Z",
        "lastRecordTimestamp": "2026-01-01T00:00:01.200Z"
      },
      "orders-3": {
        "firstRecordOffset": "7",
        "lastRecordOffset": "7",
        "firstRecordTimestamp": "2026-01-01T00:00:02.000Z",
        "lastRecordTimestamp": "2026-01-01T00:00:02.000Z"
      }
    }
  }
}`
	kafkaRecord = `{
  "KafkaBatchInfo": {
    "batchSize": 1,
    "bootstrapServers": "b-1.shop.example.com:9092",
    "payloadSize": 400,
    "recordInfo": {
      "offset": "15",
      "timestamp": "2026-01-01T00:00:01.123Z"
    }
  }
}`
)

// Documents (DST-10, DST-11, DST-20, DST-21, DST-22, DST-40, DST-49, DST-85).
func TestDocuments(t *testing.T) {
	t.Parallel()
	record := func(sequence, arrival string) batchinfo.StreamRecord {
		return batchinfo.StreamRecord{SequenceNumber: sequence, Arrival: at(arrival)}
	}
	offset := func(offset int64, timestamp string) batchinfo.KafkaRecord {
		return batchinfo.KafkaRecord{Offset: offset, Timestamp: at(timestamp)}
	}
	change := record("111100000000000000000001", "2026-01-01T00:00:01.987Z")
	for want, got := range map[string][]byte{
		kinesis: batchinfo.AppendKinesis([]byte("{"), &batchinfo.Stream{
			ShardID: "shardId-000000000002", StreamARN: "arn:aws:kinesis:eu-west-1:123456789012:stream/telemetry",
			First: record("49667000000000000000000000000000000001234567890123456789", "2026-01-01T00:00:01.123456Z"),
			Last:  record("49667000000000000000000000000000000001234567890123456999", "2026-01-01T00:00:02.456Z"), Size: 12,
		}),
		dynamoDB: batchinfo.AppendDynamoDB([]byte("{"), &batchinfo.Stream{
			ShardID:   "shardId-00000001767225600000-0a1b2c3d",
			StreamARN: "arn:aws:dynamodb:eu-west-1:123456789012:table/orders/stream/2026-01-01T00:00:00.000",
			First:     change, Last: change, Size: 1,
		}),
		kafka: batchinfo.AppendKafka([]byte("{"), &batchinfo.Kafka{
			Size:             3,
			EventSourceARN:   "arn:aws:kafka:eu-west-1:123456789012:cluster/shop/11111111-2222-3333-4444-555555555555-1",
			BootstrapServers: "b-1.shop.example.com:9092,b-2.shop.example.com:9092", PayloadSize: 1162,
			Partitions: []batchinfo.KafkaPartition{
				{Name: "orders-0", First: offset(15, "2026-01-01T00:00:01.123Z"), Last: offset(16, "2026-01-01T00:00:01.2Z")},
				{Name: "orders-3", First: offset(7, "2026-01-01T00:00:02Z"), Last: offset(7, "2026-01-01T00:00:02Z")},
			},
		}),
		kafkaRecord: batchinfo.AppendKafkaRecord([]byte("{"), &batchinfo.Kafka{
			Size: 1, BootstrapServers: "b-1.shop.example.com:9092", PayloadSize: 400,
			Partitions: []batchinfo.KafkaPartition{{Name: "orders-0", First: offset(15, "2026-01-01T00:00:01.123Z")}},
		}),
	} {
		var indented bytes.Buffer
		if err := json.Indent(&indented, append(got, '}'), "", "  "); err != nil {
			t.Fatalf("%v in %s", err, got)
		}
		if indented.String() != want {
			t.Errorf("got\n%s\nwant\n%s", indented.String(), want)
		}
	}
}

func TestEmptyBatchesAreJSON(t *testing.T) {
	t.Parallel()
	for _, member := range [][]byte{
		batchinfo.AppendKinesis(nil, &batchinfo.Stream{}), batchinfo.AppendDynamoDB(nil, &batchinfo.Stream{}),
		batchinfo.AppendKafka(nil, &batchinfo.Kafka{}), batchinfo.AppendKafkaRecord(nil, &batchinfo.Kafka{}),
	} {
		if document := append(append([]byte("{"), member...), '}'); !json.Valid(document) {
			t.Errorf("no JSON: %s", document)
		}
	}
}

func TestMQ(t *testing.T) {
	t.Parallel()
	b := batchinfo.MQ{ARN: "arn:aws:mq:eu-west-1:123456789012:broker:b:b-1", Queue: "a\"b", VirtualHost: "/", First: "1", Last: "3", Size: 3}
	const want = `"MQBatchInfo":{"queue":"a\"b","virtualHost":"/","firstMessageId":"1","lastMessageId":"3",` +
		`"batchSize":3,"eventSourceArn":"arn:aws:mq:eu-west-1:123456789012:broker:b:b-1"}`
	if got := string(batchinfo.AppendMQ(nil, &b)); got != want {
		t.Error(got)
	}
	b.VirtualHost = ""
	if got := batchinfo.AppendMQ(nil, &b); bytes.Contains(got, []byte("virtualHost")) {
		t.Errorf("%s", got)
	}
}
