package esm_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// checkable is a destination that takes everything, and is checked by a function.
type checkable func(ctx context.Context) error

func (checkable) Deliver(context.Context, *esm.FailureRecord) error { return nil }
func (c checkable) Check(ctx context.Context) error                 { return c(ctx) }

// traced is a destination that wraps another and names none of its abilities.
type traced struct{ esm.Destination }

func (w traced) Unwrap() esm.Destination { return w.Destination }

func TestDestinationThatDoesNotExistEndsTheStart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison")
		started := false
		source := &stub{Source: s.Source("app"), start: func(sources.Settings) error {
			started = true
			return nil
		}}
		j := newJournal()
		missing := fmt.Errorf("sqs: no such queue: %w", esm.ErrDestinationUnusable)
		m := mustNew(t, source, j.handler(nil), j.config(esm.Config{
			Name: "orders", OnFailure: traced{traced{checkable(func(context.Context) error { return missing })}},
		}))
		err := m.Run(t.Context())
		if !errors.Is(err, esm.ErrDestinationUnusable) || err.Error() != "esm: mapping orders: "+missing.Error() {
			t.Errorf("Run: %v", err)
		}
		equal(t, "handled", len(j.seen()), 0)
		equal(t, "source started", started, false)
		status := m.Status()
		equal(t, "state", status.State, esm.StateDisabled)
		equal(t, "error of the status", status.Err, err)
	})
}

// TestDestinationThatCannotBeCheckedIsLogged has checks come to no result.
func TestDestinationThatCannotBeCheckedIsLogged_P14(t *testing.T) {
	for name, test := range map[string]struct {
		check func(context.Context) error
		text  string
		took  time.Duration
	}{
		"fails":             {func(context.Context) error { return errDead }, errDead.Error(), 0},
		"panics":            {func(context.Context) error { panic("no room") }, "on-failure destination panicked: no room", 0},
		"error that panics": {func(context.Context) error { return (*trap)(nil) }, "on-failure destination panicked", 0},
		"takes its time": {func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		}, "deadline exceeded", 10 * time.Second},
		"hangs": {func(context.Context) error {
			time.Sleep(time.Minute)
			return nil
		}, "did not return", 11 * time.Second},
		"may not look": {func(context.Context) error { return nil }, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := streamOf("a")
				s.End()
				log, j := new(logbook), newJournal()
				config := j.config(esm.Config{OnFailure: checkable(test.check)})
				config.Logger = log.logger()
				began := time.Now()
				mustRun(t, mustNew(t, s.Source("app"), j.handler(nil), config))
				equal(t, "took", time.Since(began), test.took)
				equal(t, "handled", j.seen(), []string{"a"})
				lines := len(log.lines("could not be checked", test.text))
				equal(t, "log lines", lines, min(len(test.text), 1))
				time.Sleep(time.Hour)
			})
		})
	}
}

// trap is an error whose nil pointer panics when it is looked at.
type trap struct{ wrapped error }

func (e *trap) Error() string { return e.wrapped.Error() }
func (e *trap) Unwrap() error { return e.wrapped }

// TestStopDuringTheCheck is no error.
func TestStopDuringTheCheck_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		m := mustNew(t, streamOf("a").Source("app"), j.handler(nil), j.config(esm.Config{
			OnFailure: checkable(func(ctx context.Context) error {
				<-ctx.Done()
				return fmt.Errorf("%w: %w", ctx.Err(), errDead)
			}),
		}))
		stop := background(t, m)
		equal(t, "state", m.Status().State, esm.StateEnabling)
		took, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "took", took, 0)
	})
}

// feeder is a destination that feeds any source.
type feeder struct{ esm.DestinationFunc }

func (feeder) Feeds(sources.Source) bool { return true }

// TestLoopIsRefusedThroughAWrapper finds the ability of what is wrapped.
func TestLoopIsRefusedThroughAWrapper_DST43(t *testing.T) {
	_, err := esm.New(streamOf().Source("app"), newJournal().handler(nil), esm.Config{OnFailure: traced{feeder{down}}})
	if invalid, ok := errors.AsType[*esm.ConfigError](err); !ok || invalid.Violations[0].Field != "OnFailure" {
		t.Errorf("error %v", err)
	}
}

