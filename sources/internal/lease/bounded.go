package lease

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

const (
	// boundedGrace is how long after the end of its context a call to the store may take
	// to return.
	boundedGrace = time.Second
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

// boundedCall makes a call, and waits for it until a second after the end of ctx.
func boundedCall[T any](ctx context.Context, s *boundedStore, method string, call func() (T, error)) (T, error) {
	type answer struct {
		value T
		err   error
	}
	var none T
	if n := s.abandoned.Load(); n >= maxAbandoned {
		return none, fmt.Errorf("store: %s is not called: %d calls did not return, although their contexts have ended", method, n)
	}
	var (
		done = make(chan answer, 1) // nobody may be listening any more
		left atomic.Int32           // of caller and call, who is first to leave
	)
	go func() {
		value, err := call()
		done <- answer{value, err}
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
