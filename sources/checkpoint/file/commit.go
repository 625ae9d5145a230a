package file

import (
	"context"
	"errors"

	"go.etcd.io/bbolt"
)

// maxGroup is how many writes one commit has at most.
const maxGroup = 1000

// commit has the change be part of the next commit, and waits for that. When ctx is
// done meanwhile it may take effect still.
func (s *Store) commit(ctx context.Context, change func(*bbolt.Bucket) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &request{change: change, done: make(chan error, 1)}
	select {
	case s.requests <- r:
	case <-s.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the goroutine that writes. What comes while it does is written together
// after that, so that any number of shards share an fsync. Close waits for it.
func (s *Store) run() {
	defer close(s.ended)
	var group []*request
	for {
		select {
		case <-s.closed:
			return
		case r := <-s.requests:
			group = s.collect(append(group[:0], r))
			s.settle(group)
		}
	}
}

// collect adds the requests that wait.
func (s *Store) collect(group []*request) []*request {
	for len(group) < maxGroup {
		select {
		case r := <-s.requests:
			group = append(group, r)
		default:
			return group
		}
	}
	return group
}

// settle writes a group and answers each request. If the commit fails none of them has
// an answer of its own: what one was refused for may never have been written.
func (s *Store) settle(group []*request) {
	errs := make([]error, len(group))
	err := s.guard(func() error {
		return s.db.Update(func(tx *bbolt.Tx) error {
			result := errUnchanged
			for i, r := range group {
				errs[i] = r.change(tx.Bucket([]byte(leases)))
				if errs[i] == nil {
					result = nil
				}
			}
			return result
		})
	})
	for i, r := range group {
		if err != nil && !errors.Is(err, errUnchanged) {
			errs[i] = err
		}
		r.done <- errs[i]
	}
}
