package kinesis

import (
	"math"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/shard"
	"github.com/openesm/openesm/sources/kinesis/internal/kpl"
)

const (
	// whole is the SubSequence of a position behind everything that is in a record.
	whole = math.MaxInt64

	// beforeAll is that of a position before the first of what is in it.
	beforeAll = -1
)

// resumed is the position to go on from, for one that was stored. Without
// Options.Deaggregate there is no place within a record: one that was settled in part
// is taken whole again, so that switching the option off loses nothing.
func (s *Source) resumed(at checkpoint.Position) checkpoint.Position {
	if s.options.Deaggregate || shard.IsMark(at) || at.SubSequence == 0 && at.Timestamp.IsZero() {
		return at
	}
	return checkpoint.Position{Sequence: at.Sequence, SubSequence: beforeAll, Timestamp: at.Timestamp}
}

// behindAllOf is the position behind everything that is in a record.
func (s *Source) behindAllOf(r *types.Record) checkpoint.Position {
	at := checkpoint.Position{Sequence: aws.ToString(r.SequenceNumber)}
	if s.options.Deaggregate {
		at.SubSequence = whole
	}
	return at
}

// opened is a record that is handed out: what is inside of it, or it itself.
type opened struct {
	record *types.Record // of an answer; emptied with the last that is made of it
	inside kpl.Aggregate // without any if the record is not aggregated
	next   int64         // SubSequence of what comes next
	left   int           // how many there are to take
}

// open opens a record, for what of it lies behind a position.
func (s *Source) open(r *types.Record, after checkpoint.Position) opened {
	o := opened{record: r, left: 1}
	if !s.options.Deaggregate {
		return o
	}
	inside, aggregated := kpl.Open(r.Data)
	if aggregated {
		o.inside, o.left = inside, inside.Len()
	}
	if shard.IsMark(after) || shard.CompareSequence(aws.ToString(r.SequenceNumber), after.Sequence) != 0 {
		return o
	}
	for skipped := new(Record); o.left > 0 && o.next <= after.SubSequence; {
		o.take(skipped)
	}
	return o
}

// take makes dst the next record. There must be one.
func (o *opened) take(dst *Record) {
	*dst = Record{Record: *o.record, SubSequence: o.next, Last: o.left == 1}
	if r, ok := o.inside.Next(); ok {
		dst.PartitionKey, dst.Data = r.Key, r.Data
	}
	o.next++
	o.left--
	if o.left == 0 {
		*o.record = types.Record{}
		*o = opened{}
	}
}
