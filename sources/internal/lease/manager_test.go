package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

func TestFairShares(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{1, 2, 3, 5} {
		for _, shards := range []int{1, 2, 7, 40} {
			t.Run(fmt.Sprintf("%d workers %d shards", workers, shards), func(t *testing.T) {
				bubble(t, func(t *testing.T) { fairShares(t, workers, shards) })
			})
		}
	}
}

func fairShares(t *testing.T, workers, shards int) {
	tb, r := newTable(), newRiver(shards)
	var all []*reader
	for i := range workers {
		options := testOptions(fmt.Sprintf("w%d", i))
		options.Jitter = func() float64 { return float64(i) / float64(workers) }
		all = append(all, startReader(t, tb.worker(options.Worker), r, options, 0))
		time.Sleep(time.Second)
	}
	time.Sleep(3 * time.Minute)
	synctest.Wait()
	for i, x := range all {
		if n := x.holds(); n < shards/workers || n > (shards+workers-1)/workers {
			t.Errorf("worker %d holds %d of %d shards, owners %v", i, n, shards, tb.owners())
		}
	}
	lost := 0
	for _, x := range all {
		lost += x.lost
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	for _, x := range all {
		lost -= x.lost
	}
	if lost != 0 {
		t.Errorf("%d shards moved though shares are fair", -lost)
	}
	for _, x := range all {
		x.stop(t)
	}
	if got := tb.owners(); got[""] != shards {
		t.Errorf("after all stopped the owners are %v", got)
	}
	verify(t, tb)
}

func TestWorkerJoins(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(8)
		a := startReader(t, tb.worker("a"), r, testOptions("a"), 50*time.Millisecond)
		time.Sleep(5 * time.Second)
		if a.holds() != 8 {
			t.Fatalf("the only worker holds %d of 8", a.holds())
		}
		b := startReader(t, tb.worker("b"), r, testOptions("b"), 50*time.Millisecond)
		time.Sleep(time.Minute)
		if a.holds() != 4 || b.holds() != 4 {
			t.Errorf("%d and %d of 8 a minute after the second worker joined", a.holds(), b.holds())
		}
		a.stop(t)
		time.Sleep(7 * time.Second)
		if b.holds() != 8 {
			t.Errorf("%d of 8 are read 7 s after the other worker stopped", b.holds())
		}
		b.stop(t)
		verify(t, tb)
	})
}

func TestDeadWorkersShardsAreTaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(6)
		a := startReader(t, tb.worker("a"), r, testOptions("a"), time.Second)
		b := startReader(t, tb.worker("b"), r, testOptions("b"), time.Second)
		time.Sleep(time.Minute)
		a.kill()
		time.Sleep(9 * time.Second)
		if b.holds() != 3 {
			t.Errorf("%d shards are read before the dead worker's leases ran out", b.holds())
		}
		time.Sleep(12 * time.Second)
		if b.holds() != 6 {
			t.Errorf("%d of 6 shards are read 21 s after a worker died", b.holds())
		}
		b.stop(t)
		verify(t, tb)
	})
}

func TestRestartUnderTheSameName(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(3)
		a := startReader(t, tb.worker("a"), r, testOptions("a"), time.Second)
		time.Sleep(10500 * time.Millisecond)
		a.kill()
		before := tb.lease("s000").Position
		b := startReader(t, tb.worker("a2"), r, testOptions("a"), time.Second)
		time.Sleep(100 * time.Millisecond)
		if b.holds() != 3 {
			t.Errorf("%d of 3 leases are held at once after a restart", b.holds())
		}
		time.Sleep(3 * time.Second)
		if got := tb.lease("s000").Position; rank(got) <= rank(before) || !begun(checkpoint.Lease{Position: before}) {
			t.Errorf("position %v before, %v after", before, got)
		}
		b.stop(t)
		verify(t, tb)
	})
}

// The process stands still for longer than the lease: its store calls hang, and
// then it goes on as if nothing had been.
func TestZombieIsRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		var frozen bool
		tb.plan = func(c call) fault {
			if frozen && c.worker == "a" {
				return hang
			}
			return none
		}
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		if err := h.Commit(t.Context(), at(1), nil); err != nil {
			t.Fatal(err)
		}
		frozen = true
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
		frozen = false
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
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		tb.mu.Lock()
		l := tb.leases["s000"]
		l.Owner, l.Counter = "b", l.Counter+1
		tb.leases["s000"] = l
		tb.mu.Unlock()
		if err := h.Commit(t.Context(), at(9), nil); !errors.Is(err, sources.ErrLost) {
			t.Errorf("commit: %v", err)
		}
		<-h.Lost()
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
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		tb.mu.Lock()
		l := tb.leases["s000"]
		l.Owner, l.Counter = "b", l.Counter+1
		tb.leases["s000"] = l
		tb.mu.Unlock()
		began := time.Now()
		<-h.Lost()
		if took := time.Since(began); took > 4*time.Second {
			t.Errorf("noticed after %v", took)
		}
		shut(t, a)
	})
}

