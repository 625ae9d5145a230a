package kinesis_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// A sequence number that several records of a batch bear stands for the first of
// them in the batch: the mapping goes on there (KIN-151, KIN-213).
func TestPartialFailureInAggregate(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(t *testing.T, w *aggregates) {
		w.put("a0", "a1")
		second := w.put("b2", "b3", "b4")
		w.put("c5")
		failures := 2
		w.run(w.journal(func(records []sources.Record) ([]string, error) {
			if failures == 0 || !slices.Contains(innerData(records), "b3") {
				return nil, nil
			}
			failures--
			return []string{second}, nil
		}), deaggregated, esm.Config{ReportBatchItemFailures: true, RetryBackoff: innerBackoff}, 6)
		w.want("at the end", "a0", "a1", "b2", "b3", "b4", "c5")
		want := []string{
			"a0", "a1", "b2", "b3", "b4", "c5", // b3 fails
			"b2", "b3", "b4", "c5", // again, which is no progress
			"b2", "b3", "b4", "c5",
		}
		if !slices.Equal(w.tried, want) {
			t.Errorf("tried %q, want %q", w.tried, want)
		}
	})
}

// The batch may begin within an aggregate: then only what of it is in the batch comes
// again (KIN-151, KIN-213).
func TestPartialFailureOfTheRest(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(t *testing.T, w *aggregates) {
		number := w.put("a0", "a1", "a2", "a3", "a4")
		failed := false
		w.run(w.journal(func(records []sources.Record) ([]string, error) {
			if failed || !slices.Contains(innerData(records), "a3") {
				return nil, nil
			}
			failed = true
			return []string{number}, nil
		}), deaggregated, esm.Config{BatchSize: 2, ReportBatchItemFailures: true, RetryBackoff: innerBackoff}, 5)
		w.want("at the end", "a0", "a1", "a2", "a3", "a4")
		if want := []string{"a0", "a1", "a2", "a3", "a2", "a3", "a4"}; !slices.Equal(w.tried, want) {
			t.Errorf("tried %q, want %q", w.tried, want)
		}
	})
}

// A poison record inside is found by bisection, and given up alone (P6, KIN-140).
func TestBisectInAggregate(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(t *testing.T, w *aggregates) {
		w.put("a0", "a1", "a2", "poison", "a4")
		w.put("b5", "b6")
		var failures []*esm.FailureRecord
		w.run(w.journal(func(records []sources.Record) ([]string, error) {
			if slices.Contains(innerData(records), "poison") {
				return nil, errInner
			}
			return nil, nil
		}), deaggregated, esm.Config{
			BisectBatchOnFunctionError: true, MaximumRetryAttempts: new(0), RetryBackoff: innerBackoff,
			OnFailure: esm.DestinationFunc(func(_ context.Context, f *esm.FailureRecord) error {
				failures = append(failures, f)
				return nil
			}),
		}, 6)
		w.want("at the end", "a0", "a1", "a2", "a4", "b5", "b6")
		if len(failures) != 1 {
			t.Errorf("%d failure records, want 1", len(failures))
		}
	})
}

// With sub-lanes each inner key keeps its order, over failures, bisection and stops (P3, P4,
// KIN-101).
func TestOrderOfInnerKeys(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		withAggregates(t, func(_ *testing.T, w *aggregates) {
			const records = 200
			random := rand.New(rand.NewPCG(seed, 1))
			all := innerTexts(records, 7)
			for rest := all; len(rest) > 0; {
				n := min(1+random.IntN(20), len(rest))
				w.put(rest[:n]...)
				rest = rest[n:]
			}
			config := esm.Config{
				BatchSize: 1 + random.IntN(12), ParallelizationFactor: 5, BisectBatchOnFunctionError: true, RetryBackoff: innerBackoff,
				ReportBatchItemFailures: true,
			}
			for stop := 40; stop <= records; stop += 40 {
				w.run(w.journal(func(batch []sources.Record) ([]string, error) {
					switch random.IntN(8) {
					case 0:
						return nil, errInner
					case 1:
						return []string{batch[random.IntN(len(batch))].ID}, nil
					default:
						return nil, nil
					}
				}), deaggregated, config, stop)
			}
			w.run(w.journal(nil), deaggregated, config, 1<<30)
			w.inOrder(all)
		})
	}
}

// inOrder looks that everything was handled, and each key in order, but for what
// comes again after a stop with sub-lanes.
func (w *aggregates) inOrder(all []string) {
	w.t.Helper()
	next := map[string]int{}
	seen := map[string]bool{}
	place := map[string]int{}
	for i, d := range all {
		place[d] = i
	}
	for _, d := range w.handled {
		key := d[:1]
		if seen[d] {
			continue // behind the position, and again after a stop
		}
		if place[d] < next[key] {
			w.t.Errorf("%s was handled after a later one of its key", d)
		}
		seen[d], next[key] = true, place[d]
	}
	if len(seen) != len(all) {
		w.t.Errorf("%d records handled, want %d", len(seen), len(all))
	}
}

// An iterator that expires, and answers that are lost, repeat nothing of an aggregate (P5, P9,
// KIN-41).
func TestAggregatesUnderFaults(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(_ *testing.T, w *aggregates) {
		var calls atomic.Int64
		w.SetFault(func(c kinesistest.Call) kinesistest.Fault {
			if c.Action != "GetRecords" {
				return kinesistest.Fault{}
			}
			switch calls.Add(1) % 5 {
			case 1:
				return kinesistest.Fault{Err: kinesistest.ExpiredIterator()}
			case 2:
				return kinesistest.Fault{Err: kinesistest.ProvisionedThroughputExceeded()}
			case 3:
				return kinesistest.Fault{AtMost: 1}
			default:
				return kinesistest.Fault{}
			}
		})
		all := innerTexts(60, 4)
		for i := 0; i < len(all); i += 6 {
			w.put(all[i : i+6]...)
		}
		w.run(w.journal(nil), deaggregated, esm.Config{BatchSize: 4, RetryBackoff: innerBackoff}, len(all))
		w.want("at the end", all...)
	})
}

// Positions in the texts of failure records are those of the records that were read.
func TestInnerBatchInfo_DST10(t *testing.T) {
	t.Parallel()
	withAggregates(t, func(t *testing.T, w *aggregates) {
		number := w.put("poison", "a1")
		var info string
		w.run(w.journal(func(records []sources.Record) ([]string, error) {
			if string(records[0].Data) == "poison" {
				return nil, errInner
			}
			return nil, nil
		}), deaggregated, esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(0),
			OnFailure: esm.DestinationFunc(func(_ context.Context, f *esm.FailureRecord) error {
				text, err := json.Marshal(f)
				info = string(text)
				return err
			}),
		}, 1)
		if strings.Count(info, number) != 2 || !strings.Contains(info, `"batchSize":1`) {
			t.Errorf("the failure record is %s, want sequence number %s twice", info, number)
		}
	})
}
