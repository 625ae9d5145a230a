package lease

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// picture is a stream with leases, as bytes of a fuzzer draw it.
type picture struct {
	shards []Shard
	leases []checkpoint.Lease
	all    []Shard // listed or not
}

var pin = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// draw takes two bytes a shard: parents among the shards before it, and flags.
// Lists and leases are free: also such as should not occur.
func draw(data []byte) picture {
	var p picture
	for i := 0; i+1 < len(data) && len(p.all) < 9; i += 2 {
		n := len(p.all)
		s := Shard{ID: fmt.Sprint("s", n)}
		for _, back := range []byte{data[i] & 15, data[i] >> 4} {
			if id := fmt.Sprint("s", n-int(back)); back > 0 && int(back) <= n && !slices.Contains(s.Parents, id) {
				s.Parents = append(s.Parents, id)
			}
		}
		flags := data[i+1]
		s.Open = flags&1 != 0
		p.all = append(p.all, s)
		if flags&2 == 0 {
			p.shards = append(p.shards, s)
		}
		l := s.lease(checkpoint.Position{Sequence: checkpoint.TrimHorizon})
		switch flags >> 2 & 7 {
		case 0, 1, 2, 3:
			continue
		case 4:
		case 5:
			l.Position = checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: pin.Add(-time.Duration(n))}
		case 6:
			l.Position = at(1)
		case 7:
			l.Position.Sequence = checkpoint.ShardEnd
		}
		if flags&32 != 0 {
			l.Parents = nil
		}
		p.leases = append(p.leases, l)
	}
	return p
}

func (p *picture) listed(id string) bool {
	return slices.ContainsFunc(p.shards, func(s Shard) bool { return s.ID == id })
}

func (p *picture) lease(id string) (checkpoint.Lease, bool) {
	for _, l := range p.leases {
		if l.Shard == id {
			return l, true
		}
	}
	return checkpoint.Lease{}, false
}

// children are those that the list or a lease tells of.
func (p *picture) children(id string) (all []string) {
	for _, s := range p.shards {
		if slices.Contains(s.Parents, id) {
			all = append(all, s.ID)
		}
	}
	for _, l := range p.leases {
		if slices.Contains(l.Parents, id) && !slices.Contains(all, l.Shard) {
			all = append(all, l.Shard)
		}
	}
	return all
}

// covered by the letter: along some line of descent without leases there comes a
// shard that has one and does not wait for the shard before it.
func (p *picture) covered(id string) bool {
	for _, child := range p.children(id) {
		if l, ok := p.lease(child); ok {
			if !slices.Contains(l.Parents, id) || begun(l) {
				return true
			}
		} else if p.covered(child) {
			return true
		}
	}
	return false
}

// forebears are all shards that a listed one descends from, as far as listed.
func (p *picture) forebears(s Shard) (all []string) {
	for _, id := range s.Parents {
		all = append(all, id)
		for _, parent := range p.shards {
			if parent.ID == id {
				all = append(all, p.forebears(parent)...)
			}
		}
	}
	return all
}

func (p *picture) ready(l checkpoint.Lease) bool {
	for _, id := range l.Parents {
		parent, leased := p.lease(id)
		done := leased && parent.Position.Ended() || !leased && (!p.listed(id) || p.covered(id))
		if !done && !begun(l) {
			return false
		}
	}
	return true
}