// TestStatusShowsADestinationThatIsDown follows a mapping from before Run to its end.
func TestStatusShowsADestinationThatIsDown_P14(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		j, log := newJournal(), new(logbook)
		var dead atomic.Bool
		dead.Store(true)
		config := j.config(noRetries(func(context.Context, *esm.FailureRecord) error {
			return when(dead.Load())
		}))
		config.Logger = log.logger()
		m := mustNew(t, s.Source("app"), j.handler(failIf("poison")), config)
		equal(t, "new", m.Status(), esm.Status{State: esm.StateCreating, LastProcessingResult: "No records processed"})
		stop := background(t, m)
		equal(t, "idle", m.Status(), esm.Status{State: esm.StateEnabled, LastProcessingResult: "No records processed"})
		s.Put("k", []byte("fine"))
		synctest.Wait()
		equal(t, "busy", m.Status(), esm.Status{State: esm.StateEnabled, LastProcessingResult: "OK"})
		began := time.Now()
		s.Put("k", []byte("poison"))
		time.Sleep(time.Hour)
		status := m.Status()
		equal(t, "result", status.LastProcessingResult, "PROBLEM: Delivery to the on-failure destination failed")
		i := len(status.Problems) - 1
		if i < 0 || status.Problems[i].Metric != esm.OnFailureDestinationDeliveryErrorCount {
			t.Fatalf("problems %+v", status.Problems)
		}
		p := status.Problems[i]
		equal(t, "partition", p.Partition, s.Partitions()[0])
		equal(t, "error", p.Err, errDead)
		equal(t, "since", p.Since, began)
		if age := time.Since(p.Last); age > time.Minute || p.Count < 100 {
			t.Errorf("%d failures, the last one %v ago", p.Count, age)
		}
		if len(log.lines("delivery to the on-failure destination failed", "stands still", errDead.Error())) == 0 {
			t.Error("not told in the log")
		}
		dead.Store(false)
		time.Sleep(2 * time.Minute)
		equal(t, "back", m.Status(), esm.Status{State: esm.StateEnabled, LastProcessingResult: "OK"})
		_, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "stopped", m.Status(), esm.Status{State: esm.StateDisabled, LastProcessingResult: "OK"})
	})
}

// TestStatusOfFailures has each thing fail that may, and heal.
func TestStatusOfFailures(t *testing.T) {
	for result, test := range map[string]struct {
		metric esm.Metric
		fail   func(*stub, *atomic.Bool)
	}{
		"PROBLEM: Reading the source failed": {esm.PollingErrorCount, func(s *stub, down *atomic.Bool) {
			s.fetch = func() error { return when(down.Load()) }
		}},
		"PROBLEM: Settling records failed": {esm.CommitErrorCount, func(s *stub, down *atomic.Bool) {
			s.ack = func([]sources.Record) error { return when(down.Load()) }
		}},
		"PROBLEM: Function call failed": {esm.InvokeErrorCount, nil},
	} {
		for _, ordered := range []bool{false, true} {
			t.Run(fmt.Sprint(result, ordered), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					var down atomic.Bool
					down.Store(true)
					q, s := queueOf(memory.QueueOptions{}, "a"), streamOf("a")
					source := &stub{Source: q.Source()}
					if ordered {
						source.Source = s.Source("app")
					}
					handle := func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil }
					if test.fail == nil {
						handle = func(context.Context, []sources.Record) (esm.Response, error) {
							return esm.Response{}, when(down.Load())
						}
					} else {
						test.fail(source, &down)
					}
					m := mustNew(t, source, esm.Records(handle), newJournal().config(esm.Config{}))
					stop := background(t, m)
					time.Sleep(2 * time.Second)
					status := m.Status()
					equal(t, "result", status.LastProcessingResult, result)
					if len(status.Problems) != 1 || status.Problems[0].Metric != test.metric || !errors.Is(status.Problems[0].Err, errDead) {
						t.Errorf("problems %+v", status.Problems)
					}
					down.Store(false)
					time.Sleep(2 * time.Minute)
					equal(t, "healed", m.Status(), esm.Status{State: esm.StateEnabled, LastProcessingResult: "OK"})
					_, err := stop()
					equal(t, "Run", err, nil)
				})
			})
		}
	}
}

func when(down bool) error {
	if down {
		return errDead
	}
	return nil
}
