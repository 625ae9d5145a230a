package checkpointtest

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// bent is a store that breaks the contract with the calls that are given.
type bent struct {
	checkpoint.Store

	leases func(context.Context, checkpoint.Store) ([]checkpoint.Lease, error)
	create func(context.Context, checkpoint.Store, checkpoint.Lease) error
	update func(ctx context.Context, s checkpoint.Store, last, next checkpoint.Lease) error
	delete func(context.Context, checkpoint.Store, checkpoint.Lease) error
}

func (b *bent) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	if b.leases != nil {
		return b.leases(ctx, b.Store)
	}
	return b.Store.Leases(ctx)
}

func (b *bent) Create(ctx context.Context, lease checkpoint.Lease) error {
	if b.create != nil {
		return b.create(ctx, b.Store, lease)
	}
	return b.Store.Create(ctx, lease)
}

func (b *bent) Update(ctx context.Context, last, next checkpoint.Lease) error {
	if b.update != nil {
		return b.update(ctx, b.Store, last, next)
	}
	return b.Store.Update(ctx, last, next)
}

func (b *bent) Delete(ctx context.Context, last checkpoint.Lease) error {
	if b.delete != nil {
		return b.delete(ctx, b.Store, last)
	}
	return b.Store.Delete(ctx, last)
}

// changed is a store that changes leases on their way in.
func changed(change func(l *checkpoint.Lease)) func() checkpoint.Store {
	return func() checkpoint.Store {
		return &bent{
			Store: checkpoint.NewMemory(),
			create: func(ctx context.Context, s checkpoint.Store, lease checkpoint.Lease) error {
				change(&lease)
				return s.Create(ctx, lease)
			},
			update: func(ctx context.Context, s checkpoint.Store, last, next checkpoint.Lease) error {
				change(&next)
				return s.Update(ctx, last, next)
			},
		}
	}
}

// stored is the lease that s has, and whether there is one.
func stored(ctx context.Context, s checkpoint.Store, shard string) (checkpoint.Lease, bool) {
	list, err := s.Leases(ctx)
	if err != nil {
		return checkpoint.Lease{}, false
	}
	for _, lease := range list {
		if lease.Shard == shard {
			return lease, true
		}
	}
	return checkpoint.Lease{}, false
}

// bents are the stores that must be found out, by the case that finds them.
func bents() map[string]struct {
	by   string
	make func() checkpoint.Store
} {
	type ctx = context.Context
	type store = checkpoint.Store
	type lease = checkpoint.Lease
	updating := func(f func(c ctx, s store, last, next lease) error) func() store {
		return func() store { return &bent{Store: checkpoint.NewMemory(), update: f} }
	}
	deleting := func(f func(c ctx, s store, last lease) error) func() store {
		return func() store { return &bent{Store: checkpoint.NewMemory(), delete: f} }
	}
	listing := func(f func(c ctx, s store) ([]lease, error)) func() store {
		return func() store { return &bent{Store: checkpoint.NewMemory(), leases: f} }
	}
	return map[string]struct {
		by   string
		make func() checkpoint.Store
	}{
		"forgets the window":      {"RoundTrip", changed(func(l *lease) { l.Window = nil })},
		"forgets the subsequence": {"RoundTrip", changed(func(l *lease) { l.Position.SubSequence = 0 })},
		"rounds times": {"RoundTrip", changed(func(l *lease) {
			l.Position.Timestamp = l.Position.Timestamp.Truncate(time.Microsecond)
		})},
		"cuts long numbers": {"RoundTrip", changed(func(l *lease) { l.Position.Sequence = l.Position.Sequence[:min(128, len(l.Position.Sequence))] })},
		"trims owners":      {"RoundTrip", changed(func(l *lease) { l.Owner = strings.TrimSpace(l.Owner) })},
		"invents a time": {"TimesAreUTC", changed(func(l *lease) {
			if l.Position.Timestamp.IsZero() {
				l.Position.Timestamp = time.Unix(0, 0)
			}
		})},
		"keeps what next leaves out": {"Update", updating(func(c ctx, s store, last, next lease) error {
			if old, ok := stored(c, s, last.Shard); ok && next.Window == nil {
				next.Window = old.Window
			}
			return s.Update(c, last, next)
		})},
		"compares no owner": {"UpdateConflict", updating(func(c ctx, s store, last, next lease) error {
			if old, ok := stored(c, s, last.Shard); ok {
				last.Owner = old.Owner
			}
			return s.Update(c, last, next)
		})},
		"lets newer counters win": {"UpdateConflict", updating(func(c ctx, s store, last, next lease) error {
			if old, ok := stored(c, s, last.Shard); ok && last.Counter > old.Counter {
				last.Counter = old.Counter
			}
			return s.Update(c, last, next)
		})},
		"compares everything": {"UpdateCompares", updating(func(c ctx, s store, last, next lease) error {
			if old, ok := stored(c, s, last.Shard); ok && !old.Equal(last) {
				return checkpoint.ErrConflict
			}
			return s.Update(c, last, next)
		})},
		"creates what is missing": {"UpdateMissing", updating(func(c ctx, s store, last, next lease) error {
			if _, ok := stored(c, s, last.Shard); !ok {
				return s.Create(c, next)
			}
			return s.Update(c, last, next)
		})},
		"ignores the context": {"Cancelled", updating(func(c ctx, s store, last, next lease) error {
			return s.Update(context.WithoutCancel(c), last, next)
		})},
		"reads before it writes": {"OneUpdates", unfenced},
		"deletes anything": {"DeleteConflict", deleting(func(c ctx, s store, last lease) error {
			if old, ok := stored(c, s, last.Shard); ok {
				last = old
			}
			return s.Delete(c, last)
		})},
		"misses what is not there": {"DeleteMissing", deleting(func(c ctx, s store, last lease) error {
			if _, ok := stored(c, s, last.Shard); !ok {
				return checkpoint.ErrConflict
			}
			return s.Delete(c, last)
		})},
		"deletes nothing": {"Delete", deleting(func(ctx, store, lease) error { return nil })},
		"creates twice": {"CreateAgain", func() store {
			return &bent{Store: checkpoint.NewMemory(), create: func(c ctx, s store, l lease) error {
				if err := s.Create(c, l); !errors.Is(err, checkpoint.ErrConflict) {
					return err
				}
				return nil
			}}
		}},
		"lists one page": {"Many", listing(func(c ctx, s store) ([]lease, error) {
			list, err := s.Leases(c)
			return list[:min(1000, len(list))], err
		})},
		"lists twice": {"Create", listing(func(c ctx, s store) ([]lease, error) {
			list, err := s.Leases(c)
			return append(list, list...), err
		})},
		"shares its slices": {"KeepsNothing", func() store { return &sharing{leases: make(map[string]lease)} }},
		"gives no copies":   {"GivesCopies", func() store { return &sharing{leases: make(map[string]lease)} }},
	}
}

