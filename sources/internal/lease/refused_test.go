package lease

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// refusing is a store of a worker whose reads are disturbed once a write was refused.
type refusing struct {
	*worker

	refused atomic.Bool
	read    func(ctx context.Context) error // before a read after that
}

func (s *refusing) Update(ctx context.Context, last, next checkpoint.Lease) error {
	err := s.worker.Update(ctx, last, next)
	if errors.Is(err, checkpoint.ErrConflict) {
		s.refused.Store(true)
	}
	return err
}

func (s *refusing) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	if s.refused.Load() {
		if err := s.read(ctx); err != nil {
			return nil, err
		}
	}
	return s.worker.Leases(ctx)
}

// text is a log that may be read while it is written.
type text struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (x *text) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.Write(p)
}

func (x *text) String() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.b.String()
}

// A worker hears by a refused write that it is asked for a shard. The read that tells why
// fails a few times, hangs, or takes longer than a write may: the shard is kept all the
// same, and handed over.
func TestHandOverWithBadReads_P5(t *testing.T) {
	t.Parallel()
	for name, bad := range map[string]func(n int) func(context.Context) error{
		"fail": func(times int) func(context.Context) error {
			var n atomic.Int32
			return func(context.Context) error {
				if int(n.Add(1)) <= times {
					return errFault
				}
				return nil
			}
		},
		"hang": func(int) func(context.Context) error {
			var n atomic.Int32
			return func(ctx context.Context) error {
				if n.Add(1) > 1 {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}
		},
		"slow": func(int) func(context.Context) error {
			return func(ctx context.Context) error {
				if !sleep(ctx, 4*time.Second) { // a write has 3.3 s
					return ctx.Err()
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var log text
				tb := newTable()
				r := newRiver(2)
				options := testOptions("a")
				options.Logger = slog.New(slog.NewTextHandler(&log, nil))
				m := manager(t, &refusing{worker: tb.worker("a"), read: bad(3)}, r, options)
				all := []*Held{next(t, m), next(t, m)}
				other := manager(t, tb.worker("b"), r, testOptions("b"))
				handed := make(chan *Held)
				go func() { handed <- next(t, other) }()
				h := given(t, all)
				if err := h.Commit(t.Context(), at(1), nil); err != nil {
					t.Errorf("Commit while it is handed over: %v", err)
				}
				if err := h.Release(t.Context()); err != nil {
					t.Error(err)
				}
				if got := <-handed; got.Shard() != h.Shard() || got.Lease().Position != at(1) {
					t.Errorf("handed over is %s at %v", got.Shard(), got.Lease().Position)
				}
				if strings.Contains(log.String(), "shard lost") {
					t.Errorf("the log says that a shard is lost: %s", log.String())
				}
				shut(t, m)
				shut(t, other)
				verify(t, tb)
			})
		})
	}
}

// A lease that another worker took while nothing can be read is given up in time.
func TestRefusedAndNeverRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := newTable()
		s := &refusing{worker: tb.worker("a"), read: func(context.Context) error { return errFault }}
		m := manager(t, s, newRiver(1), testOptions("a"))
		h := next(t, m)
		began := time.Now()
		tb.steal("s000", "thief")
		<-h.Lost()
		if took := time.Since(began); took > 9*time.Second {
			t.Errorf("the lease is given up after %v", took)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
		s.refused.Store(false)
		shut(t, m)
	})
}

// A position that Commit has left to the next write, and that was never stored, is told of
// when the lease is let go of, once.
func TestUnstoredPositionIsTold_P14(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		down, paced bool // else the lease is stolen; else each Commit is a write
		end         func(h *Held, m *Manager) error
		want        bool
	}{
		"stolen":           {false, true, func(h *Held, _ *Manager) error { return h.Release(context.Background()) }, true},
		"down":             {true, true, func(h *Held, _ *Manager) error { return h.Release(context.Background()) }, true},
		"down and closed":  {true, true, func(_ *Held, m *Manager) error { return m.Close(context.Background()) }, true},
		"nothing is paced": {false, false, func(h *Held, _ *Manager) error { return h.Release(context.Background()) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tb := newTable()
				if test.paced {
					tb.pace = time.Second
				}
				m := manager(t, tb.worker("a"), newRiver(1), testOptions("a"))
				h := next(t, m)
				last := busy(t, h, 100*time.Millisecond)
				if test.down {
					tb.mu.Lock()
					tb.plan = func(call) fault { return before }
					tb.mu.Unlock()
				} else {
					tb.steal("s000", "thief")
				}
				err := test.end(h, m)
				if got := err != nil && errors.Is(err, sources.ErrLost) && strings.Contains(err.Error(), "position "+last.Sequence+" "); got != test.want {
					t.Errorf("the end gives %v, want an error that names the position: %v", err, test.want)
				}
				if err := h.Release(t.Context()); err != nil {
					t.Errorf("told twice: %v", err)
				}
				tb.mu.Lock()
				tb.plan = nil
				tb.mu.Unlock()
				shut(t, m)
			})
		})
	}
}

// A lease that cannot be given back is not one that was asked for.
func TestFailedEndIsNamed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := newTable()
		m := manager(t, tb.worker("a"), newRiver(1), testOptions("a"))
		h := next(t, m)
		tb.mu.Lock()
		tb.plan = func(c call) fault {
			if c.method == "Update" {
				return before
			}
			return none
		}
		tb.mu.Unlock()
		if err := h.Release(t.Context()); !errors.Is(err, errFault) {
			t.Errorf("Release gives %v", err)
		}
		err := m.Close(t.Context())
		if err == nil || !strings.Contains(err.Error(), "lease of shard s000 not given back: ") || strings.Contains(err.Error(), "asked") {
			t.Errorf("Close gives %v, want that the lease is not given back", err)
		}
	})
}
