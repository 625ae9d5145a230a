package esm_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// Without faults each message is started once and none is dead-lettered, though the
// queue allows one receive and hides a message no longer than the handler may take.
func TestSlowHandlersHaveEachMessageOnce_P5(t *testing.T) {
	const limit = 30 * time.Second
	for _, size := range []int{1, 10, 100} {
		for _, concurrency := range []int{0, 1, 2, 7} {
			for _, share := range []int{0, 50, 90, 99} { // hundredths of the time limit
				t.Run(fmt.Sprintf("batches of %d, %d at once, %d%%", size, concurrency, share), func(t *testing.T) {
					bubble(t, func(t *testing.T) {
						dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
						q := queueOf(memory.QueueOptions{VisibilityTimeout: limit, MaxReceiveCount: 1, DeadLetter: dlq}, numbers(60)...)
						q.End()
						j := newJournal()
						config := esm.Config{BatchSize: size, MaximumConcurrency: concurrency, Timeout: limit}
						if size > 10 {
							config.MaximumBatchingWindow = 20 * time.Second
						}
						mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
							time.Sleep(limit / 100 * time.Duration(share))
							return esm.Response{}, nil
						}), j.config(config)))
						equal(t, "messages started", len(j.seen()), 60)
						equal(t, "dead letters", dlq.Len(), 0)
						equal(t, "let go", j.count(esm.StaleEventCount), 0)
					})
				})
			}
		}
	}
}

// What does not fit into a document of 6 MB waits for a handler that takes its time, and
// is started with its whole time limit left.
func TestWhatDidNotFitIsKept_P5(t *testing.T) {
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo=%v", fifo), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				const limit = 30 * time.Second
				dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq.fifo", FIFO: fifo})
				q := memory.NewQueue(memory.QueueOptions{FIFO: fifo, VisibilityTimeout: limit, MaxReceiveCount: 1, DeadLetter: dlq})
				for i := range 10 {
					q.Send(strings.Repeat("x", 3<<19) + strconv.Itoa(i)) // of 1.5 MiB: three a document
				}
				q.End()
				j := newJournal()
				mustRun(t, mustNew(t, q.Source(), j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
					if deadline, _ := ctx.Deadline(); time.Until(deadline) != limit {
						t.Errorf("started with %v left", time.Until(deadline))
					}
					time.Sleep(29 * time.Second)
					return esm.Response{}, nil
				}), j.config(esm.Config{MaximumConcurrency: 1, Timeout: limit})))
				equal(t, "batches", j.sizes(), []int{3, 3, 3, 1})
				equal(t, "dead letters", dlq.Len(), 0)
			})
		})
	}
}

// A source that hides records for less than the handler may take has none of them
// started: they are let go and counted, and that does not turn into a hot loop (P4, P9).
func TestRecordThatExpiresTooSoonIsLetGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: 10 * time.Second}, "a")
		j := newJournal()
		// Without Start, which refuses such a time limit.
		m := mustNew(t, &stub{Source: q.Source()}, j.handler(nil), j.config(esm.Config{Timeout: time.Minute}))
		stop := background(t, m)
		time.Sleep(time.Minute)
		equal(t, "started", j.peak(), 0)
		if n := j.count(esm.StaleEventCount); n < 5 || n > 7 {
			t.Errorf("let go %d times in a minute, want each 10 s", n)
		}
		_, _ = stop()
	})
}

// Two handlers that hang, on a mapping that had shrunk to two lanes, hold nobody up (P6, SQS-20).
func TestGrowthDoesNotWaitForAHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: 15 * time.Minute})
		j := newJournal()
		release := make(chan struct{})
		stop := background(t, mustNew(t, q.Source(), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if string(records[0].Data) == "hangs" {
				<-release
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1, Timeout: 15 * time.Minute, DrainTimeout: time.Second})))
		time.Sleep(5 * time.Minute) // idle
		q.Send("hangs")
		q.Send("hangs")
		time.Sleep(time.Second)
		for range 100 {
			q.Send("quick")
		}
		time.Sleep(time.Minute)
		equal(t, "left after a minute", q.Len(), 2)
		close(release)
		_, _ = stop()
	})
}