func TestLostAnswers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		var over bool
		tb.plan = func(c call) fault {
			if !over && c.method != "Leases" && c.number%2 == 1 {
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
		over = true
		shut(t, a)
		verify(t, tb)
	})
}

// The answer of a commit is lost, and somebody else takes the lease after it.
func TestLostAnswerThenStolen(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		var lose bool
		tb.plan = func(c call) fault {
			if lose {
				return after
			}
			return none
		}
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		lose = true
		if err := h.Commit(t.Context(), at(1), nil); !errors.Is(err, errFault) {
			t.Fatalf("commit: %v", err)
		}
		lose = false
		tb.mu.Lock()
		l := tb.leases["s000"]
		l.Owner, l.Counter = "b", l.Counter+1
		tb.leases["s000"] = l
		tb.mu.Unlock()
		if err := h.Commit(t.Context(), at(2), nil); !errors.Is(err, sources.ErrLost) {
			t.Errorf("commit: %v", err)
		}
		shut(t, a)
	})
}

func TestStoreDownForAMinute(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(4)
		down := time.Now().Add(30 * time.Second)
		up := down.Add(time.Minute)
		tb.plan = func(c call) fault {
			if now := time.Now(); now.After(down) && now.Before(up) {
				return before
			}
			return none
		}
		a := startReader(t, tb.worker("a"), r, testOptions("a"), time.Second)
		b := startReader(t, tb.worker("b"), r, testOptions("b"), time.Second)
		time.Sleep(time.Until(down) + 10*time.Second)
		if a.holds()+b.holds() != 0 {
			t.Errorf("%d shards are held without a renewal", a.holds()+b.holds())
		}
		calls := tb.count("Leases") + tb.count("Update")
		time.Sleep(time.Until(up))
		if n := tb.count("Leases") + tb.count("Update") - calls; n > 100 {
			t.Errorf("%d calls in 50 s of a store that is down", n)
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
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(3)
		tb.plan = func(c call) fault {
			if c.method == "Update" && c.number%3 != 1 {
				return []fault{before, after}[c.number%2]
			}
			return none
		}
		a := startReader(t, tb.worker("a"), r, testOptions("a"), 0)
		time.Sleep(10 * time.Minute)
		if a.holds() != 3 || a.lost != 0 {
			t.Errorf("%d held, %d lost", a.holds(), a.lost)
		}
		a.stop(t)
		verify(t, tb)
	})
}

func TestListFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(2)
		a := startReader(t, tb.worker("a"), r, testOptions("a"), time.Second)
		time.Sleep(5 * time.Second)
		a.stop(t)
		r.fail(errors.New("throttled"))
		r.lists = 0
		b := startReader(t, tb.worker("b"), r, testOptions("b"), time.Second)
		time.Sleep(5 * time.Second)
		if b.holds() != 2 {
			t.Errorf("%d of 2 known shards are read without a list", b.holds())
		}
		time.Sleep(10 * time.Minute)
		if r.lists > 60 {
			t.Errorf("%d lists in 10 minutes", r.lists)
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
	bubble(t, func(t *testing.T) {
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

func TestSplitAndMergeWhileRunning_KIN66(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(2)
		a := startReader(t, tb.worker("a"), r, testOptions("a"), time.Second)
		b := startReader(t, tb.worker("b"), r, testOptions("b"), time.Second)
		time.Sleep(20 * time.Second)
		r.add("t0", "s000")
		r.add("t1", "s000")
		time.Sleep(20 * time.Second)
		r.add("u", "t1", "s001")
		time.Sleep(40 * time.Second)
		for _, id := range []string{"s000", "s001", "t1"} {
			if l := tb.lease(id); !l.Position.Ended() || l.Owner != "" {
				t.Errorf("lease %+v", l)
			}
		}
		for _, id := range []string{"t0", "u"} {
			if l := tb.lease(id); !begun(l) || l.Position.Ended() {
				t.Errorf("lease %+v", l)
			}
		}
		if got := tb.lease("u").Parents; !slices.Equal(got, []string{"t1", "s001"}) {
			t.Errorf("parents of the merge child %v", got)
		}
		if got := tb.lease("s000").Children; !slices.Equal(got, []string{"t0", "t1"}) {
			t.Errorf("children of the split %v", got)
		}
		// KIN-73
		r.expire("s000")
		time.Sleep(3 * time.Minute)
		if l := tb.lease("s000"); l.Shard != "" {
			t.Errorf("lease of an expired shard is kept: %+v", l)
		}
		if l := tb.lease("s001"); l.Shard == "" {
			t.Error("lease of a listed shard is deleted")
		}
		a.stop(t)
		b.stop(t)
		verify(t, tb)
	})
}

func TestMergeChildWaitsForBothParents_KIN66(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(2)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		one, two := next(t, a), next(t, a)
		r.add("m", "s000", "s001")
		children, _ := r.children("s000")
		if err := one.End(t.Context(), children); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		if s := a.Stats(); s.Waiting != 1 || s.Held != 1 || s.Leases != 2 {
			t.Errorf("stats %+v", s)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if h, err := a.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Next: %v, %v", h, err)
		}
		if err := two.End(t.Context(), children); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		if h := next(t, a); h.Shard() != "m" || time.Since(began) > time.Second {
			t.Errorf("%s after %v", h.Shard(), time.Since(began))
		}
		shut(t, a)
		verify(t, tb)
	})
}

