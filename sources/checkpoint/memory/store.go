// Package memory is a store of leases that keeps them in memory: for tests, and
// for programs that begin anew at each start.
//
//	store := memory.New()
//
// Any number of workers of one process may share a store. It is not
// [checkpoint.Exclusive]: its leases are taken, renewed and stolen as those of a
// store that processes share.
package memory

import (
	"context"
	"sync"

	"github.com/openesm/openesm/sources/checkpoint"
)

// Store keeps leases in memory. Make one with [New]. All methods may be called
// concurrently.
type Store struct {
	mu     sync.Mutex // held for moments, never while anything waits
	leases map[string]checkpoint.Lease
}

var _ checkpoint.Store = (*Store)(nil)

// New returns an empty store.
func New() *Store {
	return &Store{leases: make(map[string]checkpoint.Lease)}
}

// Leases returns every lease. It fails only if ctx is done.
func (s *Store) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]checkpoint.Lease, 0, len(s.leases))
	for _, lease := range s.leases {
		list = append(list, lease.Clone())
	}
	return list, nil
}

// Create adds a lease, or returns [checkpoint.ErrConflict].
func (s *Store) Create(ctx context.Context, lease checkpoint.Lease) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := lease.Check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, exists := s.leases[lease.Shard]; exists {
		return checkpoint.ErrConflict
	}
	s.leases[lease.Shard] = lease.Clone()
	return nil
}

// Update puts next in the place of last, or returns [checkpoint.ErrConflict].
func (s *Store) Update(ctx context.Context, last, next checkpoint.Lease) error {
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
		return checkpoint.ErrConflict
	}
	s.leases[last.Shard] = next.Clone()
	return nil
}

// Delete removes a lease, or returns [checkpoint.ErrConflict].
func (s *Store) Delete(ctx context.Context, last checkpoint.Lease) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stored, exists := s.leases[last.Shard]
	if exists && !stored.Matches(last) {
		return checkpoint.ErrConflict
	}
	delete(s.leases, last.Shard)
	return nil
}
