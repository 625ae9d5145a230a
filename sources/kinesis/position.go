package kinesis

import (
	"cmp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/checkpoint"
)

// start is the place to read on from, for the service (KIN-43). The record that was read
// last comes again, and is left out: it may have more inside than was read of it, and
// while it is there none behind it was trimmed (KIN-45).
func (p *partition) start() types.StartingPosition {
	switch at := p.read; {
	case at.Sequence == checkpoint.AtTimestamp && !at.Timestamp.IsZero():
		return types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: &at.Timestamp}
	case isMark(at):
		return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	default:
		return types.StartingPosition{Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: &at.Sequence}
	}
}

// isMark tells that a position is no place behind a record.
func isMark(p checkpoint.Position) bool {
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
	case isMark(a):
		return false
	case isMark(b):
		return true
	}
	return cmp.Or(compareSequence(a.Sequence, b.Sequence), cmp.Compare(a.SubSequence, b.SubSequence)) > 0
}

// compareSequence compares sequence numbers, which are decimal numbers of any
// length (KIN-51).
func compareSequence(a, b string) int {
	a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
	return cmp.Or(cmp.Compare(len(a), len(b)), strings.Compare(a, b))
}