// FuzzSync holds the rules against their letter, and follows a stream: leases
// are created, ready ones are read to their end, needless ones are deleted, until
// nothing moves. Then everything was read, once, and parents before children.
func FuzzSync(f *testing.F) {
	f.Add([]byte{0, 1}, byte(0))
	f.Add([]byte{0, 0, 1, 1, 2, 1}, byte(1))
	f.Add([]byte{0, 28, 1, 16, 2, 1, 0x21, 1}, byte(2))
	f.Add([]byte{0, 0, 0, 1, 0x12, 25, 1, 0}, byte(1))
	f.Add([]byte{0, 30, 1, 17, 2, 17}, byte(0))   // ended and listed no more, its children not begun
	f.Add([]byte{0, 0, 0, 29, 0x12, 17}, byte(0)) // a merge child, one parent without a lease
	f.Fuzz(func(t *testing.T, data []byte, mode byte) {
		p := draw(data)
		start := []checkpoint.Position{
			{Sequence: checkpoint.TrimHorizon}, {Sequence: checkpoint.Latest}, {Sequence: checkpoint.AtTimestamp, Timestamp: pin},
		}[mode%3]
		read := make(map[string]bool)
		for _, l := range p.leases {
			read[l.Shard] = l.Position.Ended()
		}
		g := newGraph(p.shards, p.leases)
		for _, l := range p.leases {
			if g.ready(l, true) != p.ready(l) {
				t.Fatalf("%s is ready: %v: %+v", l.Shard, !p.ready(l), p)
			}
		}
		spare := p
		spare.leases = slices.Clone(p.leases)
		deleteNeedless(t, &spare, g)
		for round := 0; ; round++ {
			g := newGraph(p.shards, p.leases)
			created := createMissing(t, &p, g, start)
			if start.Sequence == checkpoint.Latest {
				// A closed shard that nothing continues is read from the pin on.
				created = createMissing(t, &p, newGraph(p.shards, p.leases), start) || created
			}
			g = newGraph(p.shards, p.leases)
			if again := g.missing(start, pin); len(again) > 0 {
				t.Fatalf("missing twice: %v of %+v", again, p)
			}
			moved := readReady(t, &p, g, read)
			deleted := deleteNeedless(t, &p, newGraph(p.shards, p.leases))
			if !created && !moved && !deleted {
				break
			}
			if round > 50 {
				t.Fatalf("does not come to an end: %+v", p)
			}
		}
		for _, l := range p.leases {
			if !l.Position.Ended() {
				t.Errorf("never read to its end: %+v of %+v", l, p)
			}
		}
	})
}

func createMissing(t *testing.T, p *picture, g *graph, start checkpoint.Position) bool {
	t.Helper()
	first := len(p.leases) == 0
	before := *p
	before.leases = slices.Clone(p.leases)
	var ids []string
	for _, generation := range g.missing(start, pin) {
		for _, l := range generation {
			for _, id := range l.Parents {
				if _, there := p.lease(id); !there && p.listed(id) && !p.covered(id) {
					t.Fatalf("%s is created before its parent %s: %+v", l.Shard, id, before)
				}
			}
			checkPosition(t, &before, l, start)
		}
		p.leases = append(p.leases, generation...)
		for _, l := range generation {
			ids = append(ids, l.Shard)
		}
	}
	for _, s := range before.shards {
		_, leased := before.lease(s.ID)
		want := !leased && !before.covered(s.ID) && (s.Open || start.Sequence != checkpoint.Latest || !first)
		if want != slices.Contains(ids, s.ID) {
			t.Fatalf("%s is created: %v, want %v: %+v", s.ID, !want, want, before)
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == s.ID })
	}
	if len(ids) > 0 {
		t.Fatalf("created twice, or without being listed: %v", ids)
	}
	return len(p.leases) > len(before.leases)
}

// checkPosition: nothing is lost by where a shard begins.
func checkPosition(t *testing.T, p *picture, l checkpoint.Lease, start checkpoint.Position) {
	t.Helper()
	kin := len(p.leases) == 0 && len(l.Parents) > 0 // of one that is read from the start on
	for _, s := range p.shards {
		if s.ID == l.Shard {
			kin = kin || slices.ContainsFunc(p.forebears(s), func(id string) bool { _, ok := p.lease(id); return ok })
		}
	}
	switch at := l.Position; {
	case start.Sequence != checkpoint.Latest && at != start,
		start.Sequence == checkpoint.Latest && kin && at.Sequence != checkpoint.TrimHorizon, // KIN-68
		start.Sequence == checkpoint.Latest && !kin && (at.Sequence != checkpoint.AtTimestamp || at.Timestamp.After(pin)):
		t.Fatalf("%s begins at %v: %+v", l.Shard, at, p)
	}
}