// A backlog of handlers that take five minutes gets lanes at the full rate.
func TestLanesGrowWhateverTheHandlerTakes_SQS20(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: 15 * time.Minute}, numbers(2000)...)
		j := newJournal()
		stop := background(t, mustNew(t, q.Source(), j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Minute):
			}
			return esm.Response{}, ctx.Err()
		}), j.config(esm.Config{BatchSize: 1, Timeout: 10 * time.Minute, DrainTimeout: time.Second})))
		time.Sleep(time.Minute)
		if n := j.peak(); n < 295 || n > 305 {
			t.Errorf("%d batches at once after a minute, want about 305", n)
		}
		_, _ = stop()
	})
}

// Of a large batch no single fetch is full; the lanes grow all the same.
func TestLanesGrowWithLargeBatches_SQS20(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(60_000)...)
		j := newJournal()
		source := &stub{Source: q.Source(), fetch: func() error { time.Sleep(20 * time.Millisecond); return nil }}
		stop := background(t, mustNew(t, source, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(10 * time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1000, MaximumBatchingWindow: time.Second, DrainTimeout: time.Second})))
		time.Sleep(30 * time.Second)
		if n := j.peak(); n < 30 {
			t.Errorf("%d batches at once after half a minute of a backlog of 60", n)
		}
		_, _ = stop()
	})
}

// One failed batch in twenty is a poison record, not a function that fails.
func TestPoisonCostsNoConcurrency_SQS46(t *testing.T) {
	peak := func(t *testing.T, every int) int {
		t.Helper()
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(40_000)...)
		j := newJournal()
		var count atomic.Int64
		stop := background(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(time.Second)
			if every > 0 && count.Add(1)%int64(every) == 0 {
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1, DrainTimeout: time.Second})))
		time.Sleep(time.Minute)
		_, _ = stop()
		return j.peak()
	}
	bubble(t, func(t *testing.T) {
		without := peak(t, 0)
		if with := peak(t, 20); with < without*9/10 || without < 250 {
			t.Errorf("%d lanes with one batch in twenty failing, %d without", with, without)
		}
	})
}

// A lane abandons one handler and no more: it waits for the next one, and says so.
func TestAbandonedHandlersAreBounded_P7(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const lanes = 10
		q := queueOf(memory.QueueOptions{}, numbers(1000)...)
		j := newJournal()
		release := make(chan struct{})
		stop := background(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			<-release
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1, MaximumConcurrency: lanes, Timeout: time.Second, DrainTimeout: time.Second})))
		time.Sleep(5 * time.Minute)
		equal(t, "handlers that run", j.peak(), 2*lanes)
		before := j.count(esm.AbandonedInvokeCount)
		time.Sleep(2 * time.Minute)
		if after := j.count(esm.AbandonedInvokeCount); after-before < lanes {
			t.Errorf("said %d times in two minutes that %d lanes wait (P14)", after-before, lanes)
		}
		close(release)
		time.Sleep(time.Minute)
		equal(t, "left once handlers return", q.Len() < 1000, true)
		_, _ = stop()
	})
}

