package eventjson_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// feed cuts fuzzed bytes into what a record is made of. Nothing is left when
// the bytes are.
type feed struct{ data []byte }

func (f *feed) number() int {
	if len(f.data) == 0 {
		return 0
	}
	n := int(f.data[0])
	f.data = f.data[1:]
	return n
}

func (f *feed) text() string {
	n := min(f.number()%40, len(f.data))
	text := f.data[:n]
	f.data = f.data[n:]
	return string(text)
}

// time is a moment of the years that the events package can tell.
func (f *feed) time() time.Time {
	const (
		most   = 9_000_000_000_000 // milliseconds, the year 2255
		before = 2_000_000_000_000
	)
	ms := int64(0)
	for range 6 {
		ms = ms<<8 | int64(f.number())
	}
	return time.UnixMilli(ms%most - before).Add(time.Duration(f.number()) * time.Microsecond)
}

func (f *feed) message() eventjson.Message {
	m := eventjson.Message{
		MessageID: f.text(), ReceiptHandle: f.text(), Body: f.text(),
		ApproximateReceiveCount: f.text(), SentTimestamp: f.text(), SequenceNumber: f.text(),
		MessageGroupID: f.text(), SenderID: f.text(), MessageDeduplicationID: f.text(),
		ApproximateFirstReceiveTimestamp: f.text(), AWSTraceHeader: f.text(), DeadLetterQueueSourceARN: f.text(),
		MD5OfMessageAttributes: f.text(), MD5OfBody: f.text(),
	}
	for i := range f.number() % 4 {
		m.Extra = append(m.Extra, eventjson.Attribute{Name: strconv.Itoa(i) + f.text(), Value: f.text()})
	}
	for i := range f.number() % 4 {
		a := eventjson.MessageAttribute{Name: strconv.Itoa(i) + f.text(), DataType: f.text(), Binary: f.number()%2 == 1}
		if a.Binary {
			a.BinaryValue = []byte("b" + f.text()) // an empty one differs, see FuzzSQS
		} else {
			a.StringValue = f.text()
		}
		m.MessageAttributes = append(m.MessageAttributes, a)
	}
	return m
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzSQSDocument holds whole documents, of messages with every field, against
// what encoding/json makes of the same in the events package.
func FuzzSQSDocument(f *testing.F) {
	f.Add([]byte{2, 2, 'i', 'd', 1, 'h', 3, '"', '\\', 0xff, 1, '1'}, false)
	f.Add(bytes.Repeat([]byte{2, 'a', 0x80, 1}, 60), true)
	f.Add([]byte{1, 3, 0xed, 0xa0, 0x80, 3, 0xe2, 0x80, 0xa8, 4, 0xf0, 0x9f, 0x98, 0x80}, true)
	for seed := range byte(16) {
		f.Add(noise(seed, 400), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, data []byte, null bool) {
		in := feed{data}
		messages := make([]eventjson.Message, in.number()%4)
		var (
			want events.SQSEvent
			size = eventjson.Overhead + max(len(messages)-1, 0)
			q    = eventjson.NewSQS("aws:sqs", queueARN, region).WithNullMD5(null)
		)
		for i := range messages {
			messages[i] = in.message()
			want.Records = append(want.Records, reflectMessage(&messages[i], queueARN))
			size += q.Size(&messages[i])
		}
		got := eventjson.AppendEvent([]byte("before"), messages, q.Append)
		if len(got) != len("before")+size || !bytes.HasPrefix(got, []byte("before")) {
			t.Fatalf("document of %d bytes, sizes add up to %d: %q", len(got)-len("before"), size, got)
		}
		std, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		theirs := decode(t, std)
		for i, record := range records(t, theirs) {
			m := &messages[i]
			switch {
			case m.MD5OfMessageAttributes != "":
			case null && len(m.MessageAttributes) == 0:
				record["md5OfMessageAttributes"] = nil // SQS-100
			default:
				delete(record, "md5OfMessageAttributes")
			}
		}
		if mine := decode(t, got[len("before"):]); !reflect.DeepEqual(records(t, mine), records(t, theirs)) {
			t.Errorf("document\n got %v\nwant %v", mine, theirs)
		}
	})
}

// FuzzKinesisDocument is the same for Kinesis.
func FuzzKinesisDocument(f *testing.F) {
	f.Add([]byte{2, 1, 'k', 1, '7', 3, 0, 1, 2, 0, 1, 2, 3, 4, 5, 6, 3, 'K', 'M', 'S'}, "shardId-000000000002")
	f.Add([]byte{1, 2, '"', 0xff, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 9}, "\\\x00")
	f.Add([]byte{3}, "")
	for seed := range byte(16) {
		f.Add(noise(seed, 200), "shard")
	}
	f.Fuzz(func(t *testing.T, data []byte, shard string) {
		in := feed{data}
		rows := make([]eventjson.KinesisRecord, in.number()%4)
		var (
			want events.KinesisEvent
			size = eventjson.Overhead + max(len(rows)-1, 0)
			k    = eventjson.NewKinesis("aws:kinesis", streamARN, region, roleARN)
		)
		for i := range rows {
			rows[i] = eventjson.KinesisRecord{
				PartitionKey: in.text(), SequenceNumber: in.text(), Data: []byte(in.text()),
				ApproximateArrivalTimestamp: in.time(), EncryptionType: in.text(),
			}
			size += k.Size(shard, &rows[i])
			want.Records = append(want.Records, reflectRecord(&rows[i], shard))
		}
		got := eventjson.AppendEvent(nil, rows, func(dst []byte, r *eventjson.KinesisRecord) []byte {
			return k.Append(dst, shard, r)
		})
		if len(got) != size {
			t.Fatalf("document of %d bytes, sizes add up to %d: %q", len(got), size, got)
		}
		std, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := records(t, decode(t, got)), records(t, decode(t, std))
		for i := range mine {
			exact := float64(rows[i].ApproximateArrivalTimestamp.UnixMilli()) / 1000 // cut, not rounded (KIN-192)
			if off := math.Abs(takeArrival(t, mine[i]) - exact); off > 1e-6 {
				t.Errorf("record %d: approximateArrivalTimestamp is off by %g s", i, off)
			}
			takeArrival(t, theirs[i]) // the events package rounds it otherwise
		}
		if !reflect.DeepEqual(mine, theirs) {
			t.Errorf("document\n got %v\nwant %v", mine, theirs)
		}
	})
}

// reflectRecord is r as the events package has it.
func reflectRecord(r *eventjson.KinesisRecord, shard string) events.KinesisEventRecord {
	return events.KinesisEventRecord{
		AwsRegion: region, EventID: shard + ":" + r.SequenceNumber, EventName: "aws:kinesis:record",
		EventSource: "aws:kinesis", EventSourceArn: streamARN, EventVersion: "1.0", InvokeIdentityArn: roleARN,
		Kinesis: events.KinesisRecord{
			ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: r.ApproximateArrivalTimestamp},
			Data:                        r.Data, EncryptionType: r.EncryptionType, PartitionKey: r.PartitionKey,
			SequenceNumber: r.SequenceNumber, KinesisSchemaVersion: "1.0",
		},
	}
}

