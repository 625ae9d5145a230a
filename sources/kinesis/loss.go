package kinesis

import (
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/checkpoint"
)

const (
	// leastRetention is the shortest retention period there is, for a stream whose own
	// is not known.
	leastRetention = 24 * time.Hour
	// edgeInterval is how often a shard that is read no sooner than its records are
	// dropped is looked at for a loss.
	edgeInterval = time.Minute
)

// LossError says that records of a shard may have been dropped before they were read:
// the mapping is slower than the stream's retention period, or was down for longer
// (KIN-45). The mapping goes on with the oldest record that is left. How many records
// are lost is not known: the service does not tell. The reaction is to make the mapping
// faster, or the retention period longer.
type LossError struct {
	// Stream is the stream's name, and Partition the shard's ID.
	Stream, Partition string
	// After is the sequence number of the last record that was read, and is not kept any
	// more; "" if none was ever read since the mapping began at Since.
	After string
	// Since is when that record arrived; zero if that is not known.
	Since time.Time
	// First is the sequence number of the record that the mapping goes on with, and Until
	// when that arrived; "" and zero if none is left.
	First string
	Until time.Time
}

// Error tells shard, positions and times.
func (e *LossError) Error() string {
	var from strings.Builder
	if e.After != "" {
		fmt.Fprintf(&from, " behind sequence number %s", e.After)
	}
	if !e.Since.IsZero() {
		fmt.Fprintf(&from, " since %s", e.Since.UTC().Format(time.RFC3339))
	}
	left := "none is left"
	if e.First != "" {
		left = fmt.Sprintf("reading goes on with %s, which arrived at %s", e.First, e.Until.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("kinesis: shard %s of stream %s: records%s may be lost, how many is unknown: "+
		"their retention ended before they were read; %s (make the mapping faster, or the retention longer)",
		e.Partition, e.Stream, from.String(), left)
}

// trail is what is known of the records behind the position that a shard is read from.
// Of Fetch.
type trail struct {
	opened  bool      // reading was begun anew at the position, and no record has come yet
	waiting bool      // the last answer said that records are left to be read
	current time.Time // when an answer last said that none are; zero for never
	arrived time.Time // when the last record that was read did; zero for unknown
	looked  time.Time // when reading was last begun anew
	loss    error     // to be told
}

// follow notes an answer, and what it tells of records that were lost before it.
func (p *partition) follow(a *answer) {
	now, t := time.Now(), &p.trail
	if a.opened {
		t.opened, t.looked = true, now
	}
	last := len(a.records) - 1
	switch {
	case !t.opened:
	case last >= 0:
		t.opened = false
		p.lookBefore(&a.records[0], now)
	case a.answered && a.behind == 0, a.ended:
		t.opened = false
		p.lookBefore(nil, now)
	}
	if last >= 0 {
		t.arrived = aws.ToTime(a.records[last].ApproximateArrivalTimestamp)
	}
	if a.answered && !t.opened { // before, what was known of the position counts
		t.waiting = a.behind > 0
		if !t.waiting {
			t.current = now
		}
	}
}

// lookBefore looks whether records were dropped between the position and the first
// record that came from there; nil if the shard has none.
func (p *partition) lookBefore(first *types.Record, now time.Time) {
	if !p.isTrimmed(first, now) || p.wasCurrent(now) {
		return
	}
	if !p.misses(first, now) {
		p.logUnclear(first)
		return
	}
	p.source.losses.Add(1)
	p.trail.loss = p.lossBefore(first)
}

// lossBefore is the error that tells of it.
func (p *partition) lossBefore(first *types.Record) *LossError {
	at := p.read
	loss := &LossError{Stream: p.source.stream.name, Partition: p.id, Since: at.Timestamp}
	if !isMark(at) {
		loss.After = at.Sequence
	}
	if loss.Since.IsZero() {
		loss.Since = p.trail.arrived
	}
	if first != nil {
		loss.First, loss.Until = aws.ToString(first.SequenceNumber), aws.ToTime(first.ApproximateArrivalTimestamp)
	}
	return loss
}

// logUnclear logs that the position is trimmed, and that nothing tells whether records
// behind it were lost: nobody knows for how long the shard was not read.
func (p *partition) logUnclear(first *types.Record) {
	log := p.source.options.Logger.Warn
	if first == nil {
		log = p.source.options.Logger.Info // an idle shard
	}
	log("the shard's position is older than what it keeps: if it was not read for longer than its retention period, "+
		"records may be lost", "stream", p.source.stream.name, "shard", p.id, "position", p.read.Sequence)
}

// isTrimmed reports whether what lies right behind the position may be dropped: its
// record is not there any more, or the time at which reading was to begin is too long
// ago. Who asks for a time himself, or for the oldest record, misses nothing.
func (p *partition) isTrimmed(first *types.Record, now time.Time) bool {
	at, s := p.read, p.source
	switch {
	case at.Sequence == checkpoint.AtTimestamp:
		asked := at.Timestamp.IsZero() || at.Timestamp.Equal(s.options.StartingPositionTimestamp)
		return !asked && s.age(at.Timestamp, now) > s.keeps()
	case isMark(at):
		return false
	default:
		return first == nil || compareSequence(aws.ToString(first.SequenceNumber), at.Sequence) != 0
	}
}

// wasCurrent reports whether nothing was left to be read not long ago: what came since
// is kept. The rest of an aggregated record is left, whatever an answer said.
func (p *partition) wasCurrent(now time.Time) bool {
	return now.Sub(p.trail.current) < p.source.keeps() && !p.isWithin()
}

// isWithin tells a position that more of its record follows.
func (p *partition) isWithin() bool { return !isMark(p.read) && !p.read.Timestamp.IsZero() }

// misses reports whether it is likely that records were lost: more was left to be read,
// or the first record that is kept has waited for so long that nobody can have read the
// shard for at least half the retention period. A shard that is idle for longer than
// that period, and is read by another worker or again after a short stop, has a trimmed
// position too, and has lost nothing.
func (p *partition) misses(first *types.Record, now time.Time) bool {
	left := p.isWithin() || p.trail.waiting
	if left || first == nil {
		return left
	}
	arrived := aws.ToTime(first.ApproximateArrivalTimestamp)
	return !arrived.IsZero() && p.source.age(arrived, now) >= p.source.keeps()/2
}

// isOnEdge reports whether it is time to look for a loss again: records are left to be
// read, and the last one that was read is too old to be kept.
func (p *partition) isOnEdge(now time.Time) bool {
	t, s := &p.trail, p.source
	return t.waiting && !t.arrived.IsZero() && s.retention.Load() > 0 &&
		s.age(t.arrived, now) >= s.keeps() && now.Sub(t.looked) >= edgeInterval
}

// keeps is how long the stream keeps records.
func (s *Source) keeps() time.Duration {
	if retention := time.Duration(s.retention.Load()); retention > 0 {
		return retention
	}
	return leastRetention
}

// age is how long ago something was, by the service's clock.
func (s *Source) age(t, now time.Time) time.Duration { return now.Add(s.skew).Sub(t) }
