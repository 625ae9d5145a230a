package kinesis_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// stopAfter makes a handler that handles so many records, and fails from then on.
func (w *aggregates) stopAfter(n int) esm.Handler {
	return w.journal(func(records []sources.Record) ([]string, error) {
		if len(w.handled)+len(records) > n {
			return nil, errInner
		}
		return nil, nil
	})
}

// A mapping that stops anywhere in an aggregate goes on there: nothing is lost, and
// nothing handled twice (P1, P5, P12, KIN-213).
func TestStopInMidAggregate(t *testing.T) {
	t.Parallel()
	first, second := innerTexts(5, 2), innerTexts(4, 3)
	all := slices.Concat([]string{"plain"}, first, []string{"plain"}, second)
	for n := range len(all) + 1 {
		withAggregates(t, func(t *testing.T, w *aggregates) {
			w.putRaw([]byte("plain"))
			a := w.put(first...)
			w.putRaw([]byte("plain"))
			w.put(second...)
			w.run(w.stopAfter(n), deaggregated, esm.Config{BatchSize: 1, RetryBackoff: innerBackoff}, n)
			w.want(fmt.Sprint("stopped after ", n), all[:n]...)
			if at := n - 2; at >= 0 && at < len(first) {
				if got := w.position(); got.Sequence != a || got.SubSequence != int64(at) || got.Timestamp.IsZero() != (at == len(first)-1) {
					t.Errorf("after %d the position is %+v, want sub-sequence number %d of %s", n, got, at, a)
				}
			}
			w.run(w.journal(nil), deaggregated, esm.Config{BatchSize: 3}, len(all))
			time.Sleep(time.Minute)
			w.want(fmt.Sprint("after a stop after ", n), all...)
		})
	}
}

// A position that the Kinesis Client Library stored is gone on from.
func TestPositionOfKCL_KIN213(t *testing.T) {
	t.Parallel()
	all := innerTexts(4, 2)
	for sub := range int64(6) {
		withAggregates(t, func(t *testing.T, w *aggregates) {
			w.put("z")
			number := w.put(all...)
			w.put("y")
			if err := w.store.Create(t.Context(), checkpoint.Lease{
				Shard: "shardId-000000000000", Position: checkpoint.Position{Sequence: number, SubSequence: sub},
			}); err != nil {
				t.Fatal(err)
			}
			want := append(slices.Clone(all[min(int(sub)+1, len(all)):]), "y")
			w.run(w.journal(nil), deaggregated, esm.Config{}, len(want))
			w.want(fmt.Sprint("from ", sub), want...)
		})
	}
}

// A shard that ends with an aggregate has ended when all inside was settled; its
// children come after that.
func TestShardEndsInMidAggregate_KIN75(t *testing.T) {
	t.Parallel()
	all := innerTexts(4, 2)
	for n := range len(all) + 1 {
		withAggregates(t, func(t *testing.T, w *aggregates) {
			w.put(all...)
			if _, err := w.Split(telemetry, "shardId-000000000000"); err != nil {
				t.Fatal(err)
			}
			w.putRaw([]byte("child"))
			w.run(w.stopAfter(n), deaggregated, esm.Config{BatchSize: 1, RetryBackoff: innerBackoff}, n)
			if n < len(all) && w.position().Ended() {
				t.Errorf("the shard has ended after %d of %d", n, len(all))
			}
			w.run(w.journal(nil), deaggregated, esm.Config{}, len(all)+1)
			w.want(fmt.Sprint("after a stop after ", n), append(slices.Clone(all), "child")...)
		})
	}
}

// When the option is switched on, the record that was settled last is taken for one
// of which the first inside is settled.
func TestSwitchedOn_P1(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(_ *testing.T, w *aggregates) {
		w.put("a0", "a1")
		w.put("b2", "b3", "b4")
		w.run(w.journal(nil), kinesis.Options{}, esm.Config{}, 2)
		w.handled = nil
		w.put("c5", "c6")
		w.run(w.journal(nil), deaggregated, esm.Config{}, 4)
		w.want("switched on", "b3", "b4", "c5", "c6")
	})
}

// When it is switched off, a record of which a part was settled comes again whole,
// over restarts too, and nothing is lost.
func TestSwitchedOff_P1(t *testing.T) {
	t.Parallel()
	all := innerTexts(3, 2)
	for n := 1; n <= len(all); n++ {
		withAggregates(t, func(_ *testing.T, w *aggregates) {
			w.put(all...)
			w.putRaw([]byte("next"))
			w.run(w.stopAfter(n), deaggregated, esm.Config{BatchSize: 1, RetryBackoff: innerBackoff}, n)
			w.run(w.stopAfter(n), kinesis.Options{}, esm.Config{BatchSize: 1, RetryBackoff: innerBackoff}, n+1) // handles nothing
			w.handled = nil
			w.run(w.stopAfter(1), kinesis.Options{}, esm.Config{BatchSize: 1, RetryBackoff: innerBackoff}, 1)
			w.want(fmt.Sprint("switched off after ", n), string(kinesistest.Aggregate(innerRecords(all...)...)))
			w.run(w.journal(nil), kinesis.Options{}, esm.Config{BatchSize: 1}, 3)
			w.want("later", string(kinesistest.Aggregate(innerRecords(all...)...)), "next")
		})
	}
}

// Switched off with only the last shard's end before it: the part that is left keeps
// the shard from ending (P1, KIN-75).
func TestSwitchedOffAtTheEnd(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(t *testing.T, w *aggregates) {
		w.put("a0", "a1")
		if _, err := w.Split(telemetry, "shardId-000000000000"); err != nil {
			t.Fatal(err)
		}
		w.run(w.stopAfter(1), deaggregated, esm.Config{BatchSize: 1, RetryBackoff: innerBackoff}, 1)
		w.run(w.stopAfter(1), kinesis.Options{}, esm.Config{BatchSize: 1, RetryBackoff: innerBackoff}, 2)
		if w.position().Ended() {
			t.Fatal("the shard has ended, but not all of it was settled")
		}
		w.run(w.journal(nil), kinesis.Options{}, esm.Config{}, 2)
		w.want("switched off", "a0", string(kinesistest.Aggregate(innerRecords("a0", "a1")...)))
	})
}