// records are those of a decoded document.
func records(t *testing.T, document map[string]any) []map[string]any {
	t.Helper()
	if len(document) != 1 {
		t.Fatalf("members of the document: %v", document)
	}
	list, _ := document["Records"].([]any)
	all := make([]map[string]any, len(list))
	for i := range list {
		record, ok := list[i].(map[string]any)
		if !ok {
			t.Fatalf("record %d is %v", i, list[i])
		}
		all[i] = record
	}
	return all
}

// FuzzAppendBase64 holds the encoder against the standard one, whatever room
// it is given.
func FuzzAppendBase64(f *testing.F) {
	f.Add([]byte(nil), uint8(0))
	f.Add([]byte("\x00\xff and more than one word of it"), uint8(255))
	f.Add(bytes.Repeat([]byte{0xfb, 0xef}, 50), uint8(9))
	for seed := range byte(16) {
		f.Add(noise(seed, 5*int(seed)), 9*seed)
	}
	f.Fuzz(func(t *testing.T, blob []byte, room uint8) {
		array := bytes.Repeat([]byte("#"), 10+int(room))
		got := eventjson.AppendBase64(array[:3:5+int(room)], blob)
		if want := `###"` + base64.StdEncoding.EncodeToString(blob) + `"`; string(got) != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if eventjson.Base64Size(len(blob)) != len(got)-3 {
			t.Errorf("size %d, want %d", eventjson.Base64Size(len(blob)), len(got)-3)
		}
		if rest := string(array[5+int(room):]); rest != "#####" {
			t.Errorf("wrote beyond its capacity: %q", rest)
		}
	})
}
