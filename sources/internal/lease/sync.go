package lease

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// graph is the shards and the leases of a stream at one moment, for the rules of
// this file. They are pure: they make no call and know no clock.
type graph struct {
	shards   map[string]Shard
	leases   map[string]checkpoint.Lease
	children map[string][]string // by parent, as shards and leases tell
	cover    map[string]bool     // answers of covered
	kin      map[string]bool     // answers of descends
	recent   map[string]bool     // shards that were open at the start or came later
}

func newGraph(shards []Shard, leases []checkpoint.Lease) *graph {
	g := &graph{
		shards:   make(map[string]Shard, len(shards)),
		leases:   make(map[string]checkpoint.Lease, len(leases)),
		children: make(map[string][]string),
		cover:    make(map[string]bool),
		kin:      make(map[string]bool),
		recent:   make(map[string]bool),
	}
	for _, s := range shards {
		g.shards[s.ID] = s
		for _, parent := range s.Parents {
			g.children[parent] = append(g.children[parent], s.ID)
		}
	}
	for _, l := range leases {
		g.leases[l.Shard] = l
		for _, parent := range l.Parents {
			if !slices.Contains(g.shards[l.Shard].Parents, parent) {
				g.children[parent] = append(g.children[parent], l.Shard)
			}
		}
	}
	return g
}

// begun reports whether something of the shard is settled, so that it waits for
// nobody any more.
func begun(l checkpoint.Lease) bool {
	switch l.Position.Sequence {
	case "", checkpoint.TrimHorizon, checkpoint.Latest, checkpoint.AtTimestamp:
		return false
	default:
		return true
	}
}

// covered reports whether the shard must not get a lease although it has none
// and is listed: a shard that continues it has begun, or was begun with instead
// of it. It was read then, and its lease deleted, or it lies before the start.
func (g *graph) covered(id string) bool {
	answer, known := g.cover[id]
	if known {
		return answer
	}
	g.cover[id] = false // ends a walk in a circle
	for _, child := range g.children[id] {
		l, leased := g.leases[child]
		if leased && (begun(l) || !slices.Contains(l.Parents, id)) || !leased && g.covered(child) {
			g.cover[id] = true
			return true
		}
	}
	return false
}

// ready reports whether a lease may be read: its parents are settled to their
// end (KIN-66, KIN-75). A parent without a lease counts as settled when it is
// listed no more (KIN-70) or covered. fresh says that the list was taken after
// the lease was there; an older one says nothing about its parents.
func (g *graph) ready(l checkpoint.Lease, fresh bool) bool {
	if begun(l) {
		return true
	}
	_, listed := g.shards[l.Shard]
	for _, id := range l.Parents {
		parent, leased := g.leases[id]
		_, known := g.shards[id]
		switch {
		case leased && parent.Position.Ended():
		case leased:
			return false
		case known && !g.covered(id):
			return false
		case !known && !listed && !fresh:
			return false
		}
	}
	return true
}

// missing returns the leases to create, parents in generations before their
// children: each generation is complete before the next one begins, so that a
// child never has a lease while a listed parent that it waits for has none.
//
// With Latest a stream without leases begins with the shards that were open at the
// moment pin (KIN-69), at that moment (KIN-50), and with those that came later. If there are leases, somebody may have been cut off
// while he began, so that a shard that is closed now was open then: everything
// that is not covered is read, from that moment on.
func (g *graph) missing(start checkpoint.Position, pin time.Time) [][]checkpoint.Lease {
	want := make(map[string]checkpoint.Lease)
	newest := start.Sequence == checkpoint.Latest && len(g.leases) == 0
	for id, s := range g.shards {
		_, leased := g.leases[id]
		if !leased && !g.covered(id) && (!newest || s.Open || g.recent[id]) {
			want[id] = s.lease(g.position(&s, start, pin))
		}
	}
	if newest {
		cut(want)
	}
	return generations(want)
}

// cut makes leases forget parents that are not read. Those of which one is read came
// after the start, so that all of them is read (KIN-68).
func cut(want map[string]checkpoint.Lease) {
	for id, l := range want {
		l.Parents = slices.DeleteFunc(slices.Clone(l.Parents), func(parent string) bool {
			_, wanted := want[parent]
			return !wanted
		})
		if len(l.Parents) > 0 {
			l.Position = checkpoint.Position{Sequence: checkpoint.TrimHorizon}
		}
		want[id] = l
	}
}

// position is where a shard without a lease begins. With Latest that is the
// earliest moment to which anybody pinned the start. If nobody knows that any
// more, it is everything: rather too much than a loss.
func (g *graph) position(s *Shard, start checkpoint.Position, pin time.Time) checkpoint.Position {
	switch {
	case start.Sequence != checkpoint.Latest:
		return start
	case g.descends(s):
		return childPosition(start)
	}
	pin = g.pinned(pin)
	if pin.IsZero() {
		return childPosition(start)
	}
	return checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: pin}
}

// pinned is the earliest moment to which anybody pinned the start, or pin.
func (g *graph) pinned(pin time.Time) time.Time {
	for _, l := range g.leases {
		at := l.Position.Timestamp
		if l.Position.Sequence == checkpoint.AtTimestamp && !at.IsZero() && (pin.IsZero() || at.Before(pin)) {
			pin = at
		}
	}
	return pin
}