// A throttled batch is let go while it could still be started, whatever the handler
// says, and the queue's redrive rule ends it (SQS-48, SQS-49).
func TestThrottleForEverIsDeadLettered(t *testing.T) {
	for _, after := range []time.Duration{0, -1, time.Second, time.Hour, 1<<63 - 1} {
		t.Run(after.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
				q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Minute, MaxReceiveCount: 3, DeadLetter: dlq}, "a")
				q.End()
				j := newJournal()
				mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
					return esm.Response{}, &esm.ThrottleError{RetryAfter: after}
				}), j.config(esm.Config{Timeout: 10 * time.Second})))
				equal(t, "dead letters", dlq.Bodies(), []string{"a"})
				if took := time.Since(j.began); took > 5*time.Minute {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// An outage of the service with a hundred lanes costs one call at a time, and one line
// in the log for each (P9, P14).
func TestOutageCostsOneCallAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(1000)...)
		j := newJournal()
		var down atomic.Bool
		var calls, lines atomic.Int64
		source := scaled(q.Source(), sources.Scaling{Initial: 100, Idle: 100, Max: 100})
		source.(*stub).fetch = func() error {
			if !down.Load() {
				return nil
			}
			calls.Add(1)
			time.Sleep(time.Millisecond)
			return errHandler
		}
		config := j.config(esm.Config{BatchSize: 1})
		config.Logger = slog.New(counting{&lines})
		stop := background(t, mustNew(t, source, j.handler(nil), config))
		time.Sleep(time.Minute)
		down.Store(true)
		for range 200 {
			q.Send("more") // wakes the lanes
		}
		time.Sleep(5 * time.Minute)
		if n := calls.Load(); n > 100+60 {
			t.Errorf("%d calls in five minutes of an outage; want one a lane, and then a few a minute", n)
		}
		if n := lines.Load(); n > 60 {
			t.Errorf("%d warnings", n)
		}
		equal(t, "told", j.count(esm.PollingErrorCount), int(calls.Load()))
		down.Store(false)
		time.Sleep(time.Minute)
		equal(t, "left", q.Len(), 0)
		_, _ = stop()
	})
}

// Lanes that wait because the service fails are not too many: they are all there when
// it is back (P9, SQS-21).
func TestOutageCostsNoLanes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(1000)...)
		j := newJournal()
		var down atomic.Bool
		down.Store(true)
		source := scaled(q.Source(), sources.Scaling{Initial: 100, Idle: 2, Max: 100, PerMinute: 60})
		source.(*stub).fetch = func() error {
			if down.Load() {
				return errHandler
			}
			return nil
		}
		stop := background(t, mustNew(t, source, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(10 * time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1})))
		time.Sleep(5 * time.Minute)
		down.Store(false)
		time.Sleep(25 * time.Second) // a try may be as far away
		equal(t, "batches at once", j.peak(), 100)
		_, _ = stop()
	})
}

// counting counts warnings.
type counting struct{ n *atomic.Int64 }

func (counting) Enabled(context.Context, slog.Level) bool { return true }

func (c counting) Handle(_ context.Context, r slog.Record) error {
	if r.Level >= slog.LevelWarn {
		c.n.Add(1)
	}
	return nil
}

func (c counting) WithAttrs([]slog.Attr) slog.Handler { return c }
func (c counting) WithGroup(string) slog.Handler      { return c }

// MaximumBufferedBytes bounds a queue too: what is held, and what fetches under way may
// bring.
func TestBytesOfAQueueAreBounded_P7(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const each, largest, limit = 100, 1000, 10_000
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(500)...)
		source := &stub{Source: q.Source(), traits: func(t sources.Traits) sources.Traits {
			t.RecordBytes, t.MaxRecordBytes = each, largest
			t.Scaling = sources.Scaling{Initial: 100, Idle: 100, Max: 100}
			return t
		}}
		j := newJournal()
		var mu sync.Mutex
		held, most := 0, 0
		hold := func(records []sources.Record, sign int) {
			mu.Lock()
			defer mu.Unlock()
			for i := range records {
				held += sign * (records[i].Size + each)
			}
			most = max(most, held)
		}
		source.ack = func(records []sources.Record) error { hold(records, -1); return nil }
		stop := background(t, mustNew(t, source, j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			hold(records, 1)
			time.Sleep(time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 10, MaximumBufferedBytes: limit})))
		time.Sleep(10 * time.Minute)
		equal(t, "left", q.Len(), 0)
		if most > limit || most < limit/2 {
			t.Errorf("%d bytes held at most, MaximumBufferedBytes is %d", most, limit)
		}
		_, _ = stop()
	})
}

