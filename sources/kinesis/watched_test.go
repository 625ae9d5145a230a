package kinesis_test

import (
	"context"
	"fmt"
	"math/big"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// watchedStore is a store that holds every position to P2 and P3: it never passes a record
// that is not done.
type watchedStore struct {
	checkpoint.Store

	w *world

	interval time.Duration
}

func (s *watchedStore) isDown() error {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	if s.w.down {
		return errStoreDown
	}
	return nil
}

// Interval makes the store one that is paced, unless it is 0.
func (s *watchedStore) Interval() time.Duration { return s.interval }

// paced makes the store one whose writes cost money.
func (w *world) paced() {
	if store, ok := w.store.(*watchedStore); ok {
		store.interval = time.Second
	}
}

func (s *watchedStore) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	if err := s.isDown(); err != nil {
		return nil, err
	}
	return s.Store.Leases(ctx)
}

func (s *watchedStore) Create(ctx context.Context, l checkpoint.Lease) error {
	if err := s.isDown(); err != nil {
		return err
	}
	return s.Store.Create(ctx, l)
}

func (s *watchedStore) Update(ctx context.Context, last, next checkpoint.Lease) error {
	if err := s.isDown(); err != nil {
		return err
	}
	err := s.Store.Update(ctx, last, next)
	if err == nil {
		s.w.audit(next)
	}
	return err
}

func (w *world) audit(l checkpoint.Lease) {
	w.mu.Lock()
	defer w.mu.Unlock()
	to, ok := new(big.Int).SetString(l.Position.Sequence, 10)
	if !ok && !l.Position.Ended() {
		return
	}
	for _, number := range w.put[l.Shard] {
		n, _ := new(big.Int).SetString(number, 10)
		if w.done[number] == 0 && (to == nil || n.Cmp(to) <= 0) {
			w.problems = append(w.problems, fmt.Sprintf("P3: %s at %s, but %s is not done", l.Shard, l.Position.Sequence, number))
			return
		}
	}
}
