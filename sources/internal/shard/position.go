package shard

import (
	"cmp"
	"strings"

	"github.com/openesm/openesm/sources/checkpoint"
)

// From is the place to read on from: TrimHorizon, AtTimestamp with a time, or a sequence
// number. The record that was read last comes again, and is left out: it may have more
// inside than was read of it, and while it is there none behind it was trimmed (KIN-43,
// KIN-45).
func (p *Partition[R]) From() checkpoint.Position {
	switch at := p.read; {
	case at.Sequence == checkpoint.AtTimestamp && !at.Timestamp.IsZero():
		return checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: at.Timestamp}
	case IsMark(at):
		return checkpoint.Position{Sequence: checkpoint.TrimHorizon}
	default:
		return checkpoint.Position{Sequence: at.Sequence}
	}
}

// IsMark tells that a position is no place behind a record.
func IsMark(p checkpoint.Position) bool {
	switch p.Sequence {
	case "", checkpoint.TrimHorizon, checkpoint.Latest, checkpoint.AtTimestamp, checkpoint.ShardEnd:
		return true
	default:
		return false
	}
}

// behind reports whether position a lies behind b. A record lies behind every mark,
// and a mark behind nothing.
func behind(a, b checkpoint.Position) bool {
	switch {
	case IsMark(a):
		return false
	case IsMark(b):
		return true
	}
	return cmp.Or(CompareSequence(a.Sequence, b.Sequence), cmp.Compare(a.SubSequence, b.SubSequence)) > 0
}

// CompareSequence compares sequence numbers, which are decimal numbers of any
// length (KIN-51, DDB-12).
func CompareSequence(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
