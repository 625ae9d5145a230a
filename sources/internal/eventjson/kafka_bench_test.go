package eventjson_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// consumed is a record as a Kafka client returns it.
type consumed struct {
	Key, Value []byte
	Headers    []consumedHeader
	Timestamp  time.Time
	Topic      string
	Partition  int32
	Offset     int64
}

type consumedHeader struct {
	Key   string
	Value []byte
}

// viewConsumed sets the fields one by one: a literal would be made elsewhere
// and then be copied.
func viewConsumed(record **consumed, to *eventjson.KafkaRecord) {
	r := *record
	to.Topic = r.Topic
	to.Partition = r.Partition
	to.TimestampType = eventjson.KafkaCreateTime
	to.Timestamp = r.Timestamp.UnixMilli()
	to.Offset = r.Offset
	to.Key = r.Key
	to.Value = r.Value
	to.Headers = eventjson.KafkaHeaders(r.Headers)
}

// consume returns records of so many partitions, by turns.
func consume(count, size, partitions int, headers ...consumedHeader) []*consumed {
	records := make([]*consumed, count)
	for i := range records {
		records[i] = &consumed{
			Topic: "orders", Partition: int32(i % partitions), Offset: 8_123_456 + int64(i/partitions),
			Timestamp: time.UnixMilli(1767225601123 + int64(i)*3), Headers: headers,
			Key: fmt.Appendf(nil, "order-%05d", i*7919%100000), Value: []byte(body(size)),
		}
	}
	return records
}

// viaKafkaEvents is the usual way: build the events type, marshal it.
func viaKafkaEvents(records []*consumed) []byte {
	type partition struct {
		topic  string
		number int32
	}
	lists := map[partition][]events.KafkaRecord{}
	for _, r := range records {
		headers := make([]map[string]events.JSONNumberBytes, len(r.Headers))
		for i, h := range r.Headers {
			headers[i] = map[string]events.JSONNumberBytes{h.Key: h.Value}
		}
		key := partition{r.Topic, r.Partition}
		lists[key] = append(lists[key], events.KafkaRecord{
			Topic: r.Topic, Partition: int64(r.Partition), Offset: r.Offset,
			Timestamp: events.MilliSecondsEpochTime{Time: r.Timestamp}, TimestampType: "CREATE_TIME",
			Key: base64.StdEncoding.EncodeToString(r.Key), Value: base64.StdEncoding.EncodeToString(r.Value),
			Headers: headers,
		})
	}
	event := events.KafkaEvent{
		EventSource: "aws:kafka", EventSourceARN: clusterARN, BootstrapServers: bootstrapServers,
		Records: make(map[string][]events.KafkaRecord, len(lists)),
	}
	for key, list := range lists {
		event.Records[key.topic+"-"+strconv.Itoa(int(key.number))] = list
	}
	document, err := json.Marshal(event)
	if err != nil {
		return nil
	}
	return document
}

func sizeOfKafka(records []*consumed) int {
	size := 0
	var r eventjson.KafkaRecord
	for i := range records {
		viewConsumed(&records[i], &r)
		size += r.Size()
	}
	return size
}

// BenchmarkKafka is BenchmarkSQS for Kafka. Partitions are mixed by turns,
// which is the hardest way, or in runs, as clients fetch them.
func BenchmarkKafka(b *testing.B) {
	trace := consumedHeader{"traceparent", []byte("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")}
	runs := func(records []*consumed) []*consumed {
		slices.SortStableFunc(records, func(a, b *consumed) int { return int(a.Partition - b.Partition) })
		return records
	}
	for _, batch := range []struct {
		name    string
		records []*consumed
	}{
		{"100x256", consume(100, 256, 1)},
		{"100x1024", consume(100, 1<<10, 1)},
		{"100x256/10-partitions-runs", runs(consume(100, 256, 10))},
		{"100x1024/10-partitions-runs", runs(consume(100, 1<<10, 10))},
		{"100x256/10-partitions-turns", consume(100, 256, 10)},
		{"100x1024/10-partitions-turns", consume(100, 1<<10, 10)},
		{"10000x256/1000-partitions-turns", consume(10_000, 256, 1000)},
		{"100x256/header", consume(100, 256, 1, trace)},
	} {
		k, records := msk(), batch.records
		dst := eventjson.AppendKafka(k, nil, records, viewConsumed)
		b.Run(batch.name+"/ratio", func(b *testing.B) {
			compare(b, map[string]func(){
				baseline:   func() { _ = viaKafkaEvents(records) },
				"x-faster": func() { dst = eventjson.AppendKafka(k, dst[:0], records, viewConsumed) },
				"x-faster-sized": func() {
					dst = eventjson.AppendKafka(k, dst[:sizeOfKafka(records)][:0], records, viewConsumed)
				},
			})
		})
		for name, run := range map[string]func(){
			"append": func() { dst = eventjson.AppendKafka(k, dst[:0], records, viewConsumed) },
			"size":   func() { _ = sizeOfKafka(records) },
			"events": func() { _ = viaKafkaEvents(records) },
		} {
			b.Run(batch.name+"/"+name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					run()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(records)), "ns/record")
			})
		}
	}
}
