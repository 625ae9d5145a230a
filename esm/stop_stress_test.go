package esm_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

var errDown = errors.New("service unavailable")

// untilDone waits as a call does that hangs until its context is done.
func untilDone(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// hangingStart is a source whose Start does not come back by itself.
type hangingStart struct{ *stub }

func (hangingStart) Start(ctx context.Context, _ sources.Settings) error { return untilDone(ctx) }

// hangingAccept is the same with Accept, after the first.
type hangingAccept struct{ *stub }

func (hangingAccept) Accept(ctx context.Context) (sources.Partition, error) {
	return nil, untilDone(ctx)
}

// slowly wraps partitions so that settling and giving back take a while.
type slowly struct{ *stub }

func (s slowly) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.stub.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return slowToSettle{p.(*stubPartition)}, nil
}

type slowToSettle struct{ *stubPartition }

func wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

func (p slowToSettle) Ack(ctx context.Context, records []sources.Record) error {
	if err := wait(ctx, 700*time.Millisecond); err != nil {
		return err
	}
	return p.stubPartition.Ack(ctx, records)
}

func (p slowToSettle) Release(ctx context.Context, records []sources.Record) error {
	if err := wait(ctx, 700*time.Millisecond); err != nil {
		return err
	}
	return p.stubPartition.Release(ctx, records)
}

// stopped is what a mapping is doing when it is stopped.
type stopped struct {
	name    string
	source  func(*stub) sources.Source
	handle  func(ctx context.Context, records []sources.Record) (esm.Response, error)
	config  esm.Config
	ordered bool // only
}

func asIs(s *stub) sources.Source { return s }

// stops are all there are.
func stops() []stopped {
	failing := func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, errHandler }
	deliver := func(f func(ctx context.Context) error) esm.Config {
		return esm.Config{
			MaximumRetryAttempts: new(0), BisectBatchOnFunctionError: true,
			OnFailure: esm.DestinationFunc(func(ctx context.Context, _ *esm.FailureRecord) error { return f(ctx) }),
		}
	}
	return []stopped{
		{name: "handling", source: asIs},
		{name: "a Start that hangs", source: func(s *stub) sources.Source { return hangingStart{s} }},
		{name: "a Start that fails", source: func(s *stub) sources.Source {
			s.start = func(sources.Settings) error { return errDown }
			return s
		}},
		{name: "an Accept that hangs", source: func(s *stub) sources.Source { return hangingAccept{s} }},
		{name: "an Accept that fails", source: func(s *stub) sources.Source {
			s.accept = func() error { return errDown }
			return s
		}},
		{name: "a Fetch that fails", source: func(s *stub) sources.Source {
			s.fetch = func() error { return errDown }
			return s
		}},
		{name: "an Ack that fails", source: func(s *stub) sources.Source {
			s.ack = func([]sources.Record) error { return errDown }
			return s
		}},
		{name: "a slow Ack", source: func(s *stub) sources.Source { return slowly{s} }},
		{name: "a slow handler", source: asIs, handle: func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			return esm.Response{}, wait(ctx, 3*time.Second)
		}},
		{name: "a handler that hangs", source: asIs, handle: func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			return esm.Response{}, untilDone(ctx)
		}},
		{name: "a handler that fails", source: asIs, handle: failing},
		{name: "a handler that is throttled", source: asIs, handle: func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, &esm.ThrottleError{RetryAfter: 2 * time.Second}
		}},
		{name: "a window", source: asIs, config: esm.Config{BatchSize: 1000, MaximumBatchingWindow: 5 * time.Second, Timeout: 5 * time.Second}},
		{name: "a retry", source: asIs, handle: failing, ordered: true, config: esm.Config{RetryBackoff: retry.Backoff{Initial: time.Hour, Max: time.Hour}}},
		{name: "a delivery that hangs", source: asIs, handle: failing, ordered: true, config: deliver(untilDone)},
		{name: "a delivery that fails", source: asIs, handle: failing, ordered: true, config: deliver(func(context.Context) error { return errDown })},
	}
}

// TestStressStopAtAnyMoment stops mappings before they start, and at moments
// while they do anything: Run returns in time, settles nothing that was not
// handled, and gives back what it can (P1, P2, P11).
func TestStressStopAtAnyMoment(t *testing.T) {
	const n, drain, atMost = 23, 4 * time.Second, 4*time.Second + 5*time.Second + time.Second
	moments := []time.Duration{
		-1, 0, time.Millisecond, 99 * time.Millisecond, 350 * time.Millisecond, 1111 * time.Millisecond, 3 * time.Second,
		5001 * time.Millisecond, 20 * time.Second, 47 * time.Second,
	}
	for _, what := range stops() {
		for _, ordered := range []bool{false, true} {
			if what.ordered && !ordered {
				continue
			}
			t.Run(fmt.Sprintf("during %s, ordered=%v", what.name, ordered), func(t *testing.T) {
				t.Parallel()
				for _, moment := range moments {
					stopAt(t, what, ordered, n, moment, drain, atMost)
				}
			})
		}
	}
}

// stopAt runs one mapping in a bubble of its own and stops it after moment.
func stopAt(t *testing.T, what stopped, ordered bool, n int, moment, drain, atMost time.Duration) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Minute}, numbers(n)...)
		s := streamOf(numbers(n)...)
		inner, settled := q.Source(), q.Deleted
		if ordered {
			inner, settled = s.Source("app"), func() int { return n - s.Lag("app") }
		}
		var mu sync.Mutex
		handled := map[string]bool{}
		j := newJournal()
		config := what.config
		config.DrainTimeout, config.Jitter = drain, func() float64 { return 0.7 }
		m := mustNew(t, what.source(&stub{Source: inner}), esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
			if what.handle != nil {
				if r, err := what.handle(ctx, records); err != nil {
					return r, err
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for _, r := range records {
				handled[r.ID] = true
			}
			return esm.Response{}, nil
		}), j.config(config))
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if moment < 0 {
			cancel()
		} else {
			time.AfterFunc(moment, cancel)
		}
		began := time.Now()
		err := m.Run(ctx)
		cut := errors.Is(err, esm.ErrDrainTimeout)
		if took := time.Since(began) - max(moment, 0); took > atMost || err != nil && !cut || cut && took < drain {
			t.Errorf("stopped after %v: Run gives %v, %v later", moment, err, took)
		}
		if settled() > len(handled) || !cut && settled() != len(handled) {
			t.Errorf("stopped after %v: %d records are settled, %d were handled", moment, settled(), len(handled))
		}
		// What failed, and what was cut, returns with the visibility timeout.
		if failed := j.count(esm.FailedInvokeEventCount) + j.count(esm.ThrottledEventCount); !cut && failed == 0 && q.InFlight() > 0 {
			t.Errorf("stopped after %v: %d messages are still in flight", moment, q.InFlight())
		}
	})
}