// unfenced compares and writes in two steps, with a pause between.
func unfenced() checkpoint.Store {
	return &bent{
		Store: checkpoint.NewMemory(),
		update: func(ctx context.Context, s checkpoint.Store, last, next checkpoint.Lease) error {
			if old, ok := stored(ctx, s, last.Shard); !ok || !old.Matches(last) {
				return checkpoint.ErrConflict
			}
			timer := time.NewTimer(10 * time.Millisecond) // real time: another update is to come between
			<-timer.C
			if old, ok := stored(ctx, s, last.Shard); ok {
				return s.Update(ctx, old, next)
			}
			return checkpoint.ErrConflict
		},
	}
}

// sharing is a store that copies nothing.
type sharing struct {
	mu     sync.Mutex
	leases map[string]checkpoint.Lease
}

func (s *sharing) Leases(context.Context) ([]checkpoint.Lease, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []checkpoint.Lease
	for _, lease := range s.leases {
		list = append(list, lease)
	}
	return list, nil
}

func (s *sharing) Create(_ context.Context, lease checkpoint.Lease) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases[lease.Shard] = lease
	return nil
}

func (s *sharing) Update(ctx context.Context, _, next checkpoint.Lease) error {
	return s.Create(ctx, next)
}

func (s *sharing) Delete(context.Context, checkpoint.Lease) error { return nil }

func caseNamed(t *testing.T, name string) testCase {
	t.Helper()
	for _, c := range cases() {
		if c.name == name {
			return c
		}
	}
	t.Fatalf("there is no case %q", name)
	return testCase{}
}

// A store that breaks a rule is found out by the case of that rule.
func TestBentStores(t *testing.T) {
	t.Parallel()
	for name, b := range bents() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := caseNamed(t, b.by)
			if failure := check(t.Context(), &c, Harness{Store: b.make()}); !strings.HasPrefix(failure, "broken: ") {
				t.Errorf("case %s does not find it out: %q", b.by, failure)
			}
		})
	}
}

// A store that forgets what it was told last is found out after a restart.
func TestForgetful(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"RestartKeeps", "RestartFences", "RestartAgain"} {
		c := caseNamed(t, name)
		failure := check(t.Context(), &c, Harness{
			Store:  checkpoint.NewMemory(),
			Reopen: func() (checkpoint.Store, error) { return checkpoint.NewMemory(), nil },
		})
		if !strings.HasPrefix(failure, "broken: ") {
			t.Errorf("case %s does not find it out: %q", name, failure)
		}
	}
}

// The suite's own harness, over a store that keeps everything.
func TestRun(t *testing.T) {
	t.Parallel()
	Run(t, func(testing.TB) Harness {
		store := checkpoint.NewMemory()
		return Harness{Store: store, Reopen: func() (checkpoint.Store, error) { return store, nil }}
	})
}
