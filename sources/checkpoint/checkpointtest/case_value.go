package checkpointtest

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

func valueCases() []testCase {
	return []testCase{
		{"RoundTrip", "every field comes back as it was written, by Create and by Update", roundTrip, false},
		{"TimesAreUTC", "a Timestamp comes back in UTC, to the nanosecond; none comes back as the zero time", timesAreUTC, false},
		{"KeepsNothing", "slices given to the store belong to the caller", keepsNothing, false},
		{"GivesCopies", "slices that the store returns belong to the caller", givesCopies, false},
	}
}

// variants are changes of a full lease, each to a value that a store might
// mistake.
func variants() map[string]func(l *checkpoint.Lease) {
	type lease = checkpoint.Lease
	return map[string]func(l *lease){
		"full":                 func(*lease) {},
		"empty":                func(l *lease) { *l = lease{Shard: l.Shard} },
		"NoOwner":              func(l *lease) { l.Owner = "" },
		"NoStream":             func(l *lease) { l.Stream = "" },
		"StrangeOwner":         func(l *lease) { l.Owner = " wörker \"1\"\n/\\\t\u2028 " },
		"CounterZero":          func(l *lease) { l.Counter = 0 },
		"CounterLargest":       func(l *lease) { l.Counter = math.MaxInt64 - 1 },
		"TrimHorizon":          func(l *lease) { l.Position = checkpoint.Position{Sequence: checkpoint.TrimHorizon} },
		"Latest":               func(l *lease) { l.Position = checkpoint.Position{Sequence: checkpoint.Latest} },
		"ShardEnd":             func(l *lease) { l.Position = checkpoint.Position{Sequence: checkpoint.ShardEnd} },
		"AtTimestamp":          func(l *lease) { l.Position.Sequence, l.Position.SubSequence = checkpoint.AtTimestamp, 0 },
		"NoPosition":           func(l *lease) { l.Position = checkpoint.Position{} },
		"SequenceZero":         func(l *lease) { l.Position.Sequence = "0" },
		"SequenceLongest":      func(l *lease) { l.Position.Sequence = strings.Repeat("9876543210", 13)[:129] },
		"SubSequenceLargest":   func(l *lease) { l.Position.SubSequence = math.MaxInt64 },
		"TimestampNone":        func(l *lease) { l.Position.Timestamp = time.Time{} },
		"TimestampEpoch":       func(l *lease) { l.Position.Timestamp = time.Unix(0, 0) },
		"TimestampOld":         func(l *lease) { l.Position.Timestamp = time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC) },
		"TimestampFar":         func(l *lease) { l.Position.Timestamp = time.Date(9999, 12, 31, 23, 59, 59, 999999999, time.UTC) },
		"TimestampZone":        func(l *lease) { l.Position.Timestamp = l.Position.Timestamp.In(time.FixedZone("X", -5*3600-1800)) },
		"NoCheckpointOwner":    func(l *lease) { l.CheckpointOwner = "" },
		"OneParent":            func(l *lease) { l.Parents = l.Parents[:1] },
		"NoParents":            func(l *lease) { l.Parents = nil },
		"EmptyParents":         func(l *lease) { l.Parents = []string{} },
		"ManyChildren":         func(l *lease) { l.Children = append(l.Children, "c", "d", "e") },
		"NoChildren":           func(l *lease) { l.Children = nil },
		"NoHashKeys":           func(l *lease) { l.StartingHashKey, l.EndingHashKey = "", "" },
		"NoWindow":             func(l *lease) { l.Window = nil },
		"EmptyWindow":          func(l *lease) { l.Window = []byte{} },
		"WindowOfZeros":        func(l *lease) { l.Window = make([]byte, 3) },
		"WindowOfLines":        func(l *lease) { l.Window = []byte("\n\r\n\n") },
		"WindowOfAllBytes":     func(l *lease) { l.Window = allBytes() },
		"WindowOf100Kilobytes": func(l *lease) { l.Window = bytes.Repeat(allBytes(), 400) },
	}
}

func allBytes() []byte {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	return all
}

func roundTrip(p *probe) {
	changes := variants()
	want := make([]checkpoint.Lease, 0, 2*len(changes)+4)
	for name, change := range changes {
		created := full("created-" + name)
		change(&created)
		p.create(created)
		last := full("updated-" + name)
		p.create(last)
		next := last.Clone()
		change(&next)
		p.update(last, next)
		want = append(want, created, next)
	}
	for _, shard := range []string{
		"shardId-00000001414562045508-2bac9cd2", "with space and /", "Ünïcode ✓", strings.Repeat("k", 1024),
	} {
		lease := full(shard)
		p.create(lease)
		want = append(want, lease)
	}
	p.holds("after Create and Update", want...)

	// what came back must do as the last one of the next write
	for _, lease := range p.leases() {
		p.update(lease, lease)
		p.remove(lease)
	}
	p.holds("after Delete")
}

func timesAreUTC(p *probe) {
	at := time.Date(2026, time.July, 1, 12, 0, 0, 987654321, time.FixedZone("X", 7200))
	a, b := full("a"), full("b")
	a.Position.Timestamp, b.Position.Timestamp = at, time.Time{}
	p.create(a)
	p.create(b)
	for _, lease := range p.leases() {
		got := lease.Position.Timestamp
		if lease.Shard == "a" && (!got.Equal(at) || got.Location() != time.UTC) {
			p.brokenf("%v came back as %v, want %v", at, got, at.UTC())
		}
		if lease.Shard == "b" && !got.IsZero() {
			p.brokenf("no time came back as %v", got)
		}
	}
}

// scribble writes over every slice of the lease.
func scribble(l *checkpoint.Lease) {
	for _, list := range [][]string{l.Parents, l.Children} {
		for i := range list {
			list[i] = "scribbled"
		}
	}
	for i := range l.Window {
		l.Window[i] = '!'
	}
}

func keepsNothing(p *probe) {
	created, last := full("created"), full("updated")
	p.create(created)
	p.create(last)
	next := renewed(last)
	p.update(last, next)
	scribble(&created)
	scribble(&last)
	scribble(&next)
	want := full("created")
	p.holds("after the slices were used again", want, renewed(full("updated")))

	// a store may reuse what it has, but not what it was given
	second := renewed(want)
	second.Window = []byte("longer than the one before, or so it is hoped")
	p.update(want, second)
	kept := second.Clone()
	third := renewed(second)
	third.Window = []byte("short")
	p.update(second, third)
	if !second.Equal(kept) {
		p.brokenf("Update wrote into the slices of an earlier Update")
	}
}

func givesCopies(p *probe) {
	a := full("a")
	p.create(a)
	first := p.leases()
	for i := range first {
		scribble(&first[i])
	}
	a = full("a")
	p.holds("after the slices of an earlier Leases were used again", a)
	before := p.leases()
	kept := slices.Clone(before)
	for i := range kept {
		kept[i] = kept[i].Clone()
	}
	next := renewed(a)
	next.Window = []byte("another window ...")
	next.Parents = []string{"p", "q"}
	p.update(a, next)
	for i := range before {
		if !before[i].Equal(kept[i]) {
			p.brokenf("Update wrote into a lease that Leases returned before")
		}
	}
}
