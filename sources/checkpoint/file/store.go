package file

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/openesm/openesm/sources/checkpoint"
)

// Store keeps leases in a file. Make one with [Open]. All methods may be called
// concurrently.
type Store struct {
	path   string
	db     *bbolt.DB
	broken atomic.Bool // the database panicked, and is not touched any more

	requests chan *request
	closing  func()
	closed   chan struct{} // by Close
	ended    chan struct{} // by run, when it ends
	closeErr error         // of the file
}

// request is a write that waits for its commit.
type request struct {
	change func(*bbolt.Bucket) error
	done   chan error // has room for one
}

var (
	_ checkpoint.Store     = (*Store)(nil)
	_ checkpoint.Exclusive = (*Store)(nil)
)

// errUnchanged ends a transaction that has nothing to write.
var errUnchanged = errors.New("nothing has changed")

func newStore(path string) *Store {
	s := &Store{
		path:     path,
		requests: make(chan *request), closed: make(chan struct{}), ended: make(chan struct{}),
	}
	s.closing = sync.OnceFunc(func() {
		close(s.closed)
		<-s.ended
		s.closeErr = s.closeFile()
	})
	return s
}

// Exclusive says that no other process uses the file while this store is open.
func (*Store) Exclusive() {}

// Leases returns every lease.
func (s *Store) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var list []checkpoint.Lease
	err := s.guard(func() (err error) {
		list, err = s.read()
		return err
	})
	return list, s.failed(err)
}

func (s *Store) read() ([]checkpoint.Lease, error) {
	var list []checkpoint.Lease
	err := s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(leases)).ForEach(func(shard, value []byte) error {
			l, err := decode(shard, value)
			list = append(list, l)
			return err
		})
	})
	return list, err
}

// Create adds a lease, or returns [checkpoint.ErrConflict].
func (s *Store) Create(ctx context.Context, lease checkpoint.Lease) error {
	if err := lease.Check(); err != nil {
		return err
	}
	return s.write(ctx, lease.Shard, &lease, func(stored *checkpoint.Lease) bool { return stored == nil })
}

// Update puts next in the place of last, or returns [checkpoint.ErrConflict].
func (s *Store) Update(ctx context.Context, last, next checkpoint.Lease) error {
	if err := last.CheckNext(next); err != nil {
		return err
	}
	return s.write(ctx, last.Shard, &next, func(stored *checkpoint.Lease) bool {
		return stored != nil && stored.Matches(last)
	})
}

// Delete removes a lease, or returns [checkpoint.ErrConflict].
func (s *Store) Delete(ctx context.Context, last checkpoint.Lease) error {
	return s.write(ctx, last.Shard, nil, func(stored *checkpoint.Lease) bool {
		return stored == nil || stored.Matches(last)
	})
}

// write puts next in the place of what is stored of the shard, or nothing if next is
// nil. fits says of what is stored, nil for nothing, whether it may be replaced.
func (s *Store) write(ctx context.Context, shard string, next *checkpoint.Lease, fits func(*checkpoint.Lease) bool) error {
	var value []byte
	if next != nil {
		var err error
		if value, err = encode(next); err != nil {
			return err
		}
	}
	key := []byte(shard)
	return s.failed(s.commit(ctx, func(b *bbolt.Bucket) error {
		var stored *checkpoint.Lease
		if old := b.Get(key); old != nil {
			l, err := decode(key, old)
			if err != nil {
				return err
			}
			stored = &l
		}
		switch {
		case !fits(stored):
			return checkpoint.ErrConflict
		case next == nil:
			return b.Delete(key)
		default:
			return b.Put(key, value)
		}
	}))
}

// Close waits for the writes under way and gives the file free. Closing again is
// harmless.
func (s *Store) Close() error {
	s.closing()
	return s.closeErr
}

func (s *Store) closeFile() error {
	if s.db == nil || s.broken.Load() {
		return nil
	}
	return s.db.Close()
}

// guard calls f and has a panic of the database be an error, after which nothing
// touches it: bbolt panics at pages that are damaged, and a file that was cut short
// is a fault of memory.
func (s *Store) guard(f func() error) (err error) {
	if s.broken.Load() {
		return fmt.Errorf("%w: it was found damaged before", ErrDamaged)
	}
	fault := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(fault)
	defer func() {
		if cause := recover(); cause != nil {
			s.broken.Store(true)
			err = fmt.Errorf("%w: %v", ErrDamaged, cause)
		}
	}()
	return f()
}

// failed names the file in an error of its database.
func (s *Store) failed(err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrDatabaseNotOpen):
		return ErrClosed
	case err == nil, errors.Is(err, checkpoint.ErrConflict), errors.Is(err, ErrClosed),
		errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	default:
		return fmt.Errorf("file of leases %s: %w", s.path, err)
	}
}
