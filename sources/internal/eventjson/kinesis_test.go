package eventjson_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

const (
	streamARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/telemetry"
	roleARN   = "arn:aws:iam::123456789012:role/reader-role"
	shardID   = "shardId-000000000002"
)

func streamRecord() eventjson.KinesisRecord {
	return eventjson.KinesisRecord{
		PartitionKey:                "device-17",
		SequenceNumber:              "49667000000000000000000000000000000001234567890123456789",
		Data:                        []byte(`{"temp": 21.5}`),
		ApproximateArrivalTimestamp: time.UnixMilli(1767225601123),
	}
}

func TestKinesisDocument_KIN190(t *testing.T) {
	t.Parallel()
	k := eventjson.NewKinesis("aws:kinesis", streamARN, region, roleARN)
	r := streamRecord()
	got := append(k.Append([]byte(eventjson.Open), shardID, &r), eventjson.Close...)
	checkDocument(t, got, "kinesis")
	if size := eventjson.Overhead + k.Size(shardID, &r); size != len(got) {
		t.Errorf("size = %d, want %d", size, len(got))
	}
}

func TestKinesisRoundTrip_KIN194(t *testing.T) {
	t.Parallel()
	records := []eventjson.KinesisRecord{
		streamRecord(),
		{},
		{PartitionKey: "\"\\\xff", SequenceNumber: "1", Data: []byte{0xff}, EncryptionType: "KMS"},
	}
	records[2].ApproximateArrivalTimestamp = time.UnixMilli(1)
	k := eventjson.NewKinesis("aws:kinesis", streamARN, region, roleARN)
	document := eventjson.AppendEvent(nil, records, func(dst []byte, r *eventjson.KinesisRecord) []byte {
		return k.Append(dst, shardID, r)
	})
	var event events.KinesisEvent
	if err := json.Unmarshal(document, &event); err != nil {
		t.Fatal(err)
	}
	for i, got := range event.Records {
		want := records[i]
		if got.EventID != shardID+":"+want.SequenceNumber || got.EventSourceArn != streamARN ||
			got.InvokeIdentityArn != roleARN || !bytes.Equal(got.Kinesis.Data, want.Data) {
			t.Errorf("record %d = %+v, want %+v", i, got, want)
		}
	}
	for i := range records[:1] {
		checkRecord(t, &records[i], shardID)
	}
	checkRecord(t, &records[2], shardID)
}

func TestArrivalTimestamp_KIN192(t *testing.T) {
	t.Parallel()
	k := eventjson.NewKinesis("aws:kinesis", streamARN, region, roleARN)
	for ms, want := range map[int64]string{
		0: "0", 1: "0.001", 10: "0.01", 100: "0.1", 999: "0.999", 1000: "1", 1005: "1.005", 1050: "1.05",
		1767225601123: "1767225601.123", 1767225601120: "1767225601.12", 1767225601000: "1767225601", -1500: "-1.5",
	} {
		r := eventjson.KinesisRecord{ApproximateArrivalTimestamp: time.UnixMilli(ms).Add(900 * time.Microsecond)}
		if got := k.Append(nil, shardID, &r); !bytes.Contains(got, []byte(`"approximateArrivalTimestamp":`+want+`},`)) {
			t.Errorf("%d ms: record = %s, want %s", ms, got, want)
		} else if size := k.Size(shardID, &r); size != len(got) {
			t.Errorf("%d ms: size = %d, want %d", ms, size, len(got))
		}
	}
}
