package kinesis_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// A batch of any size needs no window, other than on SQS; neither does a window need a
// larger batch (KIN-04, KIN-05).
func TestBatchSizeNeedsNoWindow(t *testing.T) {
	t.Parallel()
	server := kinesistest.New()
	defer server.Close()
	for _, config := range []esm.Config{
		{BatchSize: 100}, {BatchSize: 10_000}, {BatchSize: 1, MaximumBatchingWindow: 300 * time.Second},
	} {
		source, err := kinesis.New(server.Client(), telemetry, checkpoint.NewMemory(), kinesis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = esm.New(source, esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, nil
		}), config)
		if err != nil {
			t.Errorf("%+v: %v", config, err)
		}
	}
}

// documents is a handler of event documents with one answer for all.
type documents string

func (d documents) Invoke(context.Context, []byte) ([]byte, error) { return []byte(d), nil }

func TestEmptyAnswerIsSuccess_KIN131(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		numbers := w.send("k", "a", "b")
		w.finish([]sources.Record{{ID: numbers[0]}, {ID: numbers[1]}}) // the journal does not see this handler
		r := w.run(esm.Bytes(documents("")), kinesis.Options{}, esm.Config{ReportBatchItemFailures: true, MaximumRetryAttempts: new(0)})
		w.wait(time.Minute, "the position behind both", func() bool { return w.lease(firstShard).Position.Sequence == numbers[1] })
		r.end()
		if n := w.count(esm.FailedInvokeEventCount); n != 0 {
			t.Errorf("%d records failed", n)
		}
	})
}

// What succeeded and was not stored before a crash comes again.
func TestCrashBeforeThePositionRepeats_KIN132(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a", "b", "c")
		first := w.run(w.journal(func(_ context.Context, _ []sources.Record) (esm.Response, error) {
			w.breakStore(true) // from the success on nothing is stored: the process is as good as dead
			return esm.Response{}, nil
		}), kinesis.Options{LeaseDuration: time.Second}, esm.Config{DrainTimeout: time.Nanosecond})
		w.until(3, time.Minute)
		_, _ = first.stop() // however it ends
		w.breakStore(false)
		second := w.run(w.journal(nil), kinesis.Options{LeaseDuration: time.Second}, esm.Config{})
		w.wait(time.Minute, "all of it again", func() bool { return len(w.log()) > 1 })
		second.end()
		if got := w.log()[1].bodies; !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("then %v", got)
		}
	})
}

// Records that leave the stream while their batch is retried are still in memory, and
// handled: here nothing is lost to that.
func TestRetentionEndsWhileRetrying_KIN130(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a", "b")
		r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			if time.Since(w.began) < time.Hour {
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), kinesis.Options{}, esm.Config{})
		time.Sleep(time.Minute)
		last := w.send("k", "c")
		err := w.Trim(telemetry, firstShard, last[0])
		if err != nil {
			t.Fatal(err)
		}
		w.until(3, 2*time.Hour)
		r.end()
		w.once()
		if n := w.count(esm.DroppedEventCount); n != 0 {
			t.Errorf("%d records dropped", n)
		}
	})
}

func TestAggregateIsOneRecordUnlessAskedFor_KIN211(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		aggregate := kinesistest.Aggregate(
			kinesistest.Record{Key: "a", Data: []byte("one")}, kinesistest.Record{Key: "b", Data: []byte("two")},
		)
		w.sendRecords([]kinesistest.Record{{Key: "k", Data: aggregate}})
		r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
		w.until(1, time.Minute)
		r.end()
		if got := w.log()[0].bodies; !slices.Equal(got, []string{string(aggregate)}) {
			t.Errorf("got %q", got)
		}
	})
}

// The metric is the age of a batch's last record when it is handed to the handler (KIN-216,
// ESM-98).
func TestIteratorAgeIsThatOfTheLastRecord(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		w.send("k", "a")
		time.Sleep(time.Minute)
		w.send("k", "b")
		time.Sleep(time.Second)
		var (
			mu   sync.Mutex
			ages []time.Duration
		)
		config := esm.Config{}
		config.Observer = func(o esm.Observation) {
			w.observe(o)
			if o.Metric == esm.IteratorAge {
				mu.Lock()
				defer mu.Unlock()
				ages = append(ages, o.Duration)
			}
		}
		r := w.run(w.journal(nil), kinesis.Options{}, config)
		w.until(2, time.Minute)
		r.end()
		mu.Lock()
		defer mu.Unlock()
		if len(ages) != 1 || ages[0] < time.Second || ages[0] > 2*time.Second {
			t.Errorf("ages %v, want one of a second", ages)
		}
	})
}

// The number of batches in flight may change with a restart: reading goes on behind the
// lowest open record, and each key stays in order.
func TestFactorChangesAtARestart_KIN106(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		const keys, each = 12, 20
		for range each {
			for k := range keys {
				w.send(string(rune('a'+k)), "x")
			}
		}
		slow := w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(time.Second)
			return esm.Response{}, nil
		})
		for _, factor := range []int{10, 1, 3, 7} {
			config := esm.Config{}
			config.BatchSize, config.ParallelizationFactor = 3, factor
			r := w.run(slow, kinesis.Options{}, config)
			time.Sleep(4 * time.Second)
			r.end()
		}
		r := w.run(slow, kinesis.Options{}, esm.Config{})
		w.until(keys*each, time.Hour)
		r.end()
		for key, numbers := range w.keys {
			next := 0
			for _, b := range w.log() {
				for _, number := range b.numbers {
					// What was settled comes no more; what comes is never ahead of its turn.
					if at := slices.Index(numbers, number); at > next {
						t.Fatalf("key %s: record %d comes before %d", key, at, next)
					} else if at == next {
						next++
					}
				}
			}
			if next != each {
				t.Errorf("key %s: %d of %d records", key, next, each)
			}
		}
	})
}
