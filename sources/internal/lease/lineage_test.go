package lease

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

func TestSplitAndMergeWhileRunning_KIN66(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(2)
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		one, two := next(t, a), next(t, a)
		if err := two.Commit(t.Context(), at(1), nil); err != nil { // a parent that has begun is waited for too
			t.Fatal(err)
		}
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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

// Two workers began with a stream at once, each at a moment of its own, and died before
// all shards had leases. Those that are left begin at the earlier moment (P16).
func TestStartThatWasCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(3)
		first := time.Now()
		for i, id := range []string{"s000", "s001"} {
			position := checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: first.Add(time.Duration(i) * time.Second)}
			if err := tb.worker("dead").Create(t.Context(), checkpoint.Lease{Shard: id, Position: position}); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		options := testOptions("a")
		options.Start.Sequence = checkpoint.Latest
		a := manager(t, tb.worker("a"), r, options)
		time.Sleep(time.Second)
		if p := tb.lease("s002").Position; p.Sequence != checkpoint.AtTimestamp || !p.Timestamp.Equal(first) {
			t.Errorf("the shard without a lease begins at %+v, want %v", p, first)
		}
		shut(t, a)
		verify(t, tb)
	})
}

func TestChildrenBeginAtTheStartsTimestamp_KIN68(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
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
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		r.shards["c"] = Shard{ID: "c", Parents: []string{"s000"}, Open: true}
		options := testOptions("a")
		options.Start.Sequence = checkpoint.Latest
		began := time.Now()
		a := manager(t, tb.worker("a"), r, options)
		time.Sleep(500 * time.Millisecond)
		r.add("c", "s000") // now the parent is closed, which was open at the start
		h := next(t, a)
		if p := h.Lease().Position; h.Shard() != "s000" || p.Sequence != checkpoint.AtTimestamp || !p.Timestamp.Equal(began) {
			t.Errorf("begins with %s at %+v", h.Shard(), p)
		}
		if l := tb.lease("c"); l.Position.Sequence != checkpoint.TrimHorizon || !slices.Equal(l.Parents, []string{"s000"}) {
			t.Errorf("lease of the child %+v", l)
		}
		if r.count() != 3 {
			t.Errorf("%d lists, want one that is wrong, one more, and that of the start", r.count())
		}
		if err := h.End(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if h := next(t, a); h.Shard() != "c" {
			t.Errorf("goes on with %s", h.Shard())
		}
		shut(t, a)
		verify(t, tb)
	})
}

func TestHolesInTheFirstList_KIN72(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(0)
		half := "170141183460469231731687303715884105728"
		last := "340282366920938463463374607431768211455"
		r.shards["a"] = Shard{ID: "a", Open: true, StartingHashKey: "0", EndingHashKey: half}
		a := manager(t, tb.worker("a"), r, testOptions("a"))
		began := time.Now()
		h := next(t, a)
		if took := time.Since(began); took < 3*time.Second || r.count() != 4 {
			t.Errorf("a list with a hole is used after %v and %d lists", took, r.count())
		}
		if l := h.Lease(); l.EndingHashKey != half {
			t.Errorf("lease %+v", l)
		}
		shut(t, a)
		if whole([]Shard{r.shards["a"], {Open: true, StartingHashKey: half, EndingHashKey: last}}) != true {
			t.Error("a whole list is taken for one with holes")
		}
	})
}

// TestShardThatIsSplitBeforeTheFirstList has the stream change while it cannot be
// listed yet (KIN-69, P16).
func TestShardThatIsSplitBeforeTheFirstList(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(1)
		time.Sleep(time.Minute)
		r.add("s001", "s000") // before the start
		time.Sleep(time.Minute)
		options := testOptions("a")
		options.Start.Sequence = checkpoint.Latest
		began := time.Now()
		r.fail(errFault)
		a := manager(t, tb.worker("a"), r, options)
		time.Sleep(time.Minute)
		r.add("x", "s001")
		r.add("y", "x")
		r.fail(nil)
		for _, want := range []string{"s001", "x", "y"} {
			h := next(t, a)
			l := h.Lease()
			pinned := l.Position.Sequence == checkpoint.AtTimestamp && l.Position.Timestamp.Equal(began)
			if h.Shard() != want || pinned != (want == "s001") || !pinned && l.Position.Sequence != checkpoint.TrimHorizon {
				t.Errorf("%s at %+v, want %s", h.Shard(), l.Position, want)
			}
			if err := h.End(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		if l := tb.lease("s000"); l.Shard != "" {
			t.Errorf("what was closed before the start has a lease: %+v", l)
		}
		shut(t, a)
		verify(t, tb)
	})
}

