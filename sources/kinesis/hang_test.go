package kinesis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// never is longer than any deadline.
const never = 1000 * time.Hour

// listened is a source whose reports the world hears of, as a mapping's observer does.
type listened struct {
	*kinesis.Source

	w *world
}

func (l listened) Start(ctx context.Context, settings sources.Settings) error {
	settings.Report = func(err error) { l.w.observe(esm.Observation{Metric: esm.PollingErrorCount, Count: 1, Err: err}) }
	return l.Source.Start(ctx, settings)
}

// runListened runs a mapping whose background failures the world hears of.
func (w *world) runListened(options kinesis.Options, config esm.Config) *runningMapping {
	w.t.Helper()
	return w.runSource(listened{w.source(options), w}, w.journal(nil), config)
}

// reported returns the first failure that was observed and says all of these.
func (w *world) reported(words ...string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, err := range w.errs {
		all := true
		for _, word := range words {
			all = all && strings.Contains(err.Error(), word)
		}
		if all {
			return err
		}
	}
	return nil
}

// hung looks that a call that hung was told of: which one, on what, and for how long.
func (w *world) hung(words ...string) {
	w.t.Helper()
	err := w.reported(append(words, "not answered within")...)
	if !errors.Is(err, context.DeadlineExceeded) {
		w.t.Errorf("P14: got error %v; want one of a deadline that says %q; observed: %v", err, words, w.errs)
	}
}

// TestHungCallAtTheStart has the first call of each kind never answered (P9, P11, P14).
func TestHungCallAtTheStart(t *testing.T) {
	t.Parallel()
	for action, limit := range map[string]time.Duration{
		"DescribeStreamSummary": 20 * time.Second,
		"ListShards":            20 * time.Second,
		"GetShardIterator":      20 * time.Second,
		"GetRecords":            30 * time.Second,
	} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(_ *testing.T, w *world) {
				w.Inject(action, kinesistest.Fault{Delay: never})
				w.send("", "a", "b", "c")
				m := w.runListened(kinesis.Options{}, esm.Config{})
				w.until(3, limit+5*time.Second)
				w.hung("kinesis: "+action+" on ", " telemetry", limit.String())
				m.end()
				w.once()
			})
		})
	}
}

// TestHungCallsForAWhile has all calls of a kind never answered for two minutes while
// the stream is read, with a shard that ends (P9, P11, P14).
func TestHungCallsForAWhile(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"ListShards", "GetShardIterator", "GetRecords"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 2, func(t *testing.T, w *world) {
				w.send("", "a", "b", "c", "d")
				m := w.runListened(kinesis.Options{}, esm.Config{})
				w.until(4, 10*time.Second)
				w.setFault(on(action, func(kinesistest.Call) kinesistest.Fault { return kinesistest.Fault{Delay: never} }))
				_, err := w.Split(telemetry, firstShard)
				if err != nil {
					t.Fatal(err)
				}
				w.send("", "e", "f", "g", "h")
				time.Sleep(2 * time.Minute)
				w.hung("kinesis: " + action + " on ")
				w.setFault(nil)
				w.until(8, 2*time.Minute)
				m.end()
				w.once()
			})
		})
	}
}

// TestStopWithHungCalls stops mappings whose calls are never answered.
func TestStopWithHungCalls_P11(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"DescribeStreamSummary", "ListShards", "GetShardIterator", "GetRecords"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.setFault(on(action, func(kinesistest.Call) kinesistest.Fault { return kinesistest.Fault{Delay: never} }))
				w.send("", "a")
				m := w.runListened(kinesis.Options{}, esm.Config{})
				time.Sleep(15 * time.Second)
				took, err := m.stop()
				if err != nil || took > time.Second {
					t.Errorf("Run returned %v after %v, want nil within a second", err, took)
				}
			})
		})
	}
}

