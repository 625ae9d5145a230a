package esm_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func debugLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func TestRunIsOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{})
		q.End()
		j := newJournal()
		m := mustNew(t, q.Source(), j.handler(nil), j.config(esm.Config{}))
		mustRun(t, m)
		if err := m.Run(t.Context()); !errors.Is(err, esm.ErrSpent) {
			t.Errorf("second Run: %v", err)
		}
	})
}

func TestRunWithADeadContextEndsWell_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		q := queueOf(memory.QueueOptions{}, "a")
		j := newJournal()
		if err := mustNew(t, q.Source(), j.handler(nil), j.config(esm.Config{})).Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
		equal(t, "handled", len(j.seen()), 0)
		equal(t, "visible", q.Visible(), 1)
	})
}

func TestUnusableSourceEndsTheMapping(t *testing.T) {
	unusable := fmt.Errorf("%w: the specified queue does not exist", sources.ErrUnusable)
	for name, source := range map[string]func(sources.Source) *stub{
		"at start": func(s sources.Source) *stub {
			return &stub{Source: s, start: func(sources.Settings) error { return unusable }}
		},
		"at accept": func(s sources.Source) *stub {
			return &stub{Source: s, accept: func() error { return unusable }}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := newJournal()
				err := mustNew(t, source(queueOf(memory.QueueOptions{}).Source()), j.handler(nil), j.config(esm.Config{})).Run(t.Context())
				if !errors.Is(err, sources.ErrUnusable) {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

func TestSettingsReachTheSource(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{})
		q.End()
		var got sources.Settings
		j := newJournal()
		source := &stub{Source: q.Source(), start: func(s sources.Settings) error { got = s; return nil }}
		mustRun(t, mustNew(t, source, j.handler(nil), j.config(esm.Config{
			BatchSize: 20, MaximumBatchingWindow: time.Second, Timeout: 7 * time.Second,
		})))
		if got.Logger == nil || got.Report == nil {
			t.Errorf("logger %v, report given: %v", got.Logger, got.Report != nil)
		}
		got.Logger, got.Report = nil, nil
		equal(t, "settings", got, sources.Settings{
			BatchSize: 20, BatchBytes: 6_291_456, Window: time.Second, Timeout: 7 * time.Second, Concurrency: 1250,
		})
	})
}

// fifty is a source of fifty records and then its end, and how many are left.
func fifty(ordered bool) (source sources.Source, left func() int) {
	if ordered {
		s := streamOf(numbers(50)...)
		s.End()
		return s.Source("app"), func() int { return s.Lag("app") }
	}
	q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(50)...)
	q.End()
	return q.Source(), q.Len
}

// inBoth runs f in a bubble for an unordered and for an ordered source.
func inBoth(t *testing.T, f func(t *testing.T, source sources.Source, left func() int)) {
	t.Helper()
	for _, ordered := range []bool{false, true} {
		t.Run(fmt.Sprintf("ordered=%v", ordered), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source, left := fifty(ordered)
				f(t, source, left)
			})
		})
	}
}

// TestTroubleIsOutlived lets each call to the source fail for five minutes.
func TestTroubleIsOutlived_P9(t *testing.T) {
	for _, call := range []string{"start", "accept", "fetch"} {
		t.Run(call, func(t *testing.T) {
			inBoth(t, func(t *testing.T, source sources.Source, left func() int) {
				var mu sync.Mutex
				began, calls := time.Now(), 0
				outage := func() error {
					mu.Lock()
					defer mu.Unlock()
					if time.Since(began) > 5*time.Minute {
						return nil
					}
					calls++
					return errors.New("service unavailable")
				}
				troubled := &stub{Source: source}
				switch call {
				case "start":
					troubled.start = func(sources.Settings) error { return outage() }
				case "accept":
					troubled.accept = outage
				case "fetch":
					troubled.fetch = outage
				}
				j := newJournal()
				mustRun(t, mustNew(t, troubled, j.handler(nil), j.config(esm.Config{})))
				equal(t, "left", left(), 0)
				equal(t, "handled once", len(j.seen()), 50)
				if lanes := 5; calls < 10 || calls > 25*lanes {
					t.Errorf("%d calls in five minutes of outage", calls)
				}
				equal(t, "polling errors observed", j.count(esm.PollingErrorCount), calls)
			})
		})
	}
}