// Of the merge child's parents one is so new that it has no lease yet.
func TestMergeChildWaitsForUnknownParent_KIN66(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(2)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		one, two := next(t, a), next(t, a)
		r.add("t0", two.Shard())
		r.add("t1", two.Shard())
		r.add("m", "t1", one.Shard())
		children, _ := r.children(one.Shard())
		if err := one.End(t.Context(), children); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if s := a.Stats(); s.Held != 1 || s.Waiting != 3 {
			t.Errorf("stats %+v", s)
		}
		shut(t, a)
		verify(t, tb)
	})
}

// A worker that was away for long: the parents of what is listed are gone.
func TestVanishedParents_KIN70(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(0)
		r.add("c", "gone")
		a := startReader(t, tb.worker("a"), r, testOptions("a"), time.Second)
		time.Sleep(10 * time.Second)
		if !begun(tb.lease("c")) {
			t.Error("a shard whose parent is not listed is not read")
		}
		a.stop(t)
	})
}

func TestLatestIsPinned_KIN50(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(2)
		r.add("t0", "s000")
		options := testOptions("a")
		options.Start.Sequence = checkpoint.Latest
		first := time.Now()
		a := manager(t, tb.worker("a"), r, options)
		h := next(t, a)
		if p := h.Lease().Position; p.Sequence != checkpoint.AtTimestamp || !p.Timestamp.Equal(first) {
			t.Errorf("position %+v", p)
		}
		if l := tb.lease("s000"); l.Shard != "" {
			t.Errorf("closed shard has a lease: %+v", l) // KIN-69
		}
		shut(t, a) // before the first record
		time.Sleep(time.Hour)
		r.add("t1", "t0")
		b := manager(t, tb.worker("b"), r, options)
		h, h2 := next(t, b), next(t, b)
		if h.Shard() == "s001" {
			h, h2 = h2, h
		}
		if p := h.Lease().Position; h.Shard() != "t0" || !p.Timestamp.Equal(first) {
			t.Errorf("%s at %+v", h.Shard(), p)
		}
		_ = h2
		time.Sleep(time.Second)
		if p := tb.lease("t1").Position; p.Sequence != checkpoint.TrimHorizon { // KIN-68
			t.Errorf("child at %+v", p)
		}
		shut(t, b)
		verify(t, tb)
	})
}

func TestChildrenBeginAtTheStartsTimestamp_KIN68(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		options := testOptions("a")
		options.Start = checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: time.Now().Add(-time.Hour)}
		a := manager(t, tb.worker("a"), r, options)
		h := next(t, a)
		if err := h.End(t.Context(), []Shard{{ID: "t"}}); err != nil {
			t.Fatal(err)
		}
		child := next(t, a).Lease()
		if child.Position != options.Start || !slices.Equal(child.Parents, []string{"s000"}) {
			t.Errorf("child %+v", child)
		}
		shut(t, a)
	})
}

func TestListTakenMidChangeIsTakenAgain_KIN71(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		r.shards["c"] = Shard{ID: "c", Parents: []string{"s000"}, Open: true}
		options := testOptions("a")
		options.Start.Sequence = checkpoint.Latest
		a := manager(t, tb.worker("a"), r, options)
		time.Sleep(500 * time.Millisecond)
		r.add("c", "s000") // now the parent is closed
		if h := next(t, a); h.Shard() != "c" {
			t.Errorf("begins with %s", h.Shard())
		}
		if r.lists != 2 || tb.lease("s000").Shard != "" {
			t.Errorf("%d lists, lease of the closed parent %+v", r.lists, tb.lease("s000"))
		}
		shut(t, a)
	})
}

