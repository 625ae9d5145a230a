package checkpoint

import (
	"context"
	"sync"
)

// Memory is a [Store] that keeps leases in memory: for tests, and for programs that begin
// anew at each start. Any number of workers of one process may share it. It is not
// [Exclusive]: its leases are taken, renewed and stolen as those of a store that
// processes share. Make one with [NewMemory]. All methods may be called concurrently.
type Memory struct {
	mu     sync.Mutex // held for moments, never while anything waits
	leases map[string]Lease
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{leases: make(map[string]Lease)}
}

// Leases returns every lease. It fails only if ctx is done.
func (s *Memory) Leases(ctx context.Context) ([]Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]Lease, 0, len(s.leases))
	for _, lease := range s.leases {
		list = append(list, lease.Clone())
	}
	return list, nil
}

// Create adds a lease, or returns [ErrConflict].
func (s *Memory) Create(ctx context.Context, lease Lease) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := lease.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.leases[lease.Shard]; exists {
		return ErrConflict
	}
	s.leases[lease.Shard] = lease.Clone()
	return nil
}

// Update puts next in the place of last, or returns [ErrConflict].
func (s *Memory) Update(ctx context.Context, last, next Lease) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := last.CheckNext(next); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, exists := s.leases[last.Shard]
	if !exists || !stored.Matches(last) {
		return ErrConflict
	}
	s.leases[last.Shard] = next.Clone()
	return nil
}

// Delete removes a lease, or returns [ErrConflict].
func (s *Memory) Delete(ctx context.Context, last Lease) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, exists := s.leases[last.Shard]
	if exists && !stored.Matches(last) {
		return ErrConflict
	}
	delete(s.leases, last.Shard)
	return nil
}