// TestRelativeRowsAreFixed has the rows of the Kinesis Client Library mean one place
// for everybody.
func TestRelativeRowsAreFixed_P16(t *testing.T) {
	t.Parallel()
	moment := time.Date(1999, 12, 31, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		row   string
		start checkpoint.Position
		want  func(began time.Time) checkpoint.Position
	}{
		"LATEST": {
			checkpoint.Latest, checkpoint.Position{Sequence: checkpoint.Latest},
			func(began time.Time) checkpoint.Position {
				return checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: began}
			},
		},
		"LATEST with another start": {
			checkpoint.Latest, checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: moment},
			func(began time.Time) checkpoint.Position {
				return checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: began}
			},
		},
		"AT_TIMESTAMP": {
			checkpoint.AtTimestamp, checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: moment},
			func(time.Time) checkpoint.Position {
				return checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: moment}
			},
		},
		"AT_TIMESTAMP with another start": {
			checkpoint.AtTimestamp, checkpoint.Position{Sequence: checkpoint.Latest},
			func(time.Time) checkpoint.Position { return checkpoint.Position{Sequence: checkpoint.TrimHorizon} },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tb, r := newTable(), newRiver(2)
				for _, id := range []string{"s000", "s001"} {
					l := checkpoint.Lease{Shard: id, Owner: "kcl", Counter: 7, Position: checkpoint.Position{Sequence: test.row}}
					if err := tb.worker("kcl").Create(t.Context(), l); err != nil {
						t.Fatal(err)
					}
				}
				options := testOptions("a")
				options.Start = test.start
				want := test.want(time.Now())
				a := manager(t, tb.worker("a"), r, options)
				time.Sleep(time.Second)
				for _, id := range []string{"s000", "s001"} { // before anybody reads them
					if l := tb.lease(id); !l.Position.Equal(want) || l.Owner != "kcl" {
						t.Errorf("lease %+v, want it at %+v", l, want)
					}
				}
				options.Worker = "b"
				time.Sleep(5 * time.Second)
				b := manager(t, tb.worker("b"), r, options)
				for _, m := range []*Manager{a, b} {
					if p := next(t, m).Lease().Position; !p.Equal(want) {
						t.Errorf("taken at %+v, want %+v", p, want)
					}
				}
				shut(t, a)
				shut(t, b)
				verify(t, tb)
			})
		})
	}
}

// TestStartsThatMeet has two workers find a stream without leases (KIN-50, P16).
func TestStartsThatMeet(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(8)
		options := testOptions("a")
		options.Start.Sequence = checkpoint.Latest
		began := time.Now()
		a := manager(t, tb.worker("a"), r, options)
		time.Sleep(time.Millisecond)
		options.Worker = "b"
		b := manager(t, tb.worker("b"), r, options)
		pins := make(map[string]checkpoint.Position)
		for range 60 {
			time.Sleep(time.Second)
			for _, id := range r.ids() {
				p := tb.lease(id).Position
				if was, known := pins[id]; known && !p.Equal(was) {
					t.Errorf("%s was at %+v and is at %+v", id, was, p)
				}
				if p.Sequence != checkpoint.AtTimestamp || p.Timestamp.Before(began) || p.Timestamp.After(began.Add(time.Millisecond)) {
					t.Errorf("%s at %+v", id, p)
				}
				pins[id] = p
			}
		}
		if n := tb.count("Create"); n > 16 {
			t.Errorf("%d leases were created", n)
		}
		shut(t, a)
		shut(t, b)
		verify(t, tb)
	})
}

// TestLateChild has a shard end whose children the service lists only some time later: they
// do not wait for the next list of the usual interval, and a shard without children costs a
// few lists only (DDB-28, DDB-31).
func TestLateChild(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tb, r := newTable(), newRiver(2)
		options := testOptions("a")
		options.ListInterval = 10 * time.Minute
		m := manager(t, tb.worker("a"), r, options)
		one, two := next(t, m), next(t, m)
		time.Sleep(time.Minute)
		r.forget()
		if err := one.End(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		r.add("late", one.Shard())
		began := time.Now()
		h := next(t, m)
		if took := time.Since(began); h.Shard() != "late" || took > 5*time.Second {
			t.Errorf("%s was found after %v", h.Shard(), took)
		}
		r.forget()
		if err := two.End(t.Context(), nil); err != nil { // the last of its lineage
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		const usual, more = 6, 12
		if n := r.count(); n > usual+more {
			t.Errorf("%d lists in an hour", n)
		}
		shut(t, m)
		verify(t, tb)
	})
}
