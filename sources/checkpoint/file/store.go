package file

import (
	"context"
	"errors"
	"sync"

	"github.com/gofrs/flock"

	"github.com/openesm/openesm/sources/checkpoint"
)

// Store keeps leases in a file. Make one with [Open]. All methods may be called
// concurrently.
type Store struct {
	path    string
	lock    *flock.Flock
	options Options
	create  opener
	slack   int64

	renamesOpen bool           // see the constant
	making      sync.WaitGroup // of a new file

	turn chan struct{} // has room for one: who put it in may use what follows

	log    *log // nil after Close
	leases map[string]*kept
	live   int64  // the length of a file with these leases and no more
	tryAt  int64  // the log's length at which a new file is tried again
	buf    []byte // of the entry that is written

	changed map[string]struct{} // shards, since a new file was begun; nil if there is none
}

// kept is a lease, and the length of its entry.
type kept struct {
	lease checkpoint.Lease
	size  int64
}

var (
	_ checkpoint.Store     = (*Store)(nil)
	_ checkpoint.Exclusive = (*Store)(nil)
)

func newStore(path string, lock *flock.Flock, options Options) *Store {
	return &Store{
		path: path, lock: lock, options: options, create: openDisk, slack: slack, renamesOpen: renamesOpen,
		turn:   make(chan struct{}, 1),
		leases: make(map[string]*kept),
		live:   int64(lineSize),
	}
}

// Exclusive says that no other process uses the file while this store is open.
func (*Store) Exclusive() {}

// Leases returns every lease, from memory.
func (s *Store) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.end()
	list := make([]checkpoint.Lease, 0, len(s.leases))
	for _, k := range s.leases {
		list = append(list, k.lease.Clone())
	}
	return list, nil
}

// Create adds a lease, or returns [checkpoint.ErrConflict]. After any other
// error the lease was not added.
func (s *Store) Create(ctx context.Context, lease checkpoint.Lease) error {
	if err := lease.Check(); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	if s.leases[lease.Shard] != nil {
		return checkpoint.ErrConflict
	}
	return s.write(&lease)
}

// Update puts next in the place of last, or returns [checkpoint.ErrConflict].
// After any other error last is still there.
func (s *Store) Update(ctx context.Context, last, next checkpoint.Lease) error {
	if err := last.CheckNext(next); err != nil {
		return err
	}
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	if k := s.leases[last.Shard]; k == nil || !k.lease.Matches(last) {
		return checkpoint.ErrConflict
	}
	return s.write(&next)
}

// Delete removes a lease, or returns [checkpoint.ErrConflict]. After any other
// error it is still there.
func (s *Store) Delete(ctx context.Context, last checkpoint.Lease) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.end()
	k := s.leases[last.Shard]
	switch {
	case k == nil:
		return nil
	case !k.lease.Matches(last):
		return checkpoint.ErrConflict
	}
	s.buf = appendDelete(openEntry(s.buf[:0]), last.Shard)
	if err := s.append(last.Shard); err != nil {
		return err
	}
	s.forget(last.Shard)
	s.tidy()
	return nil
}

// Close waits for the call under way, and for a new file that is being made, has
// everything on the disk and gives the file free. Closing again is harmless.
func (s *Store) Close() error {
	s.turn <- struct{}{}
	l := s.log
	s.log = nil // nothing is written from here on
	s.end()
	if l == nil {
		return nil
	}
	s.making.Wait()
	return errors.Join(l.close(), s.lock.Close())
}

// begin waits for the caller's turn. A mutex would not see that the context is
// done while another call waits for the disk.
func (s *Store) begin(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.log == nil {
		s.end()
		return ErrClosed
	}
	return nil
}

func (s *Store) end() { <-s.turn }

// write appends the lease to the log, and then remembers it.
func (s *Store) write(lease *checkpoint.Lease) error {
	s.buf = appendPut(openEntry(s.buf[:0]), lease)
	if err := s.append(lease.Shard); err != nil {
		return err
	}
	s.remember(lease, int64(len(s.buf)))
	s.tidy()
	return nil
}

// append writes the entry that is in the buffer.
func (s *Store) append(shard string) error {
	if err := s.log.format.closeEntry(s.buf); err != nil {
		return err
	}
	if err := s.log.append(s.buf); err != nil {
		return err
	}
	if s.changed != nil {
		s.changed[shard] = struct{}{}
	}
	return nil
}

// apply does what an entry of the log says.
func (s *Store) apply(payload []byte) error {
	kind, lease, err := parse(payload)
	if err != nil {
		return err
	}
	if kind == deleteEntry {
		s.forget(lease.Shard)
	} else {
		s.adopt(&kept{lease: lease, size: int64(headSize + len(payload))})
	}
	return nil
}

// remember keeps a copy of the lease, in the memory of the one before.
func (s *Store) remember(lease *checkpoint.Lease, size int64) {
	k := s.leases[lease.Shard]
	if k == nil {
		s.adopt(&kept{lease: lease.Clone(), size: size})
		return
	}
	own := *lease
	own.Parents, own.Children, own.Window = k.lease.Parents[:0], k.lease.Children[:0], k.lease.Window[:0]
	own.Parents = append(own.Parents, lease.Parents...)
	own.Children = append(own.Children, lease.Children...)
	own.Window = append(own.Window, lease.Window...)
	k.lease = own
	s.live += size - k.size
	k.size = size
}

// adopt keeps the lease as it is.
func (s *Store) adopt(k *kept) {
	s.forget(k.lease.Shard)
	s.leases[k.lease.Shard] = k
	s.live += k.size
}

func (s *Store) forget(shard string) {
	if k := s.leases[shard]; k != nil {
		s.live -= k.size
		delete(s.leases, shard)
	}
}