func TestHolesInTheFirstList_KIN72(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(0)
		half := "170141183460469231731687303715884105728"
		most := "340282366920938463463374607431768211455"
		r.shards["a"] = Shard{ID: "a", Open: true, StartingHashKey: "0", EndingHashKey: half}
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		began := time.Now()
		h := next(t, a)
		if took := time.Since(began); took < 3*time.Second || r.lists != 4 {
			t.Errorf("a list with a hole is used after %v and %d lists", took, r.lists)
		}
		if l := h.Lease(); l.EndingHashKey != half {
			t.Errorf("lease %+v", l)
		}
		shut(t, a)
		if whole([]Shard{r.shards["a"], {Open: true, StartingHashKey: half, EndingHashKey: most}}) != true {
			t.Error("a whole list is taken for one with holes")
		}
	})
}

func TestExclusiveStore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(10_000)
		w := tb.worker("a")
		for id, s := range r.shards {
			l := s.lease(at(5))
			l.Owner = "somebody else"
			tb.leases[id] = l
		}
		m, err := New(exclusive{w}, r.list, testOptions("a"))
		if err != nil {
			t.Fatal(err)
		}
		for range 10_000 {
			next(t, m)
		}
		calls := tb.count("Update") + tb.count("Leases")
		time.Sleep(10 * time.Minute)
		if n := tb.count("Update") + tb.count("Leases") - calls; n > 12 {
			t.Errorf("%d calls in 10 minutes of idle shards", n)
		}
		if s := m.Stats(); s.Held != 10_000 || s.Lost != 0 {
			t.Errorf("stats %+v", s)
		}
		shut(t, m)
		if got := tb.owners(); got[""] != 10_000 {
			t.Errorf("owners after the end %v", got)
		}
		verify(t, tb)
	})
}

func TestStopGivesLeasesBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(5)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		h := next(t, a)
		time.Sleep(time.Second)
		if tb.owners()["a"] != 5 {
			t.Fatalf("owners %v", tb.owners())
		}
		// The mapping drains: nobody calls Next, so what it has not is given back.
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := a.Next(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("Next: %v", err)
		}
		time.Sleep(20 * time.Second)
		if got := tb.owners(); got["a"] != 1 || got[""] != 4 {
			t.Errorf("owners while draining %v", got)
		}
		if err := h.Commit(t.Context(), at(1), nil); err != nil {
			t.Errorf("commit while draining: %v", err)
		}
		if err := h.Release(t.Context()); err != nil {
			t.Error(err)
		}
		<-h.Lost()
		if err := h.Commit(t.Context(), at(2), nil); !errors.Is(err, sources.ErrLost) {
			t.Errorf("commit after the release: %v", err)
		}
		shut(t, a)
		if got := tb.owners(); got[""] != 5 {
			t.Errorf("owners after the end %v", got)
		}
	})
}

func TestCloseIsBounded(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(5)
		var frozen bool
		tb.plan = func(call) fault {
			if frozen {
				return hang
			}
			return none
		}
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		next(t, a)
		time.Sleep(time.Second)
		frozen = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		if err := a.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v", err)
		}
		if took := time.Since(began); took != time.Second {
			t.Errorf("Close took %v", took)
		}
	})
}

func TestMaxLeases(t *testing.T) {
	bubble(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(10)
		small := testOptions("a")
		small.MaxLeases = 2
		a := startReader(t, tb.worker("a"), r, small, 0)
		b := startReader(t, tb.worker("b"), r, testOptions("b"), 0)
		time.Sleep(2 * time.Minute)
		if a.holds() != 2 || b.holds() != 8 {
			t.Errorf("%d and %d of 10, the first may have 2", a.holds(), b.holds())
		}
		a.stop(t)
		b.stop(t)
	})
}

func TestOptionsAreRefused(t *testing.T) {
	t.Parallel()
	_, err := New(nil, nil, Options{Duration: 1, ListInterval: 1, MaxLeases: -1})
	for _, name := range []string{"Duration", "ListInterval", "MaxLeases", "Start"} {
		if err == nil || !strings.Contains(err.Error(), name+": ") {
			t.Errorf("%s is not refused: %v", name, err)
		}
	}
	_, err = New(nil, nil, Options{Start: checkpoint.Position{Sequence: checkpoint.AtTimestamp}})
	if err == nil {
		t.Error("AT_TIMESTAMP without a timestamp is not refused")
	}
}

func manager(t *testing.T, store checkpoint.Store, r *river, options Options) *Manager {
	t.Helper()
	m, err := New(store, r.list, options)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// next waits for a lease, for at most three minutes.
func next(t *testing.T, m *Manager) *Held {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	h, err := m.Next(ctx)
	if err != nil {
		t.Fatalf("Next: %v", err)
	}
	return h
}

func shut(t *testing.T, m *Manager) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := m.Close(ctx); err != nil {
		t.Errorf("Close: %v", err)
	}
}
