package memory_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func put(stream *memory.Stream, data ...string) {
	for _, d := range data {
		stream.Put("key", []byte(d))
	}
}

func TestPositionsPerConsumer(t *testing.T) {
	t.Parallel()
	stream := memory.NewStream(memory.StreamOptions{})
	put(stream, "a", "b", "c")
	first := accept(t, stream.Source("one"))
	ack(t, first, fetch(t, first, 2, 0))
	if got := fetch(t, accept(t, stream.Source("two")), 10, 0); bodies(got) != "abc" {
		t.Errorf("another consumer got %s", bodies(got))
	}
	if got := fetch(t, accept(t, stream.Source("one", memory.Latest)), 10, 0); bodies(got) != "c" {
		t.Errorf("after a restart got %s, want c (KIN-47)", bodies(got))
	}
	if stream.Position("one", first.ID()) != "2" || stream.Position("two", first.ID()) != "" {
		t.Errorf("positions %q, %q", stream.Position("one", first.ID()), stream.Position("two", first.ID()))
	}
	if stream.Lag("one") != 1 || stream.Lag("two") != 3 || stream.Lag("three") != 3 {
		t.Errorf("lags %d, %d, %d", stream.Lag("one"), stream.Lag("two"), stream.Lag("three"))
	}
}

// Latest (KIN-68, KIN-69).
func TestLatest(t *testing.T) {
	t.Parallel()
	stream := memory.NewStream(memory.StreamOptions{})
	put(stream, "old")
	if _, _, err := stream.Split(stream.Partitions()[0]); err != nil {
		t.Fatalf("Split: %v", err)
	}
	source := stream.Source("app", memory.Latest)
	put(stream, "new")
	got := make(map[string]string)
	for range 2 {
		partition := accept(t, source)
		got[partition.ID()] = bodies(fetch(t, partition, 10, 0))
	}
	if len(got) != 2 || got["shardId-000000000001"]+got["shardId-000000000002"] != "new" {
		t.Errorf("got %v, want the open partitions with what is new", got)
	}
}

// Split and merge (KIN-65, KIN-66).
func TestSplitAndMerge(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := memory.NewStream(memory.StreamOptions{})
		put(stream, "1")
		left, right, err := stream.Split(stream.Partitions()[0])
		if err != nil {
			t.Fatalf("Split: %v", err)
		}
		put(stream, "2")
		if _, err := stream.Merge(right, left); err != nil {
			t.Fatalf("Merge: %v", err)
		}
		put(stream, "3")
		stream.End()
		if got := stream.Put("key", nil); got != "" {
			t.Errorf("Put after End: %q", got)
		}
		var order []string
		source := stream.Source("app")
		for {
			partition, err := source.Accept(t.Context())
			if errors.Is(err, sources.ErrEnd) {
				break
			}
			order = append(order, partition.ID()[len("shardId-00000000000"):])
			for {
				buf := make([]sources.Record, 1)
				n, err := partition.Fetch(t.Context(), buf, 0)
				order = append(order, bodies(buf[:n]))
				ack(t, partition, buf[:n])
				if errors.Is(err, sources.ErrEnd) {
					break
				}
			}
			if err := partition.Close(t.Context()); err != nil {
				t.Errorf("Close: %v", err)
			}
		}

		// Record 2 is in one of the two children; the other ended empty and so
		// is never handed out.
		switch got := fmt.Sprint(order); got {
		case "[0 1  1 2  3 3 ]", "[0 1  2 2  3 3 ]":
		default:
			t.Errorf("order %s", got)
		}
	})
}

