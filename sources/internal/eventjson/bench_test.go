package eventjson_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// received is a message as an SQS client returns it.
type received struct {
	MessageID, ReceiptHandle, Body, MD5OfBody *string
	Attributes                                map[string]string
}

// body is compact JSON of n bytes, about a fifth of them quotation marks.
func body(n int) string {
	var b strings.Builder
	b.WriteString(`{"order":"o-1"`)
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, `,"%s":"%s","number":%d`, "customer"[:1+i*5%8], "north-west-2"[:1+i*7%12], i*7919%100000)
	}
	return b.String()[:n-1] + "}"
}

func receive(count, size int) []received {
	messages := make([]received, count)
	for i := range messages {
		id := fmt.Sprintf("8d0f5c1e-2b7a-4d53-9a61-7c1f0e9b%04d", i)
		handle := strings.Repeat("AQEBzWwaftRI0KuVm4tP+/7q1rGgNqicHq", 8)
		text, md5 := body(size), "00001111222233334444555566667777"
		messages[i] = received{&id, &handle, &text, &md5, map[string]string{
			"ApproximateReceiveCount": "1", "SentTimestamp": "1763900000123",
			"SenderId": "AROAEXAMPLE000000001:billing", "ApproximateFirstReceiveTimestamp": "1763900000130",
		}}
	}
	return messages
}

// viaEvents is the usual way: build the events type, marshal it.
func viaEvents(messages []received) []byte {
	event := events.SQSEvent{Records: make([]events.SQSMessage, len(messages))}
	for i, m := range messages {
		event.Records[i] = events.SQSMessage{
			MessageId: *m.MessageID, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, Md5OfBody: *m.MD5OfBody,
			Attributes: maps.Clone(m.Attributes), MessageAttributes: map[string]events.SQSMessageAttribute{},
			EventSourceARN: queueARN, EventSource: "aws:sqs", AWSRegion: region,
		}
	}
	document, err := json.Marshal(event)
	if err != nil {
		return nil
	}
	return document
}

// viaAppend is this package's way, from the same messages.
func viaAppend(dst []byte, q *eventjson.SQS, messages []received) []byte {
	return eventjson.AppendEvent(dst, messages, func(dst []byte, m *received) []byte {
		message := convert(m)
		return q.Append(dst, &message)
	})
}

func convert(m *received) eventjson.Message {
	return eventjson.Message{
		MessageID: *m.MessageID, ReceiptHandle: *m.ReceiptHandle, Body: *m.Body, MD5OfBody: *m.MD5OfBody,
		ApproximateReceiveCount:          m.Attributes["ApproximateReceiveCount"],
		SentTimestamp:                    m.Attributes["SentTimestamp"],
		SenderID:                         m.Attributes["SenderId"],
		ApproximateFirstReceiveTimestamp: m.Attributes["ApproximateFirstReceiveTimestamp"],
	}
}

func sizeOf(q *eventjson.SQS, messages []received) int {
	size := eventjson.Overhead + len(messages) - 1
	for i := range messages {
		message := convert(&messages[i])
		size += q.Size(&message)
	}
	return size
}

// BenchmarkSQS reports, as x-faster, how many times faster this package writes
// an event than the events package with encoding/json, both run in turn;
// x-faster-sized has the sizes measured as well.
func BenchmarkSQS(b *testing.B) {
	for _, batch := range []struct{ count, size int }{{10, 256}, {100, 1 << 10}, {100, 10 << 10}} {
		messages := receive(batch.count, batch.size)
		q := eventjson.NewSQS("aws:sqs", queueARN, region)
		dst := make([]byte, 0, sizeOf(q, messages))
		b.Run(fmt.Sprintf("%dx%d/ratio", batch.count, batch.size), func(b *testing.B) {
			compare(b, map[string]func(){
				baseline:         func() { _ = viaEvents(messages) },
				"x-faster":       func() { dst = viaAppend(dst[:0], q, messages) },
				"x-faster-sized": func() { dst = viaAppend(dst[:sizeOf(q, messages)][:0], q, messages) },
			})
		})
		for name, run := range map[string]func(){
			"append": func() { dst = viaAppend(dst[:0], q, messages) },
			"size":   func() { _ = sizeOf(q, messages) },
			"events": func() { _ = viaEvents(messages) },
		} {
			b.Run(fmt.Sprintf("%dx%d/%s", batch.count, batch.size, name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					run()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*batch.count), "ns/record")
			})
		}
	}
}

func BenchmarkKinesis(b *testing.B) {
	k := eventjson.NewKinesis("aws:kinesis", streamARN, region, roleARN)
	for _, size := range []int{256, 1 << 10} {
		record := streamRecord()
		record.Data = []byte(body(size))
		dst := make([]byte, 0, k.Size(shardID, &record))
		b.Run(fmt.Sprintf("%d/ratio", size), func(b *testing.B) {
			compare(b, map[string]func(){
				baseline:   func() { _ = viaKinesisEvents(&record) },
				"x-faster": func() { dst = k.Append(dst[:0], shardID, &record) },
			})
		})
	}
}

func viaKinesisEvents(r *eventjson.KinesisRecord) []byte {
	document, err := json.Marshal(&events.KinesisEventRecord{
		AwsRegion: region, EventID: shardID + ":" + r.SequenceNumber, EventName: "aws:kinesis:record",
		EventSource: "aws:kinesis", EventSourceArn: streamARN, EventVersion: "1.0", InvokeIdentityArn: roleARN,
		Kinesis: events.KinesisRecord{
			ApproximateArrivalTimestamp: events.SecondsEpochTime{Time: r.ApproximateArrivalTimestamp},
			Data:                        r.Data, PartitionKey: r.PartitionKey,
			SequenceNumber: r.SequenceNumber, KinesisSchemaVersion: "1.0",
		},
	})
	if err != nil {
		return nil
	}
	return document
}

// baseline names what the others are compared with.
const baseline = "baseline"

// compare runs the functions in turn and reports for each by how much its
// median time beats that of the baseline.
func compare(b *testing.B, runs map[string]func()) {
	b.Helper()
	const rounds = 21
	times := make(map[string][]time.Duration, len(runs))
	for b.Loop() {
		for range rounds {
			for name, run := range runs {
				start := time.Now()
				run()
				times[name] = append(times[name], time.Since(start))
			}
		}
	}
	for name := range runs {
		slices.Sort(times[name])
	}
	for name := range runs {
		if name != baseline {
			b.ReportMetric(float64(median(times[baseline]))/float64(median(times[name])), name)
		}
	}
	b.ReportMetric(0, "ns/op") // several things at once: no figure
}

func median(sorted []time.Duration) time.Duration { return sorted[len(sorted)/2] }

func BenchmarkBase64(b *testing.B) {
	blob := []byte(strings.Repeat("0123456789abcdef", 64))
	dst := make([]byte, 0, eventjson.Base64Size(len(blob)))
	b.SetBytes(int64(len(blob)))
	for b.Loop() {
		dst = eventjson.AppendBase64(dst[:0], blob)
	}
}