// Settling is tried again (P9, SQS-62).
func TestSettlingIsTriedAgain(t *testing.T) {
	inBoth(t, func(t *testing.T, source sources.Source, left func() int) {
		began := time.Now()
		j := newJournal()
		mustRun(t, mustNew(t, &stub{Source: source, ack: func([]sources.Record) error {
			if time.Since(began) < time.Minute {
				return errors.New("service unavailable")
			}
			return nil
		}}, j.handler(nil), j.config(esm.Config{})))
		equal(t, "left", left(), 0)
		equal(t, "handled once", len(j.seen()), 50)
		if j.count(esm.CommitErrorCount) == 0 {
			t.Error("no settlement error was observed")
		}
		equal(t, "settled", j.count(esm.DeletedEventCount)+j.count(esm.CommittedEventCount), 50)
	})
}

func TestPartialSettlementIsCompleted_SQS60(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(10)...)
		j := newJournal()
		calls := 0
		source := &stub{Source: q.Source()}
		source.ack = func(records []sources.Record) error {
			if calls++; calls == 1 {
				return &sources.AckError{Unsettled: records[2:5], Stale: records[:2], Err: errors.New("internal error")}
			}
			equal(t, "tried again", len(records), 3)
			return nil
		}
		m := mustNew(t, source, j.handler(nil), j.config(esm.Config{MaximumConcurrency: 1}))
		stop := background(t, m)
		time.Sleep(time.Minute)
		_, _ = stop()
		equal(t, "settled", j.count(esm.DeletedEventCount), 8)
		equal(t, "stale", j.count(esm.StaleEventCount), 2)
	})
}

func TestSourceThatDoesNotRedeliverIsRetriedInPlace_ESM65(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "a", "b")
		q.End()
		j := newJournal()
		tries := 0
		mustRun(t, mustNew(t, &stub{Source: q.Source(), traits: func(t sources.Traits) sources.Traits {
			t.Redelivers = false
			return t
		}}, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			if tries++; tries < 4 {
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{MaximumConcurrency: 1, Jitter: func() float64 { return 0.5 }})))
		equal(t, "batches", j.batches, [][]string{{"a", "b"}, {"a", "b"}, {"a", "b"}, {"a", "b"}})
		equal(t, "times", j.times, []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond})
		equal(t, "deleted", q.Deleted(), 2)
	})
}

func TestFailedRecordsAreTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
		q := queueOf(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dlq}, "a", "poison")
		q.End()
		j := newJournal()
		source := &stub{Source: q.Source()}
		mustRun(t, mustNew(t, source, j.handler(failIf("poison")), j.config(esm.Config{BatchSize: 1})))
		equal(t, "failed", source.failed, []string{"poison"})
	})
}

func TestAcksAreGatheredAcrossInvocations(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(105)...)
		q.End()
		j := newJournal()
		var sizes []int
		var mu sync.Mutex
		mustRun(t, mustNew(t, &stub{
			Source: q.Source(),
			traits: func(t sources.Traits) sources.Traits {
				t.AckBatch, t.AckLinger = 10, 20*time.Millisecond
				return t
			},
			ack: func(records []sources.Record) error {
				mu.Lock()
				defer mu.Unlock()
				sizes = append(sizes, len(records))
				return nil
			},
		}, j.handler(nil), j.config(esm.Config{BatchSize: 1})))
		equal(t, "records a call", sizes, []int{10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 5})
		equal(t, "deleted", q.Deleted(), 105)
	})
}

// Concurrency grows with the backlog (SQS-20, SQS-21).
func TestConcurrencyGrowsWithTheBacklog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour})
		for range 200_000 {
			q.Send("x")
		}
		j := newJournal()
		m := mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{}))
		stop := background(t, m)
		equal(t, "at the start", j.peak(), 5)
		time.Sleep(time.Minute)
		if j.peak() < 280 || j.peak() > 310 {
			t.Errorf("%d concurrent batches after a minute, want 5 and 300 more", j.peak())
		}
		time.Sleep(5 * time.Minute)
		if j.peak() > 1250 {
			t.Errorf("%d concurrent batches, above 1,250", j.peak())
		}
		equal(t, "all deleted", q.Len(), 0)
		_, _ = stop()
	})
}

func TestMaximumConcurrencyCaps_SQS22(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(5000)...)
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{MaximumConcurrency: 7})))
		equal(t, "most batches at once", j.peak(), 7)
	})
}

// Function errors reduce concurrency (SQS-46, SQS-47).
func TestFunctionErrorsReduceConcurrency(t *testing.T) {
	for _, report := range []bool{false, true} {
		t.Run(fmt.Sprintf("report=%v", report), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(2000)...)
				j := newJournal()
				m := mustNew(t, scaled(q.Source(), sources.Scaling{Initial: 20, Idle: 2, Max: 20}), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
					time.Sleep(time.Second)
					return esm.Response{}, errHandler
				}), j.config(esm.Config{
					BatchSize: 1, ReportBatchItemFailures: report,
				}))
				stop := background(t, m)
				time.Sleep(30500 * time.Millisecond)
				j.mu.Lock()
				running := j.running
				j.mu.Unlock()
				if report {
					equal(t, "lanes", running, 20)
				} else {
					equal(t, "lanes", running, 2)
				}
				_, _ = stop()
			})
		})
	}
}

