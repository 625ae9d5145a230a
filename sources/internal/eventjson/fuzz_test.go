package eventjson_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

func FuzzSQS(f *testing.F) {
	f.Add("id", "handle", `{"a":1}`, "1", "order-77", "Root=1", "later", "name", "String", []byte("v"), true)
	f.Add("\xff", "\x00", "\"\\\n", "", "", "", "", "", "", []byte{}, false)
	f.Fuzz(func(t *testing.T, id, handle, body, count, group, trace, extra, name, dataType string, value []byte, binary bool) {
		m := eventjson.Message{
			MessageID: id, ReceiptHandle: handle, Body: body, ApproximateReceiveCount: count, MessageGroupID: group,
			SenderID: handle, AWSTraceHeader: trace, MD5OfBody: count, MD5OfMessageAttributes: trace,
		}
		if extra != "" {
			m.Extra = []eventjson.Attribute{{Name: "x" + extra, Value: body}}
		}
		if name != "" {
			m.MessageAttributes = []eventjson.MessageAttribute{
				{Name: "0", DataType: dataType, StringValue: group},
				{Name: "1" + name, DataType: dataType, StringValue: string(value), BinaryValue: value, Binary: binary},
			}
		}
		checkMessage(t, &m, group)
		checkRecord(t, &eventjson.KinesisRecord{
			PartitionKey: group, SequenceNumber: id, Data: value, EncryptionType: extra,
			// Up to the year 2255: the events package counts nanoseconds.
			ApproximateArrivalTimestamp: time.UnixMilli(int64(len(body)) * 12_345_678_901 % 9_000_000_000_000),
		}, handle)
	})
}

// checkMessage holds the record of m against what encoding/json makes of the
// same in the events package.
func checkMessage(t *testing.T, m *eventjson.Message, arn string) {
	t.Helper()
	q := eventjson.NewSQS("aws:sqs", arn, region)
	got := q.Append(nil, m)
	if size := q.Size(m); size != len(got) {
		t.Errorf("size = %d, want %d: %q", size, len(got), got)
	}
	std, err := json.Marshal(reflectMessage(m, arn))
	if err != nil {
		t.Fatal(err)
	}
	want := decode(t, std)
	if m.MD5OfMessageAttributes == "" {
		delete(want, "md5OfMessageAttributes") // SQS-100
	}
	for _, a := range m.MessageAttributes {
		if a.Binary && len(a.BinaryValue) == 0 {
			nested(t, want, "messageAttributes", clean(t, a.Name))["binaryValue"] = ""
		}
	}
	if have := decode(t, got); !reflect.DeepEqual(have, want) {
		t.Errorf("record\n got %v\nwant %v", have, want)
	}
}

// checkRecord does the same for a Kinesis record.
func checkRecord(t *testing.T, r *eventjson.KinesisRecord, shardID string) {
	t.Helper()
	k := eventjson.NewKinesis("aws:kinesis", streamARN, region, roleARN)
	got := k.Append(nil, shardID, r)
	if size := k.Size(shardID, r); size != len(got) {
		t.Errorf("size = %d, want %d: %q", size, len(got), got)
	}
	data := r.Data
	if data == nil {
		data = []byte{} // KIN-191
	}
	std, err := json.Marshal(events.KinesisEventRecord{
		AwsRegion: region, EventID: shardID + ":" + r.SequenceNumber, EventName: "aws:kinesis:record",
		EventSource: "aws:kinesis", EventSourceArn: streamARN, EventVersion: "1.0", InvokeIdentityArn: roleARN,
		Kinesis: events.KinesisRecord{
			ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: r.ApproximateArrivalTimestamp},
			Data:                        data, EncryptionType: r.EncryptionType, PartitionKey: r.PartitionKey,
			SequenceNumber: r.SequenceNumber, KinesisSchemaVersion: "1.0",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	have, want := decode(t, got), decode(t, std)

	// The events package goes through nanoseconds, which no float64 holds.
	if off := math.Abs(takeArrival(t, have) - takeArrival(t, want)); off > 1e-6 {
		t.Errorf("approximateArrivalTimestamp is off by %g s", off)
	}
	if !reflect.DeepEqual(have, want) {
		t.Errorf("record\n got %v\nwant %v", have, want)
	}
}

// takeArrival removes the timestamp of a record and returns it.
func takeArrival(t *testing.T, record map[string]any) float64 {
	t.Helper()
	inner := nested(t, record, "kinesis")
	seconds, ok := inner["approximateArrivalTimestamp"].(float64)
	if !ok {
		t.Errorf("approximateArrivalTimestamp is no number in %v", inner)
	}
	delete(inner, "approximateArrivalTimestamp")
	return seconds
}

func decode(t *testing.T, document []byte) map[string]any {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal(document, &object); err != nil {
		t.Fatalf("%v in %q", err, document)
	}
	return object
}

// nested walks down from an object by member names.
func nested(t *testing.T, object map[string]any, names ...string) map[string]any {
	t.Helper()
	for _, name := range names {
		inner, ok := object[name].(map[string]any)
		if !ok {
			t.Fatalf("no object %q in %v", name, object)
		}
		object = inner
	}
	return object
}

// clean is text as it comes back from JSON.
func clean(t *testing.T, text string) string {
	t.Helper()
	std, err := json.Marshal(text)
	if err != nil {
		t.Fatal(err)
	}
	var back string
	if err := json.Unmarshal(std, &back); err != nil {
		t.Fatal(err)
	}
	return back
}