// A partition that was read to its end is handed out again as long as a tumbling window
// of it is open: somebody must close that (KIN-75).
func TestOpenWindowIsNotTheEnd(t *testing.T) {
	t.Parallel()
	stream := memory.NewStream(memory.StreamOptions{})
	put(stream, "1")
	stream.End()
	source := stream.Source("app")
	settle := func(partition sources.Partition, records []sources.Record, window []byte) {
		t.Helper()
		keeper, ok := partition.(sources.WindowKeeper)
		if !ok {
			t.Fatal("the partition keeps no window")
		}
		if err := keeper.AckWindow(t.Context(), records, window); err != nil {
			t.Errorf("AckWindow: %v", err)
		}
		if err := partition.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	first := accept(t, source)
	settle(first, fetch(t, first, 1, 0), []byte("open"))
	settle(accept(t, source), nil, nil)
	if _, err := source.Accept(t.Context()); !errors.Is(err, sources.ErrEnd) {
		t.Errorf("Accept after the window was closed: %v, want ErrEnd", err)
	}
}

func TestReshardRefuses(t *testing.T) {
	t.Parallel()
	stream := memory.NewStream(memory.StreamOptions{Partitions: 3})
	ids := stream.Partitions()
	if _, err := stream.Merge(ids[0], ids[2]); err == nil {
		t.Error("Merge of partitions that are not adjacent was allowed")
	}
	if err := stream.EndPartition(ids[1]); err != nil {
		t.Errorf("EndPartition: %v", err)
	}
	if err := stream.EndPartition(ids[1]); err == nil {
		t.Error("EndPartition was allowed twice")
	}
	if _, _, err := stream.Split(ids[1]); err == nil {
		t.Error("Split of a partition that has ended was allowed")
	}
	if _, err := stream.PutTo(ids[1], "key", nil); err == nil {
		t.Error("PutTo a partition that has ended was allowed")
	}
	if number, err := stream.PutTo(ids[2], "key", nil); err != nil || number != "1" {
		t.Errorf("PutTo: %q, %v", number, err)
	}
}

func TestRouting_KIN78(t *testing.T) {
	t.Parallel()
	const partitions, keys = 4, 400
	stream := memory.NewStream(memory.StreamOptions{Partitions: partitions})
	for i := range keys {
		stream.Put(fmt.Sprint("device-", i), nil)
	}
	source := stream.Source("app")
	for range partitions {
		if got := len(fetch(t, accept(t, source), keys, 0)); got < keys/partitions/2 {
			t.Errorf("a partition got %d of %d keys", got, keys)
		}
	}
}

func TestTakeover(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := memory.NewStream(memory.StreamOptions{})
		put(stream, "a", "b")
		old := accept(t, stream.Source("app"))
		held := fetch(t, old, 2, 0)
		lost := make(chan error)
		go func() {
			_, err := old.Fetch(t.Context(), make([]sources.Record, 1), time.Hour)
			lost <- err
		}()
		synctest.Wait()
		young := accept(t, stream.Source("app"))
		if err := <-lost; !errors.Is(err, sources.ErrLost) {
			t.Errorf("Fetch: %v, want %v", err, sources.ErrLost)
		}
		if err := old.Ack(t.Context(), held); !errors.Is(err, sources.ErrLost) || stream.Position("app", old.ID()) != "" {
			t.Errorf("Ack: %v, position %q", err, stream.Position("app", old.ID()))
		}
		if err := old.Close(t.Context()); err != nil {
			t.Errorf("Close: %v", err)
		}
		got := fetch(t, young, 2, 0)
		ack(t, young, got)
		if bodies(got) != "ab" || stream.Position("app", young.ID()) != "2" {
			t.Errorf("the new owner got %s, position %q", bodies(got), stream.Position("app", young.ID()))
		}
	})
}

func TestAckRefusesForeign(t *testing.T) {
	t.Parallel()
	stream := memory.NewStream(memory.StreamOptions{})
	if err := accept(t, stream.Source("app")).Ack(t.Context(), []sources.Record{{ID: "1"}}); err == nil {
		t.Error("a record of another source moved the position")
	}
}

// Batch info (DST-10, DST-19a).
func TestBatchInfo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := memory.NewStream(memory.StreamOptions{Name: "telemetry"})
		put(stream, "a", "b")
		time.Sleep(1250 * time.Millisecond)
		put(stream, "c")
		partition := accept(t, stream.Source("app"))
		records := fetch(t, partition, 10, 0)
		got := string(partition.(sources.BatchDescriber).AppendBatchInfo(nil, records))
		want := `"KinesisBatchInfo":{"shardId":"shardId-000000000000","startSequenceNumber":"1","endSequenceNumber":"3",` +
			`"approximateArrivalOfFirstRecord":"2000-01-01T00:00:00.000Z",` +
			`"approximateArrivalOfLastRecord":"2000-01-01T00:00:01.250Z",` +
			`"batchSize":3,"streamArn":"arn:aws:kinesis:us-east-1:000000000000:stream/telemetry"}`
		if got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestKinesisEvent_KIN190(t *testing.T) {
	t.Parallel()
	stream := memory.NewStream(memory.StreamOptions{})
	put(stream, "\x00\xff")
	source := stream.Source("app")
	partition := accept(t, source)
	records := fetch(t, partition, 1, 0)
	document := source.(sources.EventAppender).AppendEvent(nil, partition.ID(), records)
	var event events.KinesisEvent
	if err := json.Unmarshal(document, &event); err != nil {
		t.Fatalf("%v: %s", err, document)
	}
	r := event.Records[0]
	if r.Kinesis.SequenceNumber != "1" || string(r.Kinesis.Data) != "\x00\xff" || r.Kinesis.PartitionKey != "key" ||
		r.EventSource != "aws:kinesis" || r.EventID != "shardId-000000000000:1" || r.EventSourceArn != stream.ARN() {
		t.Errorf("event %s", document)
	}
}

// A partition that was split before it got a record does not let its children
// overtake its own parent.
func TestGrandchildrenWait_KIN66(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stream := memory.NewStream(memory.StreamOptions{})
		put(stream, "1")
		left, right, err := stream.Split(stream.Partitions()[0])
		if err != nil {
			t.Fatalf("Split: %v", err)
		}
		for _, id := range []string{left, right} {
			if _, _, err := stream.Split(id); err != nil {
				t.Fatalf("Split of a child: %v", err)
			}
		}
		source := stream.Source("app")
		root, err := source.Accept(t.Context())
		if err != nil {
			t.Fatalf("Accept: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if early, err := source.Accept(ctx); err == nil {
			t.Errorf("%s is handed out before %s is finished", early.ID(), root.ID())
		}
	})
}