// isRelative reports whether a position means another place to each reader: the
// Kinesis Client Library stores LATEST, and AT_TIMESTAMP without the time, which is in
// its configuration.
func isRelative(p checkpoint.Position) bool {
	return p.Sequence == checkpoint.Latest || p.Sequence == checkpoint.AtTimestamp && p.Timestamp.IsZero()
}

// fixed is the place of a relative position: the time that the start has, or for
// LATEST the earliest moment to which anybody pinned it. If nobody knows the time it is
// everything: rather too much than a loss.
func (g *graph) fixed(p, start checkpoint.Position, pin time.Time) checkpoint.Position {
	switch {
	case p.Sequence == checkpoint.Latest && start.Sequence == checkpoint.AtTimestamp:
		return checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: pin}
	case p.Sequence == checkpoint.Latest:
		return checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: g.pinned(pin)}
	default:
		return childPosition(start)
	}
}

// descends reports whether a forebear of the shard has a lease.
func (g *graph) descends(s *Shard) bool {
	answer, known := g.kin[s.ID]
	if known {
		return answer
	}
	g.kin[s.ID] = false // ends a walk in a circle
	for _, id := range s.Parents {
		parent, listed := g.shards[id]
		if _, leased := g.leases[id]; leased || listed && g.descends(&parent) {
			g.kin[s.ID] = true
			return true
		}
	}
	return false
}

// childPosition is where the child of a shard that was read begins (KIN-68).
func childPosition(start checkpoint.Position) checkpoint.Position {
	if start.Sequence == checkpoint.AtTimestamp {
		return start
	}
	return checkpoint.Position{Sequence: checkpoint.TrimHorizon}
}

// generations sorts leases: those without a parent among them first, then those
// whose parents came before.
func generations(want map[string]checkpoint.Lease) [][]checkpoint.Lease {
	var (
		all   [][]checkpoint.Lease
		depth = make(map[string]int, len(want))
		rank  func(id string) int
	)
	rank = func(id string) int { // its generation, from 1; 0 for none
		l, wanted := want[id]
		n, known := depth[id]
		if !wanted || known {
			return n
		}
		depth[id] = 1 // ends a walk in a circle
		for _, parent := range l.Parents {
			n = max(n, rank(parent))
		}
		depth[id] = n + 1
		return n + 1
	}
	for id, l := range want {
		n := rank(id)
		for len(all) < n {
			all = append(all, nil)
		}
		all[n-1] = append(all[n-1], l)
	}
	for _, generation := range all {
		byShard(generation)
	}
	return all
}

// byShard makes what follows the same in every run.
func byShard(leases []checkpoint.Lease) {
	slices.SortFunc(leases, func(a, b checkpoint.Lease) int { return cmp.Compare(a.Shard, b.Shard) })
}

// needless returns the leases to delete: of shards that were read to their end,
// that the service lists no more, and whose children have begun or are gone as
// well (KIN-73). What is listed keeps its lease, so that it is never taken for
// a new shard.
func (g *graph) needless() []checkpoint.Lease {
	var all []checkpoint.Lease
	for id, l := range g.leases {
		_, listed := g.shards[id]
		if l.Position.Ended() && !listed && g.continued(l) {
			all = append(all, l)
		}
	}
	byShard(all)
	return all
}

// continued reports whether every child of an ended shard has begun.
func (g *graph) continued(l checkpoint.Lease) bool {
	for _, children := range [][]string{l.Children, g.children[l.Shard]} {
		for _, id := range children {
			child, leased := g.leases[id]
			_, listed := g.shards[id]
			if leased && !begun(child) || !leased && listed {
				return false
			}
		}
	}
	return true
}

// doubtful says why a list should be taken again; "" for a good one. first is
// the very first one of a stream without leases.
func doubtful(shards []Shard, first bool) string {
	open := make(map[string]bool)
	for _, s := range shards {
		open[s.ID] = s.Open
	}
	for _, s := range shards {
		if s.Open && slices.ContainsFunc(s.Parents, func(id string) bool { return open[id] }) {
			return "an open shard has an open parent" // KIN-71
		}
	}
	if first && !whole(shards) {
		return "the open shards do not cover all hash keys" // KIN-72
	}
	return ""
}

// whole reports whether the open shards cover all hash keys from 0 to 2^128-1
// (KIN-78), or tell none.
func whole(shards []Shard) bool {
	const bits = 128
	type span struct{ from, to *big.Int }
	var spans []span
	for _, s := range shards {
		from, ok := new(big.Int).SetString(s.StartingHashKey, 10)
		to, also := new(big.Int).SetString(s.EndingHashKey, 10)
		switch {
		case !s.Open:
		case !ok || !also:
			return true
		default:
			spans = append(spans, span{from, to})
		}
	}
	slices.SortFunc(spans, func(a, b span) int { return a.from.Cmp(b.from) })
	next := new(big.Int) // first key that is not covered
	for _, s := range spans {
		if s.from.Cmp(next) > 0 {
			return false
		}
		if s.to.Cmp(next) >= 0 {
			next.Add(s.to, big.NewInt(1))
		}
	}
	return next.Cmp(new(big.Int).Lsh(big.NewInt(1), bits)) >= 0
}
