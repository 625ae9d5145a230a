package kinesis_test

import (
	"context"
	"encoding/json"
	"errors"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
	"github.com/openesm/openesm/sources/sourcetest"
)

var (
	deaggregated = kinesis.Options{Deaggregate: true}
	innerBackoff = retry.Backoff{Initial: time.Millisecond, Max: 10 * time.Millisecond}

	errInner = errors.New("handler failed")
)

// What is aggregated comes one by one, what is not, or is damaged, as it is (KIN-210, KIN-213).
func TestInnerRecords(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(t *testing.T, w *aggregates) {
		damaged := kinesistest.Aggregate(innerRecords("x")...)
		damaged[7] ^= 1
		empty := kinesistest.Aggregate()
		type record struct {
			id, key, data string
			sub           int64
			last          bool
		}
		three, plain, one := w.put("a0", "b1", "a2"), w.putRaw([]byte("plain")), w.put("c3")
		bad, none := w.putRaw(damaged), w.putRaw(empty)
		want := []record{
			{three, "a", "a0", 0, false}, {three, "b", "b1", 1, false}, {three, "a", "a2", 2, true},
			{plain, "outer", "plain", 0, true}, {one, "c", "c3", 0, true},
			{bad, "outer", string(damaged), 0, true}, {none, "outer", string(empty), 0, true},
		}
		var got []record
		arrival := w.Records(telemetry, "shardId-000000000000")[0].Arrival
		w.run(w.journal(func(records []sources.Record) ([]string, error) {
			for _, r := range records {
				n, ok := r.Native.(*kinesis.Record)
				if !ok || string(n.Data) != string(r.Data) || *n.PartitionKey != r.Key || *n.SequenceNumber != r.ID || !r.Time.Equal(arrival) {
					t.Errorf("record %+v, native %+v", r, n)
					continue
				}
				got = append(got, record{r.ID, r.Key, string(r.Data), n.SubSequence, n.Last})
			}
			return nil, nil
		}), deaggregated, esm.Config{}, len(want))
		if !slices.Equal(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		if got, want := w.position(), (checkpoint.Position{Sequence: none}); got != want {
			t.Errorf("the position is %+v, want %+v", got, want)
		}
	})
}

// The event document of an inner record has its own key and data, and else what the
// record that it came in has; batches and filters see inner records one by one (KIN-190,
// KIN-194, KIN-197).
func TestInnerEvents(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(t *testing.T, w *aggregates) {
		number := w.putRaw(kinesistest.Aggregate(
			kinesistest.Record{Key: "k0", Data: []byte(`{"keep":1}`)},
			kinesistest.Record{Key: "k1", Data: []byte(`{"keep":0}`)},
			kinesistest.Record{Key: "k2", HashKey: "7", Data: []byte(`{"keep":1}`)},
		))
		var all []events.KinesisEventRecord
		handler := esm.TypedResponse(func(_ context.Context, event events.KinesisEvent) (events.KinesisEventResponse, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			all = append(all, event.Records...)
			for range event.Records {
				w.handled = append(w.handled, "")
			}
			return events.KinesisEventResponse{}, nil
		})
		w.run(handler, deaggregated, esm.Config{FilterCriteria: esm.FilterCriteria{Filters: []string{`{"data":{"keep":[1]}}`}}}, 2)
		for i, key := range []string{"k0", "k2"} {
			if i >= len(all) {
				t.Fatalf("%d records, want 2", len(all))
			}
			r := all[i]
			if r.Kinesis.PartitionKey != key || string(r.Kinesis.Data) != `{"keep":1}` || r.Kinesis.SequenceNumber != number ||
				r.EventID != "shardId-000000000000:"+number || !json.Valid(r.Kinesis.Data) {
				t.Errorf("event %+v", r)
			}
		}
		if got, want := w.position(), (checkpoint.Position{Sequence: number, SubSequence: 2}); got != want {
			t.Errorf("the position is %+v, want %+v", got, want)
		}
	})
}

// Records whose keys belong to another shard are kept.
func TestForeignKeys_KIN212(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(t *testing.T, w *aggregates) {
		if _, err := w.Split(telemetry, "shardId-000000000000"); err != nil {
			t.Fatal(err)
		}
		all := innerTexts(26, 26) // keys of both shards
		w.put(all...)
		w.run(w.journal(nil), deaggregated, esm.Config{}, len(all))
		w.want("at the end", all...)
	})
}

// A record with very many inside takes room for those that are asked for.
//
//nolint:paralleltest // it counts the allocations of the whole process
func TestManyInside_P7(t *testing.T) {
	withAggregates(t, func(t *testing.T, w *aggregates) {
		const (
			records = 170_000
			maxHeap = 4 << 20 // four times the record; sources.Record alone makes 23 MB of them
		)
		w.putRaw(kinesistest.Aggregate(slices.Repeat([]kinesistest.Record{{}}, records)...))
		source := w.source(deaggregated)
		if err := source.Start(t.Context(), sources.Settings{BatchSize: 100}); err != nil {
			t.Fatal(err)
		}
		p, err := source.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]sources.Record, 100)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		n, err := p.Fetch(t.Context(), buf, time.Minute)
		runtime.GC()
		runtime.ReadMemStats(&after)
		if n != len(buf) || err != nil || after.HeapAlloc > before.HeapAlloc+maxHeap {
			t.Errorf("got %d records, %v; %d bytes more in use", n, err, int64(after.HeapAlloc)-int64(before.HeapAlloc))
		}
		for total := n; total < records; total += n {
			n, err = p.Fetch(t.Context(), buf, time.Minute)
			if err != nil || n == 0 {
				t.Fatalf("after %d: %d, %v", total, n, err)
			}
		}
		if last, ok := buf[n-1].Native.(*kinesis.Record); !ok || !last.Last || last.SubSequence != records-1 {
			t.Errorf("the last is %+v", last)
		}
		if err := errors.Join(p.Close(t.Context()), source.Close(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// The contract holds for what is aggregated.
func TestAggregateConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(t *testing.T) sourcetest.Harness {
		t.Helper()
		h := harness(t, 1, deaggregated)
		send := h.Send
		h.Send = func(ctx context.Context, messages ...sourcetest.Message) error {
			for _, m := range messages {
				m.Data = kinesistest.Aggregate(kinesistest.Record{Key: m.Key, Data: m.Data})
				if err := send(ctx, m); err != nil {
					return err
				}
			}
			return nil
		}
		return h
	})
}
