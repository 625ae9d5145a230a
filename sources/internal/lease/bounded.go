package lease

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

const (
	// boundedGrace is how long after the end of its context a call to the store may take
	// to return: less than the second that a mapping gives its source at the end.
	boundedGrace = 200 * time.Millisecond
	// maxAbandoned is how many calls may be left behind at a time.
	maxAbandoned = 100
)

var errAbandoned = errors.New("call did not return, although its context has ended; it is left behind")

// boundedStore leaves calls behind that ignore their contexts, as a store on a disk that
// hangs may do, so that no goroutine of the manager waits for ever. A write that is left
// behind is one that may take effect yet.
type boundedStore struct {
	checkpoint.Store

	abandoned atomic.Int64 // that have not returned
}

// answer is what a call returned.
type answer[T any] struct {
	value T
	err   error
}

func (s *boundedStore) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	return boundedCall(ctx, s, "Leases", func() ([]checkpoint.Lease, error) { return s.Store.Leases(ctx) })
}

func (s *boundedStore) Create(ctx context.Context, lease checkpoint.Lease) error {
	return s.write(ctx, "Create", func() error { return s.Store.Create(ctx, lease) })
}

func (s *boundedStore) Update(ctx context.Context, last, next checkpoint.Lease) error {
	return s.write(ctx, "Update", func() error { return s.Store.Update(ctx, last, next) })
}

func (s *boundedStore) Delete(ctx context.Context, last checkpoint.Lease) error {
	return s.write(ctx, "Delete", func() error { return s.Store.Delete(ctx, last) })
}

func (s *boundedStore) write(ctx context.Context, method string, call func() error) error {
	_, err := boundedCall(ctx, s, method, func() (struct{}, error) { return struct{}{}, call() })
	return err
}

// boundedCall makes a call, and waits for it until shortly after the end of ctx.
func boundedCall[T any](ctx context.Context, s *boundedStore, method string, call func() (T, error)) (T, error) {
	var none T
	if n := s.abandoned.Load(); n >= maxAbandoned {
		return none, fmt.Errorf("store: %s is not called: %d calls did not return, although their contexts have ended", method, n)
	}
	var (
		done = make(chan answer[T], 1) // nobody may be listening any more
		left atomic.Int32              // of caller and call, who is first to leave
	)
	go func() {
		value, err := call()
		done <- answer[T]{value, err}
		if left.Add(1) > 1 {
			s.abandoned.Add(-1)
		}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(boundedGrace)
	defer grace.Stop()
	select {
	case a := <-done:
		return a.value, a.err
	case <-grace.C:
	}
	s.abandoned.Add(1)
	if left.Add(1) > 1 { // it has just returned
		s.abandoned.Add(-1)
	}
	return none, fmt.Errorf("store: %s: %w", method, errAbandoned)
}

// hedged makes a call that ends with its context, and a second one after a while if the
// first has not returned. It returns what the first of them brings, and an error only if
// none is under way.
func hedged[T any](ctx context.Context, after time.Duration, call func(context.Context) (T, error)) (T, error) {
	var (
		calls   sync.WaitGroup
		answers = make(chan answer[T], 2)
	)
	defer calls.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	begin := func() {
		calls.Go(func() {
			value, err := call(ctx)
			answers <- answer[T]{value, err}
		})
	}
	begin()
	again := time.NewTimer(after)
	defer again.Stop()
	for running := 1; ; {
		select {
		case a := <-answers:
			running--
			if a.err == nil || running == 0 {
				return a.value, a.err
			}
		case <-again.C:
			running++
			begin()
		}
	}
}
