package lease

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// asked waits until a lease is asked for.
func asked(t *testing.T, h *Held) {
	t.Helper()
	asked := make(chan struct{}, 2)
	h.OnAsked(func() { signal(asked) })
	select {
	case <-asked:
	case <-time.After(time.Minute):
		t.Fatalf("nobody asks for %s", h.Shard())
	}
}

// pair is one worker that has both shards of a stream, and one that joins.
func pair(t *testing.T, tb *table, options func(*Options)) (m *Manager, all []*Held, join func() *Manager) {
	t.Helper()
	r := newRiver(2)
	start := func(name string) *Manager {
		o := testOptions(name)
		if options != nil {
			options(&o)
		}
		return manager(t, tb.worker(name), r, o)
	}
	m = start("a")
	return m, []*Held{next(t, m), next(t, m)}, func() *Manager { return start("b") }
}

// given is which of two leases is asked for.
func given(t *testing.T, all []*Held) *Held {
	t.Helper()
	asked := make(chan *Held, len(all))
	for _, h := range all {
		h.OnAsked(func() {
			select {
			case asked <- h:
			default:
			}
		})
	}
	select {
	case h := <-asked:
		return h
	case <-time.After(time.Minute):
		t.Fatal("nobody asks for a shard")
		return nil
	}
}

// A worker that is asked for a shard keeps it until it has finished: it stores its
// position, is not lost, and the other one has the shard at once after that, with that
// position.
func TestHandOver(t *testing.T) {
	t.Parallel()
	for _, busy := range []bool{false, true} {
		for _, pace := range []time.Duration{0, time.Second} {
			t.Run(fmt.Sprint("busy ", busy, ", pace ", pace), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					tb := newTable()
					tb.pace = pace
					m, all, join := pair(t, tb, nil)
					other := join()
					handed := make(chan *Held)
					go func() { handed <- next(t, other) }()
					h := given(t, all)
					lease := tb.lease(h.Shard())
					if !strings.HasPrefix(lease.Owner, "b/") || !strings.HasPrefix(lease.CheckpointOwner, "a/") {
						t.Errorf("the lease is of %q, before %q, want b and a", lease.Owner, lease.CheckpointOwner)
					}
					for n := 1; n <= 20; n++ { // 20 s, two lease times
						time.Sleep(time.Second)
						if !busy {
							continue
						}
						if err := h.Commit(t.Context(), at(n), []byte("w")); err != nil {
							t.Fatalf("Commit while it is handed over: %v", err)
						}
					}
					select {
					case <-handed:
						t.Fatal("the shard is taken before it is handed over")
					case <-h.Lost():
						t.Fatal("the shard is lost before it is handed over")
					default:
					}
					if err := h.Commit(t.Context(), at(21), nil); err != nil {
						t.Fatal(err)
					}
					if err := h.Release(t.Context()); err != nil {
						t.Fatal(err)
					}
					released := time.Now()
					got := <-handed
					if took := time.Since(released); took > 2*time.Second {
						t.Errorf("the shard stays unread for %v", took)
					}
					if got.Shard() != h.Shard() || got.Lease().Position != at(21) {
						t.Errorf("handed over is %s at %v, want %s at its last position", got.Shard(), got.Lease().Position, h.Shard())
					}
					shut(t, m)
					shut(t, other)
					verify(t, tb)
					if left := tb.owners(); left[""] != 2 {
						t.Errorf("at the end the leases are of %v", left)
					}
				})
			})
		}
	}
}

// A shard that ends while it is handed over is nobody's.
func TestEndWhileHandedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := newTable()
		m, all, join := pair(t, tb, nil)
		other := join()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = other.Next(ctx) }()
		h := given(t, all)
		if err := h.End(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if l := tb.lease(h.Shard()); l.Owner != "" || l.CheckpointOwner != "" || !l.Position.Ended() {
			t.Errorf("the lease is %+v, want one of nobody at its end", l)
		}
		cancel()
		shut(t, m)
		shut(t, other)
		verify(t, tb)
	})
}

// Whoever does not finish in time loses the shard, before the other one has it.
func TestHandOverIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := newTable()
		m, all, join := pair(t, tb, func(o *Options) { o.Handover = time.Minute })
		other := join()
		handed := make(chan *Held)
		go func() { handed <- next(t, other) }()
		h := given(t, all)
		began := time.Now()
		<-h.Lost()
		if took := time.Since(began); took < 59*time.Second || took > 61*time.Second {
			t.Errorf("the shard is lost after %v, want a minute", took)
		}
		select {
		case <-handed:
			t.Error("the other one has the shard already")
		default:
		}
		if err := h.Commit(t.Context(), at(1), nil); !errors.Is(err, sources.ErrLost) {
			t.Errorf("Commit gives %v, want ErrLost", err)
		}
		<-handed
		if took := time.Since(began); took > 75*time.Second {
			t.Errorf("the other one has the shard after %v", took)
		}
		shut(t, m)
		shut(t, other)
		verify(t, tb)
	})
}

// Whoever goes on to renew a lease that he was asked for, because he does not know of
// the bound, loses it too.
func TestHandOverIsTakenAnyway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := newTable()
		r := newRiver(2)
		stubborn := testOptions("a")
		stubborn.Handover = 24 * time.Hour
		m := manager(t, tb.worker("a"), r, stubborn)
		all := []*Held{next(t, m), next(t, m)}
		other := manager(t, tb.worker("b"), r, testOptions("b"))
		handed := make(chan *Held)
		go func() { handed <- next(t, other) }()
		h := given(t, all)
		began := time.Now()
		<-handed
		if took := time.Since(began); took < 30*time.Second || took > 50*time.Second {
			t.Errorf("the shard is taken after %v, want 30 s and a lease time", took)
		}
		<-h.Lost()
		shut(t, m)
		shut(t, other)
		verify(t, tb)
	})
}

