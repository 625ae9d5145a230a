package lease

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// The process stands still for longer than the lease: its store calls hang, and
// then it goes on as if nothing had been.
func TestZombieIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		var frozen atomic.Bool
		tb.plan = func(c call) fault {
			if frozen.Load() && c.worker == "a" {
				return hang
			}
			return none
		}
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		if err := h.Commit(t.Context(), at(1), nil); err != nil {
			t.Fatal(err)
		}
		frozen.Store(true)
		committed := time.Now()
		<-h.Lost()
		if gone := time.Since(committed); gone >= 10*time.Second {
			t.Errorf("lost %v after the last write, when others may have it", gone)
		}
		b := manager(t, tb.worker("b"), r, testOptions("b"))
		h2 := next(t, b)
		if gone := time.Since(committed); gone < 10*time.Second {
			t.Errorf("taken %v after the last write", gone)
		}
		if got := h2.Lease().Position; got != at(1) {
			t.Errorf("goes on at %v", got)
		}
		if err := h2.Commit(t.Context(), at(2), nil); err != nil {
			t.Fatal(err)
		}
		frozen.Store(false)
		if err := h.Commit(t.Context(), at(9), nil); !errors.Is(err, sources.ErrLost) {
			t.Errorf("commit of the zombie: %v", err)
		}
		if got := tb.lease("s000").Position; got != at(2) {
			t.Errorf("position %v", got)
		}
		shut(t, a)
		shut(t, b)
		verify(t, tb)
	})
}

// A zombie that does not know of the time that has passed meets the condition.
func TestStaleCommitMeetsTheCondition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		tb.steal("s000", "b")
		if err := h.Commit(t.Context(), at(9), nil); !errors.Is(err, sources.ErrLost) {
			t.Errorf("commit: %v", err)
		}
		select {
		case <-h.Lost():
		default:
			t.Error("the reader is not told of the loss at once")
		}
		if err := h.Release(t.Context()); err != nil {
			t.Errorf("release of a lost lease: %v", err)
		}
		if got := tb.lease("s000"); got.Owner != "b" || begun(got) {
			t.Errorf("lease %+v", got)
		}
		shut(t, a)
		verify(t, tb)
	})
}

func TestStolenLeaseIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		tb.steal("s000", "b")
		began := time.Now()
		<-h.Lost()
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("noticed after %v", took)
		}
		shut(t, a)
	})
}

// A look at the store notices a theft before the next renewal does.
func TestLookNoticesTheft(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		duration := a.options.Duration
		time.Sleep(duration/renewals + time.Second/4) // it was just renewed, and looks are at every half
		tb.steal("s000", "b")
		began := time.Now()
		<-h.Lost()
		if took := time.Since(began); took > duration/4 {
			t.Errorf("noticed after %v", took)
		}
		shut(t, a)
	})
}

func TestLostAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		var over atomic.Bool
		tb.plan = func(c call) fault {
			if !over.Load() && c.method != "Leases" && c.number%2 == 1 {
				return after
			}
			return none
		}
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		for i := 1; i <= 20; i++ {
			for {
				err := h.Commit(t.Context(), at(i), []byte{byte(i)})
				if err == nil {
					break
				}
				if !errors.Is(err, errFault) {
					t.Fatalf("commit %d: %v", i, err)
				}
			}
			if l := h.Lease(); l.Position != at(i) || l.Window[0] != byte(i) {
				t.Fatalf("lease %+v after commit %d", l, i)
			}
		}
		r.add("s001", "s000")
		children, _ := r.children("s000")
		for {
			err := h.End(t.Context(), children)
			if err == nil {
				break
			}
			if !errors.Is(err, errFault) {
				t.Fatalf("end: %v", err)
			}
		}
		if got := next(t, a); got.Shard() != "s001" {
			t.Errorf("shard %q after the end", got.Shard())
		}
		over.Store(true)
		shut(t, a)
		verify(t, tb)
	})
}

// The answer of a commit is lost, and somebody else takes the lease after it.
func TestLostAnswerThenStolen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		var lose atomic.Bool
		tb.plan = func(call) fault {
			if lose.Load() {
				return after
			}
			return none
		}
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		lose.Store(true)
		if err := h.Commit(t.Context(), at(1), nil); !errors.Is(err, errFault) {
			t.Fatalf("commit: %v", err)
		}
		lose.Store(false)
		tb.steal("s000", "b")
		if err := h.Commit(t.Context(), at(2), nil); !errors.Is(err, sources.ErrLost) {
			t.Errorf("commit: %v", err)
		}
		shut(t, a)
	})
}

func TestStoreDownForAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(4)
		down := time.Now().Add(30 * time.Second)
		up := down.Add(time.Minute)
		tb.plan = func(call) fault {
			if now := time.Now(); now.After(down) && now.Before(up) {
				return before
			}
			return none
		}
		a := startReader(t, tb.worker("a"), r, testOptions("a"), time.Second)
		b := startReader(t, tb.worker("b"), r, testOptions("b"), time.Second)
		time.Sleep(time.Until(down))
		calls := tb.count("Leases") + tb.count("Update")
		time.Sleep(10 * time.Second)
		if a.holds()+b.holds() != 0 {
			t.Errorf("%d shards are held without a renewal", a.holds()+b.holds())
		}
		time.Sleep(time.Until(up))
		// 4 renewals and 4 commits a shard and 2 looks every few seconds
		if n := tb.count("Leases") + tb.count("Update") - calls; n > 150 {
			t.Errorf("%d calls in a minute of a store that is down", n)
		}
		time.Sleep(30 * time.Second)
		if a.holds()+b.holds() != 4 {
			t.Errorf("%d of 4 shards are read after the store came back", a.holds()+b.holds())
		}
		a.stop(t)
		b.stop(t)
		verify(t, tb)
	})
}

// A few failed renewals cost nothing.
func TestRenewalIsTriedAgain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(3)
		tb.plan = func(c call) fault {
			if c.method == "Update" && c.number%3 != 1 {
				return []fault{before, after}[c.number%2]
			}
			return none
		}
		a := startReader(t, tb.worker("a"), r, testOptions("a"), 0)
		time.Sleep(10 * time.Minute)
		if a.holds() != 3 || a.losses() != 0 {
			t.Errorf("%d held, %d lost", a.holds(), a.losses())
		}
		a.stop(t)
		verify(t, tb)
	})
}

func TestListFails(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(2)
		a := startReader(t, tb.worker("a"), r, testOptions("a"), time.Second)
		time.Sleep(5 * time.Second)
		a.stop(t)
		r.fail(errors.New("throttled"))
		r.forget()
		b := startReader(t, tb.worker("b"), r, testOptions("b"), time.Second)
		time.Sleep(5 * time.Second)
		if b.holds() != 2 {
			t.Errorf("%d of 2 known shards are read without a list", b.holds())
		}
		time.Sleep(10 * time.Minute)
		if r.count() > 60 {
			t.Errorf("%d lists in 10 minutes", r.count())
		}
		r.add("s002")
		r.fail(nil)
		time.Sleep(2 * time.Minute)
		if b.holds() != 3 {
			t.Errorf("%d of 3 shards are read after the list is back", b.holds())
		}
		b.stop(t)
		verify(t, tb)
	})
}

func TestUnusableStreamEndsNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		r.fail(fmt.Errorf("no such stream: %w", sources.ErrUnusable))
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		if _, err := a.Next(t.Context()); !errors.Is(err, sources.ErrUnusable) {
			t.Errorf("Next: %v", err)
		}
		shut(t, a)
		if _, err := a.Next(t.Context()); !errors.Is(err, errClosed) {
			t.Errorf("Next after Close: %v", err)
		}
	})
}

// The process stood still: nobody has noticed yet that the lease ran out.
func TestCommitLooksAtTheTimeItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		synctest.Wait()
		calls := tb.count("Update")
		a.mu.Lock()
		h.since = h.since.Add(-9 * time.Second)
		a.mu.Unlock()
		if err := h.Commit(t.Context(), at(1), nil); !errors.Is(err, sources.ErrLost) {
			t.Errorf("commit: %v", err)
		}
		if tb.count("Update") != calls {
			t.Error("the store is asked though the lease ran out")
		}
		shut(t, a)
	})
}

// Leases that were read before this worker wrote say nothing against it, nor do
// those that show what it is writing.
func TestOldLookIsNoLoss(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		synctest.Wait()
		old := h.Lease()
		old.Owner, old.Counter = "b", old.Counter-1
		a.observe([]checkpoint.Lease{old}, time.Now().Add(-time.Second), time.Now())
		a.observe(nil, time.Now().Add(-time.Second), time.Now())
		a.mu.Lock()
		if e := a.known["s000"]; e == nil || e.lease.Owner != a.owner {
			t.Errorf("known %+v after an old look", e)
		}
		h.writing = true
		a.mu.Unlock()
		given := h.Lease()
		given.Owner, given.Counter = "", given.Counter+1
		a.observe([]checkpoint.Lease{given}, time.Now(), time.Now())
		select {
		case <-h.Lost():
			t.Error("lost for an old look, or for its own write")
		default:
		}
		a.mu.Lock()
		h.writing = false
		a.mu.Unlock()
		if err := h.Commit(t.Context(), at(1), nil); err != nil {
			t.Errorf("commit: %v", err)
		}
		shut(t, a)
		verify(t, tb)
	})
}