func readReady(t *testing.T, p *picture, g *graph, read map[string]bool) (moved bool) {
	t.Helper()
	before := *p
	before.leases = slices.Clone(p.leases)
	for i, l := range before.leases {
		if g.ready(l, true) != before.ready(l) {
			t.Fatalf("%s is ready: %v: %+v", l.Shard, !before.ready(l), before)
		}
		if l.Position.Ended() || !g.ready(l, true) {
			continue
		}
		if read[l.Shard] {
			t.Fatalf("%s is read again: %+v", l.Shard, before)
		}
		read[l.Shard], moved = true, true
		p.leases[i].Position = checkpoint.Position{Sequence: checkpoint.ShardEnd}
		p.leases[i].Children = before.children(l.Shard)
	}
	return moved
}

func deleteNeedless(t *testing.T, p *picture, g *graph) bool {
	t.Helper()
	needless := g.needless()
	for _, l := range needless {
		if p.listed(l.Shard) || !l.Position.Ended() {
			t.Fatalf("deleted: %+v of %+v", l, p)
		}
		for _, id := range append(p.children(l.Shard), l.Children...) {
			if child, ok := p.lease(id); ok && !begun(child) || !ok && p.listed(id) {
				t.Fatalf("deleted before its child %s began: %+v of %+v", id, l, p)
			}
		}
	}
	p.leases = slices.DeleteFunc(p.leases, func(l checkpoint.Lease) bool {
		return slices.ContainsFunc(needless, func(x checkpoint.Lease) bool { return x.Shard == l.Shard })
	})
	return len(needless) > 0
}

// FuzzWhole cuts the hash keys at random places.
func FuzzWhole(f *testing.F) {
	f.Add([]byte{1, 128, 200}, byte(1), false)
	f.Add([]byte{}, byte(0), true)
	f.Fuzz(func(t *testing.T, cuts []byte, hole byte, closed bool) {
		slices.Sort(cuts)
		cuts = slices.DeleteFunc(slices.Compact(cuts), func(c byte) bool { return c == 0 })
		from := new(big.Int)
		var shards []Shard
		for i := range len(cuts) + 1 {
			to := new(big.Int).Lsh(big.NewInt(1), 128)
			if i < len(cuts) {
				to.Lsh(big.NewInt(int64(cuts[i])), 120)
			}
			last := new(big.Int).Sub(to, big.NewInt(1))
			shards = append(shards, Shard{ID: last.String(), Open: true, StartingHashKey: from.String(), EndingHashKey: last.String()})
			from = to
		}
		if !whole(shards) {
			t.Fatalf("a whole list has holes: %v", shards)
		}
		i := int(hole) % len(shards)
		shards[i].Open = !closed
		if whole(shards) == closed {
			t.Fatalf("shard %d closed %v: whole %v: %v", i, closed, !closed, shards)
		}
	})
}

func TestOldListSaysNothingOfParents_KIN70(t *testing.T) {
	t.Parallel()
	child := (&Shard{ID: "c", Parents: []string{"p"}}).lease(checkpoint.Position{Sequence: checkpoint.TrimHorizon})
	g := newGraph([]Shard{{ID: "other"}}, []checkpoint.Lease{child})
	if g.ready(child, false) || !g.ready(child, true) {
		t.Error("a list that is older than the lease makes it ready, or a newer one does not")
	}
}

// A list as long as this takes for ever if lines of descent are walked one by one.
func TestLongLineage(t *testing.T) {
	t.Parallel()
	var shards []Shard
	for i := range 5000 / slower {
		a, b := fmt.Sprintf("a%04d", i), fmt.Sprintf("b%04d", i)
		s, r := Shard{ID: a}, Shard{ID: b}
		if i > 0 {
			p := []string{fmt.Sprintf("a%04d", i-1), fmt.Sprintf("b%04d", i-1)}
			s.Parents, r.Parents = p, p
		}
		shards = append(shards, s, r)
	}
	shards[len(shards)-1].Open = true
	g := newGraph(shards, nil)
	if n := len(g.missing(checkpoint.Position{Sequence: checkpoint.TrimHorizon}, pin)); n != 5000/slower {
		t.Errorf("%d generations", n)
	}
}
