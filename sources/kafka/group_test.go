//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// eachProtocolInBubbles is eachProtocol, each in virtual time.
func eachProtocolInBubbles(t *testing.T, test func(t *testing.T, vary func(*kafka.Options))) {
	t.Helper()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		synctest.Test(t, func(t *testing.T) { test(t, vary) })
	})
}

// awaitMembers waits until the group has so many members, all of whom have their
// partitions.
func (w *world) awaitMembers(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := w.cluster.WaitGroupStable(ctx, "g", n)
	if err != nil {
		w.t.Fatalf("group of %d: %v: %+v", n, err, w.cluster.GroupInfo("g"))
	}
}

// awaitShares waits until the members of the group have all partitions, each as many as
// the others but for one: nothing is on its way between them any more, as it may be
// while a group is stable.
func (w *world) awaitShares(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := w.cluster.WaitGroupInfo(ctx, "g", func(g *kfake.GroupInfo) bool {
		if g == nil || len(g.Members) != n || g.NumAssigned() != w.partitions {
			return false
		}
		least, most := w.partitions, 0
		for i := range g.Members {
			least, most = min(least, g.Members[i].NumAssigned()), max(most, g.Members[i].NumAssigned())
		}
		return most-least <= 1
	})
	if err != nil {
		w.t.Fatalf("shares of %d members: %v: %+v", n, err, w.cluster.GroupInfo("g"))
	}
}

// A member that joins gets partitions whose running batches were settled before, so
// that nothing is handled twice (KAF-40, KAF-41).
func TestRebalanceSettlesBefore_KAF41(t *testing.T) {
	t.Parallel()
	eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		const partitions, records = 4, 2000
		w := newVirtualWorld(t, partitions)
		for p := range partitions {
			w.send(p, 0, records)
		}
		options := w.options("g")
		vary(&options)
		seen := newLedger()
		slow := func(_ context.Context, batch []sources.Record) (esm.Response, error) {
			<-time.After(5 * time.Millisecond)
			seen.add(batch)
			return esm.Response{}, nil
		}
		first := start(t, options, unwindowed, slow)
		first.seen.await(t, 50)
		second := start(t, options, unwindowed, slow)
		w.awaitMembers(2)
		seen.await(t, partitions*records)
		second.seen.await(t, 1)
		for _, m := range []*member{first, second} {
			if err := m.stop(); err != nil {
				t.Error(err)
			}
		}
		seen.wantOnce(t, partitions, records)
	})
}

// While a batch runs the rebalance waits for it; and the other partitions go on (KAF-41, KAF-187).
func TestRevokeWaitsForTheBatch(t *testing.T) {
	t.Parallel()
	eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		const partitions = 2
		w := newVirtualWorld(t, partitions)
		w.send(0, 0, 5)
		w.send(1, 0, 5)
		options := w.options("g")
		vary(&options)
		g := newGate()
		first := start(t, options, unwindowed, func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			return esm.Response{}, g.pass(ctx)
		})
		g.await(t)
		g.await(t)
		second := start(t, options, unwindowed, nil)

		// Both batches are held, so the second gets nothing.
		w.until("the second has joined", func() bool { return len(w.cluster.GroupInfo("g").Members) == 2 })
		if n := second.seen.total(); n != 0 {
			t.Errorf("the second member handled %d records of batches that the first was handling", n)
		}
		g.release()
		w.awaitShares(2)
		w.send(0, 5, 10)
		w.send(1, 5, 10)
		second.seen.await(t, 5)
		first.seen.await(t, 15)
		if n := first.seen.total() + second.seen.total(); n != 20 {
			t.Errorf("%d records were handled, want 20", n)
		}
	})
}

// A batch that takes longer than RevokeTimeout is cancelled, not committed, and the
// next owner handles it.
func TestRevokeTimeout(t *testing.T) {
	t.Parallel()
	eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		w := newVirtualWorld(t, 2)
		w.send(0, 0, 5)
		w.send(1, 0, 5)
		options := w.options("g")
		vary(&options)
		options.RevokeTimeout = 200 * time.Millisecond
		g := newGate()
		var cause atomic.Value
		start(t, options, unwindowed, func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			err := g.pass(ctx)
			if err != nil {
				cause.Store(err)
			}
			return esm.Response{}, err
		})
		g.await(t)
		g.await(t)
		second := start(t, options, unwindowed, nil)
		second.seen.await(t, 5)
		w.until("the handler is cancelled", func() bool { return cause.Load() != nil })
		if err, _ := cause.Load().(error); !errors.Is(err, sources.ErrLost) {
			t.Errorf("the handler was cancelled with %v", err)
		}
		g.release()
	})
}