// inTable runs a test with a lease table on the wire instead of a store in memory.
func inTable(t *testing.T, shards int, test func(t *testing.T, w *world, table *dynamodbtest.Server)) {
	t.Helper()
	inWorld(t, shards, func(t *testing.T, w *world) {
		t.Helper()
		table := dynamodbtest.New()
		t.Cleanup(func() { _ = table.Close() })
		store, err := dynamodb.New(table.Client(), "positions", dynamodb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = store.CreateTable(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.store = &watchedStore{w: w, Store: store}
		test(t, w, table)
	})
}

// TestHungLeaseTable has calls of the lease table never answered, at the start and for a
// while: what is read goes on, and the leases are kept or given up in time (P9, P11, P14).
func TestHungLeaseTable(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"Scan", "PutItem", "UpdateItem"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			inTable(t, 2, func(_ *testing.T, w *world, table *dynamodbtest.Server) {
				table.Inject(action, dynamodbtest.Fault{Cut: dynamodbtest.CutBefore, Delay: never})
				w.send("", "a", "b", "c", "d")
				m := w.runListened(kinesis.Options{}, esm.Config{})
				w.until(4, 45*time.Second)
				w.hung("kinesis: stream telemetry: ", "dynamodb: "+action+" on table positions")
				table.SetFault(func(c dynamodbtest.Call) dynamodbtest.Fault {
					if c.Action != action {
						return dynamodbtest.Fault{}
					}
					return dynamodbtest.Fault{Cut: dynamodbtest.CutBefore, Delay: never}
				})
				time.Sleep(2 * time.Minute)
				table.SetFault(nil)
				w.send("", "e", "f", "g", "h")
				w.until(8, time.Minute)
				m.end()
			})
		})
	}
}

// TestStopWithAHungLeaseTable stops a mapping that can store nothing.
func TestStopWithAHungLeaseTable_P11(t *testing.T) {
	t.Parallel()
	inTable(t, 3, func(t *testing.T, w *world, table *dynamodbtest.Server) {
		m := w.runListened(kinesis.Options{}, esm.Config{DrainTimeout: 10 * time.Second})
		time.Sleep(5 * time.Second)
		table.SetFault(func(dynamodbtest.Call) dynamodbtest.Fault {
			return dynamodbtest.Fault{Cut: dynamodbtest.CutBefore, Delay: never}
		})
		w.send("", "a", "b", "c", "d", "e")
		w.wait(10*time.Second, "handled", func() bool { return w.finished() == 5 })
		const maxTime = 15 * time.Second // DrainTimeout and what settling has beyond it
		took, _ := m.stop()
		if took > maxTime {
			t.Errorf("stopped after %v, want %v at most", took, maxTime)
		}
		if w.count(esm.CommitErrorCount) == 0 || w.reported("dynamodb: UpdateItem on table positions: not answered within") == nil {
			t.Errorf("P14: positions that could not be stored were not told: %v", w.errs)
		}
	})
}

// TestLeaseTableThatNeverWorks tells that nothing is read, and why, within a minute, and
// goes on to tell (P14).
func TestLeaseTableThatNeverWorks_P14(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		fault dynamodbtest.Fault
		words string
	}{
		"down":    {dynamodbtest.Fault{Err: dynamodbtest.InternalServerError()}, "InternalServerError"},
		"hanging": {dynamodbtest.Fault{Delay: never}, "not answered within 20s"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inTable(t, 1, func(t *testing.T, w *world, table *dynamodbtest.Server) {
				table.SetFault(func(dynamodbtest.Call) dynamodbtest.Fault { return test.fault })
				m := w.runListened(kinesis.Options{}, esm.Config{})
				time.Sleep(time.Minute)
				if w.reported("kinesis: stream telemetry: leases not read: dynamodb: Scan on table positions", test.words) == nil {
					t.Errorf("told after a minute: %v", w.errs)
				}
				before := w.count(esm.PollingErrorCount)
				time.Sleep(time.Hour)
				if more := w.count(esm.PollingErrorCount) - before; more < 60 || more > 3600 {
					t.Errorf("told %d times in an hour, want once a second to once a minute", more)
				}
				m.end()
			})
		})
	}
}

// TestFetchKeepsToItsWait has a Fetch return when its wait has passed though the call
// that it made hangs, and the next ones bring what becomes of that (P8) (P11).
func TestFetchKeepsToItsWait(t *testing.T) {
	t.Parallel()
	for action, limit := range map[string]time.Duration{"GetShardIterator": 20 * time.Second, "GetRecords": 30 * time.Second} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.Inject(action, kinesistest.Fault{Delay: never})
				w.send("k", "a")
				p := w.open(kinesis.Options{})
				defer p.close()
				began := time.Now()
				for _, wait := range []time.Duration{500 * time.Millisecond, 0, 0, 2 * time.Second} {
					start := time.Now()
					n, err := p.Fetch(t.Context(), make([]sources.Record, 1), wait)
					if took, maxTime := time.Since(start), max(wait, time.Second/2); n != 0 || err != nil || took > maxTime {
						t.Fatalf("Fetch with a wait of %v: %d records, error %v after %v, want none within %v", wait, n, err, took, maxTime)
					}
				}
				_, err := p.Fetch(t.Context(), make([]sources.Record, 1), time.Hour)
				if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took != limit {
					t.Errorf("Fetch: error %v after %v, want one of a deadline after %v", err, took, limit)
				}
				p.want("a")
			})
		})
	}
}