// Without a time for it, a shard is taken as it is.
func TestNoHandOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := newTable()
		m, all, join := pair(t, tb, func(o *Options) { o.Handover = -1 })
		other := join()
		next(t, other)
		lost := 0
		time.Sleep(10 * time.Second)
		for _, h := range all {
			select {
			case <-h.Lost():
				lost++
			default:
			}
		}
		if lost != 1 {
			t.Errorf("%d shards are lost, want one", lost)
		}
		shut(t, m)
		shut(t, other)
		verify(t, tb)
	})
}

// A worker that dies while it hands a shard over is as any that dies, and so is one that
// has asked for it.
func TestDeathDuringHandOver(t *testing.T) {
	t.Parallel()
	for _, dies := range []string{"a", "b"} {
		t.Run(dies, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tb := newTable()
				r := newRiver(2)
				own := tb.worker("a")
				m := manager(t, own, r, testOptions("a"))
				all := []*Held{next(t, m), next(t, m)}
				asking := tb.worker("b")
				other := manager(t, asking, r, testOptions("b"))
				ctx, cancel := context.WithCancel(t.Context())
				handed := make(chan *Held, 2)
				go func() {
					for {
						h, err := other.Next(ctx)
						if err != nil {
							return
						}
						handed <- h
					}
				}()
				h := given(t, all)
				if dies == "a" {
					own.kill()
					began := time.Now()
					<-handed
					if took := time.Since(began); took > 20*time.Second {
						t.Errorf("the shard of a dead worker is taken after %v", took)
					}
				} else {
					asking.kill()
					if err := h.Release(t.Context()); err != nil {
						t.Fatal(err)
					}
					began := time.Now()
					next(t, m)
					if took := time.Since(began); took > 20*time.Second {
						t.Errorf("the shard is taken back after %v", took)
					}
				}
				cancel()
				for _, x := range []*Manager{m, other} {
					bound, cancel := context.WithTimeout(context.Background(), time.Second)
					_ = x.Close(bound)
					cancel()
				}
				verify(t, tb)
			})
		})
	}
}

// A worker that stops takes its wish back: what it was to get is free at once.
func TestWishIsTakenBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := newTable()
		m, all, join := pair(t, tb, nil)
		other := join()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { _, _ = other.Next(ctx) }()
		h := given(t, all)
		cancel()
		shut(t, other)
		if l := tb.lease(h.Shard()); l.Owner != "" || !strings.HasPrefix(l.CheckpointOwner, "a/") {
			t.Errorf("the lease is of %q, before %q, want nobody and a", l.Owner, l.CheckpointOwner)
		}
		if err := h.Commit(t.Context(), at(1), nil); err != nil {
			t.Errorf("Commit gives %v", err)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if back := next(t, m); back.Shard() != h.Shard() || time.Since(began) > 6*time.Second { // at the next look
			t.Errorf("%s is taken back after %v", back.Shard(), time.Since(began))
		}
		shut(t, m)
		verify(t, tb)
	})
}

// The answer of a write is lost, and the shard is asked for before the next one.
func TestLostAnswerBeforeHandOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := newTable()
		m, all, join := pair(t, tb, nil)
		h := all[0]
		tb.mu.Lock()
		tb.plan = func(c call) fault {
			if c.method == "Update" {
				return after
			}
			return none
		}
		tb.mu.Unlock()
		if err := h.Commit(t.Context(), at(1), nil); !errors.Is(err, errFault) {
			t.Fatalf("Commit gives %v", err)
		}
		tb.mu.Lock()
		tb.plan = nil
		l := tb.leases[h.Shard()]
		tb.mu.Unlock()
		if l.Position != at(1) {
			t.Fatalf("the store is at %v", l.Position)
		}
		next := l
		next.Owner, next.CheckpointOwner, next.Counter = "b/1", l.Owner, l.Counter+1
		if err := tb.worker("b").Update(t.Context(), l, next); err != nil {
			t.Fatal(err)
		}
		if err := h.Commit(t.Context(), at(2), nil); err != nil {
			t.Errorf("Commit gives %v", err)
		}
		asked(t, h)
		if err := h.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l := tb.lease(h.Shard()); l.Owner != "b/1" || l.CheckpointOwner != "" || l.Position != at(2) {
			t.Errorf("the lease is %+v, want b's at the last position", l)
		}
		_ = join
		shut(t, m)
		verify(t, tb)
	})
}

// A lease that nobody reads yet is given away at once.
func TestUnreadIsHandedOver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := newTable()
		r := newRiver(2)
		m := manager(t, tb.worker("a"), r, testOptions("a"))
		next(t, m) // the other one is taken as well, and waits
		time.Sleep(time.Second)
		other := manager(t, tb.worker("b"), r, Options{
			Worker: "b", Start: checkpoint.Position{Sequence: checkpoint.TrimHorizon},
			Jitter: func() float64 { return 0.9 }, // begins with the second
		})
		began := time.Now()
		h := next(t, other)
		if took := time.Since(began); h.Shard() != "s001" || took > 15*time.Second {
			t.Errorf("%s is handed over after %v", h.Shard(), took)
		}
		shut(t, m)
		shut(t, other)
		verify(t, tb)
	})
}