// What a member had on its way that the group has thrown out is not committed, and is
// handled again by who has its partitions next (KAF-40, KAF-41).
func TestLostPartitions(t *testing.T) {
	t.Parallel()
	eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		options := w.options("g")
		vary(&options)
		g := newGate()
		var cause atomic.Value
		m := start(t, options, unwindowed, func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			err := g.pass(ctx)
			if err != nil {
				cause.CompareAndSwap(nil, err)
			}
			return esm.Response{}, err
		})
		g.await(t)
		back, err := w.steal(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		w.until("the handler is cancelled", func() bool { return cause.Load() != nil })
		if err := cause.Load().(error); !errors.Is(err, sources.ErrLost) {
			t.Errorf("the handler was cancelled with %v", err)
		}
		if at, ok := w.committed("g")[0]; ok {
			t.Errorf("committed %d of a batch that was cancelled", at)
		}
		g.release()
		if err := back(t.Context()); err != nil {
			t.Fatal(err)
		}
		m.seen.await(t, 5)
	})
}

// A member that stops leaves the group at once, and what it has not begun is the
// others'.
func TestStopLeavesTheGroup_KAF39(t *testing.T) {
	t.Parallel()
	eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		const partitions, records = 4, 100
		w := newVirtualWorld(t, partitions)
		options := w.options("g")
		vary(&options)
		seen := newLedger()
		handle := func(_ context.Context, batch []sources.Record) (esm.Response, error) {
			seen.add(batch)
			return esm.Response{}, nil
		}
		first, second := start(t, options, unwindowed, handle), start(t, options, unwindowed, handle)
		w.awaitShares(2)
		for p := range partitions {
			w.send(p, 0, records/2)
		}
		first.seen.await(t, 1)
		if err := first.stop(); err != nil {
			t.Error(err)
		}
		for p := range partitions {
			w.send(p, records/2, records)
		}
		seen.await(t, partitions*records)
		if err := second.stop(); err != nil {
			t.Error(err)
		}
		seen.wantOnce(t, partitions, records)
		for p, at := range w.committed("g") {
			if at != records {
				t.Errorf("partition %d: committed %d", p, at)
			}
		}
	})
}

// A static member that comes back within the session timeout has its partitions
// without a rebalance.
func TestStaticMembership(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		options, other := w.options("g"), w.options("g")
		options.InstanceID, other.InstanceID = "one", "two"
		first, second := start(t, options, unwindowed, nil), start(t, other, unwindowed, nil)
		w.awaitShares(2)
		w.send(0, 0, 5)
		w.send(1, 0, 5)
		w.until("all is handled", func() bool { return first.seen.total()+second.seen.total() == 10 })
		mine := slices.Collect(maps.Keys(first.seen.sizes()))
		if err := first.stop(); err != nil {
			t.Error(err)
		}
		if n := len(w.cluster.GroupInfo("g").Members); n != 2 {
			t.Errorf("the group has %d members while one of two is away", n)
		}
		w.send(0, 5, 10)
		w.send(1, 5, 10)
		again := start(t, options, unwindowed, nil)
		again.seen.await(t, 5)
		if n := second.seen.total(); n != 10 {
			t.Errorf("the other member handled %d records, want its own 10", n)
		}
		if got := slices.Collect(maps.Keys(again.seen.sizes())); !slices.Equal(got, mine) {
			t.Errorf("it came back to %v, had %v", got, mine)
		}
	})
}

// A slow partition holds up no other (P6), and the client's session lives on however
// long its handler takes (KAF-187).
func TestSlowPartition_KAF187(t *testing.T) {
	t.Parallel()
	const records = 5000
	for _, size := range []int{10, 2000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 2)
				options := w.options("g")
				g := newGate()
				m := start(t, options, unwindowed, func(ctx context.Context, batch []sources.Record) (esm.Response, error) {
					if partitionOf(&batch[0]) == "orders-0" {
						return esm.Response{}, g.pass(ctx)
					}
					return esm.Response{}, nil
				})
				w.fill(0, records, size)
				g.await(t)
				w.fill(1, records, size)
				m.seen.await(t, records)
				g.release()
				m.seen.await(t, 2*records)
				if err := m.stop(); err != nil {
					t.Error(err)
				}
				m.seen.wantOnce(t, 2, records)
			})
		})
	}
}
