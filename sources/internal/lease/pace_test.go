package lease

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// pacedTable is a table that wants a position a second of a shard.
func pacedTable() *table {
	tb := newTable()
	tb.pace = time.Second
	return tb
}

// busy commits every 10 ms for a while, and returns the last position.
func busy(t *testing.T, h *Held, d time.Duration) checkpoint.Position {
	t.Helper()
	var last checkpoint.Position
	for n := 1; n <= int(d/(10*time.Millisecond)); n++ {
		time.Sleep(10 * time.Millisecond)
		last = at(n)
		if err := h.Commit(t.Context(), last, []byte{byte(n)}); err != nil {
			t.Fatalf("Commit %d: %v", n, err)
		}
	}
	return last
}

// Busy shards write a position a second and not one a batch (800 a second here).
func TestPositionsArePaced(t *testing.T) {
	t.Parallel()
	const shards, seconds = 8, 20
	synctest.Test(t, func(t *testing.T) {
		tb := pacedTable()
		m := manager(t, tb.worker("a"), newRiver(shards), testOptions("a"))
		all := make([]*Held, shards)
		for i := range all {
			all[i] = next(t, m)
		}
		before := tb.count("Update")
		done := make(chan struct{})
		for _, h := range all {
			go func() {
				busy(t, h, seconds*time.Second)
				done <- struct{}{}
			}()
		}
		for range all {
			<-done
		}
		if n := tb.count("Update") - before; n > shards*(seconds+1) || n < shards*(seconds-1) {
			t.Errorf("%d busy shards make %d writes in %d s, want one a second each", shards, n, seconds)
		}
		for _, h := range all {
			if err := h.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
		shut(t, m)
		for i := range shards {
			if l := tb.lease(fmt.Sprintf("s%03d", i)); l.Position != at(seconds*100) {
				t.Errorf("%s is released at %v, want the last position", l.Shard, l.Position)
			}
		}
		verify(t, tb)
	})
}

// A position that is left to the next write is stored within the interval, without
// another one: what a killed process repeats is bounded by it.
func TestPositionIsStoredInTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := pacedTable()
		m := manager(t, tb.worker("a"), newRiver(1), testOptions("a"))
		h := next(t, m)
		for _, quiet := range []time.Duration{0, 5 * time.Second} {
			time.Sleep(quiet)
			last := busy(t, h, 300*time.Millisecond)
			time.Sleep(time.Second + 20*time.Millisecond)
			if l := tb.lease("s000"); l.Position != last || len(l.Window) != 1 || l.Window[0] != 30 {
				t.Errorf("after %v of quiet the store is at %v, window %v, want %v", quiet, l.Position, l.Window, last)
			}
		}
		shut(t, m)
	})
}

// A clean end loses no position, however the lease is given back, and though the store
// fails at that time.
func TestLastPositionIsStored(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(h *Held, m *Manager) error{
		"Release":       func(h *Held, _ *Manager) error { return h.Release(context.Background()) },
		"Manager.Close": func(_ *Held, m *Manager) error { return m.Close(context.Background()) },
	} {
		for _, f := range []fault{none, before, after, hang} {
			t.Run(fmt.Sprint(name, " fault ", f), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					tb := pacedTable()
					m := manager(t, tb.worker("a"), newRiver(1), testOptions("a"))
					h := next(t, m)
					last := busy(t, h, 100*time.Millisecond)
					until := time.Now().Add(2 * time.Second)
					tb.mu.Lock()
					tb.plan = func(c call) fault {
						if c.method == "Update" && time.Now().Before(until) {
							return f
						}
						return none
					}
					tb.mu.Unlock()
					if err := end(h, m); err != nil {
						t.Error(err)
					}
					if l := tb.lease("s000"); l.Position != last || l.Owner != "" {
						t.Errorf("the lease is left to %q at %v, want nobody at %v", l.Owner, l.Position, last)
					}
					shut(t, m)
					verify(t, tb)
				})
			})
		}
	}
}

// The end of a shard is its last position.
func TestEndIsNotPaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := pacedTable()
		m := manager(t, tb.worker("a"), newRiver(1), testOptions("a"))
		h := next(t, m)
		busy(t, h, 100*time.Millisecond)
		if err := h.End(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if l := tb.lease("s000"); !l.Position.Ended() || l.Window != nil {
			t.Errorf("the shard stands at %v with the window %v, want its end", l.Position, l.Window)
		}
		shut(t, m)
		verify(t, tb)
	})
}

// A store that is down is told of after the interval, with each Commit, so that a
// mapping does not run ahead of what it can store.
func TestPacedStoreIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := pacedTable()
		m := manager(t, tb.worker("a"), newRiver(1), testOptions("a"))
		h := next(t, m)
		tb.mu.Lock()
		tb.plan = func(call) fault { return before }
		tb.mu.Unlock()
		if err := h.Commit(t.Context(), at(1), nil); err != nil {
			t.Errorf("the first Commit gives %v", err)
		}
		time.Sleep(1100 * time.Millisecond)
		for range 5 {
			if err := h.Commit(t.Context(), at(2), nil); !errors.Is(err, errFault) {
				t.Errorf("Commit gives %v, want the store's error", err)
			}
		}
		tb.mu.Lock()
		tb.plan = nil
		tb.mu.Unlock()
		time.Sleep(4 * time.Second)
		if l := tb.lease("s000"); l.Position != at(2) {
			t.Errorf("later the store is at %v, want the last position", l.Position)
		}
		if err := h.Commit(t.Context(), at(2), nil); err != nil {
			t.Error(err)
		}
		shut(t, m)
		if l := tb.lease("s000"); l.Position != at(2) {
			t.Errorf("at the end the store is at %v", l.Position)
		}
	})
}

// A lease that was lost takes no position with it, and says so.
func TestPacedLeaseIsLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := pacedTable()
		m := manager(t, tb.worker("a"), newRiver(1), testOptions("a"))
		h := next(t, m)
		busy(t, h, 100*time.Millisecond)
		tb.steal("s000", "thief")
		time.Sleep(2 * time.Second)
		if err := h.Commit(t.Context(), at(11), nil); !errors.Is(err, sources.ErrLost) {
			t.Errorf("Commit gives %v, want ErrLost", err)
		}
		if l := tb.lease("s000"); l.Owner != "thief" || begun(l) {
			t.Errorf("the lease is %v at %v, want as the thief left it", l.Owner, l.Position)
		}
		if err := h.Release(t.Context()); !errors.Is(err, sources.ErrLost) {
			t.Errorf("Release gives %v, want ErrLost", err)
		}
		shut(t, m)
	})
}

// An exclusive store costs nothing, and is not paced.
func TestExclusiveStoreIsNotPaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb := pacedTable()
		m := manager(t, exclusive{tb.worker("a")}, newRiver(1), testOptions("a"))
		h := next(t, m)
		last := busy(t, h, 100*time.Millisecond)
		if l := tb.lease("s000"); l.Position != last {
			t.Errorf("the store is at %v, want %v", l.Position, last)
		}
		shut(t, m)
	})
}