func TestIdleMappingKeepsTwoLanes_SQS21(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{})
		j := newJournal()
		var mu sync.Mutex
		fetches := 0
		m := mustNew(t, &stub{Source: q.Source(), fetch: func() error {
			mu.Lock()
			defer mu.Unlock()
			fetches++
			return nil
		}}, j.handler(nil), j.config(esm.Config{}))
		stop := background(t, m)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		mu.Lock()
		if fetches > 70 {
			t.Errorf("%d fetches in ten idle minutes: more than two lanes of 20 s long polls", fetches)
		}
		mu.Unlock()
		took, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "stopped at once", took, 0)
	})
}

func TestLifecycleStress_P11(t *testing.T) {
	t.Parallel()
	q := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: time.Hour})
	s := memory.NewStream(memory.StreamOptions{Partitions: 4})
	for i := range 2000 {
		q.Send("x")
		s.Put(strconv.Itoa(i), []byte("x"))
	}
	j := newJournal()
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			for round := range 20 {
				source := q.Source()
				if worker%2 == 0 {
					source = s.Source(strconv.Itoa(worker))
				}
				m, err := esm.New(source, j.handler(nil), j.config(esm.Config{}))
				if err != nil {
					t.Error(err)
					return
				}
				ctx, cancel := context.WithCancel(t.Context())
				stopped := make(chan struct{})
				go func() {
					defer close(stopped)
					if round%2 == 0 {
						cancel()
					}
					cancel()
				}()
				if err := m.Run(ctx); err != nil {
					t.Errorf("Run: %v", err)
				}
				<-stopped
			}
		})
	}
	wg.Wait()
	equal(t, "in flight when all have stopped", q.InFlight(), 0)
}

type slowSource struct{ sources.Source }

func (s slowSource) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return slowPartition{p}, nil
}

type slowPartition struct{ sources.Partition }

func (p slowPartition) Close(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(3 * time.Second): // the rest of a long poll
	}
	return p.Partition.Close(ctx)
}

// Only an invocation that was cancelled makes ErrDrainTimeout.
func TestSlowCloseOfAnIdleMappingIsNoDrainTimeout_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		m := mustNew(t, slowSource{memory.NewQueue(memory.QueueOptions{}).Source()}, j.handler(nil),
			j.config(esm.Config{DrainTimeout: time.Second}))
		stop := background(t, m)
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

type brokenSource struct{ sources.Source }

func (s brokenSource) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return brokenPartition{p}, nil
}

type brokenPartition struct{ sources.Partition }

var errNotGivenBack = errors.New("not given back")

func (p brokenPartition) Close(ctx context.Context) error {
	return errors.Join(p.Partition.Close(ctx), errNotGivenBack)
}

// A partition that cannot be let go as it should is told of, but does not fail the mapping.
func TestFailedCloseIsTold_P14(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var told []esm.Observation
		j := newJournal()
		config := j.config(esm.Config{})
		config.Observer = func(o esm.Observation) {
			if o.Metric == esm.CommitErrorCount {
				told = append(told, o)
			}
		}
		m := mustNew(t, brokenSource{memory.NewQueue(memory.QueueOptions{}).Source()}, j.handler(nil), config)
		stop := background(t, m)
		time.Sleep(time.Second)
		_, err := stop()
		equal(t, "Run", err, nil)
		if len(told) != 1 || told[0].Count != 1 || !errors.Is(told[0].Err, errNotGivenBack) {
			t.Errorf("told of %+v, want of the failed Close, once", told)
		}
	})
}

func TestSettlementsAreCutInTheEnd_P11(t *testing.T) {
	inBoth(t, func(t *testing.T, source sources.Source, left func() int) {
		j := newJournal()
		m := mustNew(t, &stub{Source: source, ack: func([]sources.Record) error { return errors.New("service unavailable") }},
			j.handler(nil), j.config(esm.Config{DrainTimeout: 3 * time.Second}))
		stop := background(t, m)
		time.Sleep(time.Second)
		took, err := stop()
		if !errors.Is(err, esm.ErrDrainTimeout) || took > 9*time.Second {
			t.Errorf("Run: %v after %v", err, took)
		}
		equal(t, "left for the next run", left(), 50)
	})
}