// poller is a queue whose polls take what comes until they end, as those of SQS do: a
// poll that is cancelled takes messages with it.
type poller struct {
	sources.Partition
	stopped chan struct{}
	once    sync.Once
}

func (p *poller) Stop() { p.once.Do(func() { close(p.stopped) }) }

func (p *poller) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	select {
	case <-p.stopped:
		return 0, sources.ErrEnd
	default:
	}
	n, err := p.Partition.Fetch(context.WithoutCancel(ctx), buf, wait)
	if n > 0 && ctx.Err() != nil {
		return 0, ctx.Err() // lost
	}
	return n, err
}

func (p *poller) Unwrap() sources.Partition { return p.Partition }

type polled struct {
	sources.Source
	stopped chan struct{}
}

func (s *polled) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &poller{Partition: p, stopped: s.stopped}, nil
}

func (s *polled) Unwrap() sources.Source { return s.Source }

// What a poll brings that was under way when the mapping stopped is handled if there is
// time: it costs no receive, so nothing healthy is dead-lettered unhandled (P5, P11).
func TestStopHandlesWhatPollsBring(t *testing.T) {
	for handler, want := range map[time.Duration]int{time.Second: 0, 20 * time.Second: 1} {
		t.Run(handler.String(), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
				q := queueOf(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dlq}, "first")
				j := newJournal()
				stop := background(t, mustNew(t, &polled{q.Source(), make(chan struct{})},
					j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
						time.Sleep(handler)
						return esm.Response{}, nil
					}), j.config(esm.Config{DrainTimeout: 30 * time.Second})))
				time.Sleep(30 * time.Second)
				go func() {
					time.Sleep(5 * time.Second)
					q.Send("during the stop")
				}()
				took, err := stop()
				equal(t, "Run", err, nil)
				if took > 25*time.Second {
					t.Errorf("stopped in %v", took)
				}
				synctest.Wait()
				equal(t, "left", q.Len(), want)
			})
		})
	}
}

// A batch that gathers closes while its records can be started still, of a source that
// cannot keep them longer too.
func TestWindowEndsWhileRecordsCanBeStarted_P5(t *testing.T) {
	for _, life := range []int{30, 31, 45, 59, 80, 100} { // seconds
		t.Run(strconv.Itoa(life), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
				q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Duration(life) * time.Second, MaxReceiveCount: 1, DeadLetter: dlq}, "a")
				q.End()
				j := newJournal()
				// Without Start, which hides messages for longer, and without Extend.
				mustRun(t, mustNew(t, &stub{Source: q.Source()}, j.handler(nil), j.config(esm.Config{
					BatchSize: 100, MaximumBatchingWindow: time.Minute, Timeout: 30 * time.Second,
				})))
				equal(t, "started", j.seen(), []string{"a"})
				equal(t, "dead letters", dlq.Len(), 0)
			})
		})
	}
}

// A lane that retries a batch in place, because its source does not redeliver, gives back
// what did not fit into it: others have it meanwhile.
func TestRetryInPlaceHoldsNothingElseUp_P6(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: 24 * time.Hour}, "poison", "b", "c", "d")
		source := &stub{Source: q.Source(), traits: func(t sources.Traits) sources.Traits {
			t.Redelivers = false
			return t
		}}
		j := newJournal()
		stop := background(t, mustNew(t, source, j.handler(failIf("poison")), j.config(esm.Config{
			MaximumBatchBytes: 700, MaximumConcurrency: 2, DrainTimeout: time.Second,
		})))
		time.Sleep(time.Minute)
		equal(t, "left", q.Bodies(), []string{"poison"})
		equal(t, "batches of more than one", slices.Max(j.sizes()), 1)
		_, _ = stop()
	})
}
