package lease

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
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
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { fairShares(t, workers, shards) })
			})
		}
	}
}

func fairShares(t *testing.T, workers, shards int) {
	t.Helper()
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
		if n := x.holds(); n*workers <= shards-workers || n*workers >= shards+workers {
			t.Errorf("worker %d holds %d of %d shards, owners %v", i, n, shards, tb.owners())
		}
	}
	lost := 0
	for _, x := range all {
		lost += x.losses()
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	for _, x := range all {
		lost -= x.losses()
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
		if got := tb.lease("s000").Position; place(got) <= place(before) || !begun(checkpoint.Lease{Position: before}) {
			t.Errorf("position %v before, %v after", before, got)
		}
		b.stop(t)
		verify(t, tb)
	})
}

func TestExclusiveStore(t *testing.T) {
	t.Parallel()
	const shards = 10_000 / slower
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(shards)
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
		for range shards {
			next(t, m)
		}
		calls := tb.count("Update") + tb.count("Leases")
		time.Sleep(10 * time.Minute)
		if n := tb.count("Update") + tb.count("Leases") - calls; n > 12 {
			t.Errorf("%d calls in 10 minutes of idle shards", n)
		}
		if s := m.Stats(); s.Held != shards || s.Lost != 0 {
			t.Errorf("stats %+v", s)
		}
		shut(t, m)
		if got := tb.owners(); got[""] != shards {
			t.Errorf("owners after the end %v", got)
		}
		verify(t, tb)
	})
}

func TestStopGivesLeasesBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(5)
		var frozen atomic.Bool
		tb.plan = func(call) fault {
			if frozen.Load() {
				return hang
			}
			return none
		}
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		next(t, a)
		time.Sleep(time.Second)
		frozen.Store(true)
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
