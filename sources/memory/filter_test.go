package memory_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func filteringOf(t *testing.T, source sources.Source) sources.Filtering {
	t.Helper()
	filterer, ok := source.(sources.Filterer)
	if !ok {
		t.Fatal("not a Filterer")
	}
	return filterer.Filtering()
}

// Queue metadata (FILT-50, FILT-55).
func TestQueueMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memory.NewQueue(memory.QueueOptions{FIFO: true})
		queue.SendGroup("g\"1", "body of the message")
		source := queue.Source()
		partition := accept(t, source)
		f := filteringOf(t, source)
		if f.Key != "body" || !f.Text || f.KeepMismatch {
			t.Errorf("%q, %t, %t", f.Key, f.Text, f.KeepMismatch)
		}
		for _, count := range []string{"1", "2"} {
			record := fetch(t, partition, 1, time.Minute)[0]
			var m events.SQSMessage
			if err := json.Unmarshal(f.AppendMetadata(nil, "", &record, nil), &m); err != nil {
				t.Fatal(err)
			}
			if m.MessageId != record.ID || !strings.HasSuffix(m.ReceiptHandle, "#"+count) || m.Body != "" ||
				len(m.Md5OfBody) != 32 || m.MessageAttributes == nil || m.Attributes["ApproximateReceiveCount"] != count ||
				m.Attributes["MessageGroupId"] != "g\"1" || m.Attributes["SentTimestamp"] != "946684800000" {
				t.Errorf("receive %s: %+v", count, m)
			}
		}
	})
}

// Stream metadata (FILT-51, FILT-57).
func TestStreamMetadata(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := memory.NewStream(memory.StreamOptions{})
		time.Sleep(1250 * time.Millisecond)
		stream.Put("k\n\xff", []byte("data"))
		time.Sleep(749*time.Millisecond + 999*time.Microsecond)
		stream.Put("key", []byte("data"))
		source := stream.Source("app")
		f := filteringOf(t, source)
		if f.Key != "data" || f.Text || f.KeepMismatch {
			t.Errorf("%q, %t, %t", f.Key, f.Text, f.KeepMismatch)
		}
		const pollers = `,"eventName":"aws:kinesis:record","invokeIdentityArn":"arn:aws:iam::000000000000:role/memory","awsRegion":"us-east-1",` +
			`"eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/stream"}`
		for i, record := range fetch(t, accept(t, source), 2, 0) {
			want := []string{
				`{"kinesisSchemaVersion":"1.0","partitionKey":"k\n\ufffd","sequenceNumber":"1","approximateArrivalTimestamp":946684801.25,` +
					`"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shard:1"`,
				`{"kinesisSchemaVersion":"1.0","partitionKey":"key","sequenceNumber":"2","approximateArrivalTimestamp":946684801.999,` +
					`"eventSource":"aws:kinesis","eventVersion":"1.0","eventID":"shard:2"`,
			}[i] + pollers
			if got := string(f.AppendMetadata(nil, "shard", &record, nil)); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		}
	})
}

func TestMetadataAllocatesNothing(t *testing.T) { //nolint:paralleltest // counts allocations
	queue := memory.NewQueue(memory.QueueOptions{})
	queue.Send("body")
	stream := memory.NewStream(memory.StreamOptions{})
	put(stream, "data")
	all := map[string]sources.Source{"queue": queue.Source(), "stream": stream.Source("app")}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		record := fetch(t, accept(t, all[name]), 1, 0)[0]
		appendMetadata := filteringOf(t, all[name]).AppendMetadata
		dst := make([]byte, 0, 1<<10)
		if got := testing.AllocsPerRun(100, func() { appendMetadata(dst, "shard", &record, nil) }); got > 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}
