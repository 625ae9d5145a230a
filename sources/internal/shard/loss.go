package shard

import (
	"fmt"
	"strings"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

const (
	// RetentionInterval is how often a stream whose retention period may change is to be
	// asked for it.
	RetentionInterval = 5 * time.Minute
	// leastRetention is the shortest retention period there is, for a stream whose own
	// is not known.
	leastRetention = 24 * time.Hour
	// edgeInterval is how often a shard that is read no sooner than its records are
	// dropped is looked at for a loss.
	edgeInterval = time.Minute
)

// Loss tells of records of a shard that may have been dropped before they were read. The
// error of each adapter has these fields.
type Loss struct {
	Stream, Partition string
	After             string
	Since             time.Time
	First             string
	Until             time.Time
}

// Text tells shard, positions and times, for the error of a service.
func (l *Loss) Text(service string) string {
	var from strings.Builder
	if l.After != "" {
		fmt.Fprintf(&from, " behind sequence number %s", l.After)
	}
	if !l.Since.IsZero() {
		fmt.Fprintf(&from, " since %s", l.Since.UTC().Format(time.RFC3339))
	}
	left := "none is left"
	if l.First != "" {
		left = fmt.Sprintf("reading goes on with %s, which arrived at %s", l.First, l.Until.UTC().Format(time.RFC3339))
	}
	return fmt.Sprintf("%s: shard %s of stream %s: records%s may be lost, how many is unknown: "+
		"their retention ended before they were read; %s (make the mapping faster, or the retention longer)",
		service, l.Partition, l.Stream, from.String(), left)
}

// trail is what is known of the records behind the position that a shard is read from.
// Of Fetch.
type trail struct {
	opened  bool      // reading was begun anew at the position, and no record has come yet
	trimmed bool      // the service said then that the position is not kept any more
	waiting bool      // the last answer said that records are left to be read
	current time.Time // when an answer last said that none are; zero for never
	arrived time.Time // when the last record that was read did; zero for unknown
	looked  time.Time // when reading was last begun anew
	loss    error     // to be told
}

// follow notes an answer, and what it tells of records that were lost before it.
func (p *Partition[R]) follow(a *Answer[R]) {
	now, t := time.Now(), &p.trail
	if a.Opened {
		t.opened, t.trimmed, t.looked = true, a.Trimmed, now
	}
	last := len(a.Records) - 1
	switch {
	case !t.opened:
	case last >= 0:
		t.opened = false
		p.lookBefore(&a.Records[0], now)
	case a.Told && a.Behind == 0, a.Ended:
		t.opened = false
		p.lookBefore(nil, now)
	}
	if last >= 0 {
		t.arrived = p.stream.service.Arrival(&a.Records[last])
	}
	if a.Told && !t.opened { // before, what was known of the position counts
		t.waiting = a.Behind > 0
		if !t.waiting {
			t.current = now
		}
	}
}

// lookBefore looks whether records were dropped between the position and the first
// record that came from there; nil if the shard has none.
func (p *Partition[R]) lookBefore(first *R, now time.Time) {
	if !p.isTrimmed(first, now) || p.wasCurrent(now) {
		return
	}
	if !p.misses(first, now) {
		p.logUnclear(first)
		return
	}
	p.stream.losses.Add(1)
	p.trail.loss = p.lossBefore(first)
}

// lossBefore is the error that tells of it.
func (p *Partition[R]) lossBefore(first *R) error {
	at := p.read
	loss := Loss{Stream: p.stream.name, Partition: p.id, Since: at.Timestamp}
	if !IsMark(at) {
		loss.After = at.Sequence
	}
	if loss.Since.IsZero() {
		loss.Since = p.trail.arrived
	}
	if first != nil {
		loss.First, loss.Until = p.stream.service.Sequence(first), p.stream.service.Arrival(first)
	}
	return p.stream.traits.NewLoss(loss)
}

// logUnclear logs that the position is trimmed, and that nothing tells whether records
// behind it were lost: nobody knows for how long the shard was not read.
func (p *Partition[R]) logUnclear(first *R) {
	log := p.stream.options.Logger.Warn
	if first == nil {
		log = p.stream.options.Logger.Info // an idle shard
	}
	log("the shard's position is older than what it keeps: if it was not read for longer than its retention period, "+
		"records may be lost", "stream", p.stream.name, "shard", p.id, "position", p.read.Sequence)
}

// isTrimmed reports whether what lies right behind the position may be dropped: its
// record is not there any more, or the time at which reading was to begin is too long
// ago. Who asks for a time himself, or for the oldest record, misses nothing.
func (p *Partition[R]) isTrimmed(first *R, now time.Time) bool {
	at, s := p.read, p.stream
	switch {
	case at.Sequence == checkpoint.AtTimestamp:
		asked := at.Timestamp.IsZero() || at.Timestamp.Equal(s.options.Start.Timestamp)
		return !asked && s.age(at.Timestamp, now) > s.keeps()
	case IsMark(at):
		return false
	default:
		return first == nil || CompareSequence(p.stream.service.Sequence(first), at.Sequence) != 0
	}
}

// wasCurrent reports whether nothing was left to be read not long ago: what came since
// is kept. The rest of an aggregated record is left, whatever an answer said.
func (p *Partition[R]) wasCurrent(now time.Time) bool {
	return now.Sub(p.trail.current) < p.stream.keeps() && !p.isWithin()
}

// isWithin tells a position that more of its record follows.
func (p *Partition[R]) isWithin() bool { return !IsMark(p.read) && !p.read.Timestamp.IsZero() }

// misses reports whether it is likely that records were lost: more was left to be read,
// or the service says so (DDB-24), or the first record that is kept has waited for so long that nobody can have read the
// shard for at least half the retention period. A shard that is idle for longer than
// that period, and is read by another worker or again after a short stop, has a trimmed
// position too, and has lost nothing.
func (p *Partition[R]) misses(first *R, now time.Time) bool {
	left := p.isWithin() || p.trail.waiting || p.trail.trimmed
	if left || first == nil {
		return left
	}
	arrived := p.stream.service.Arrival(first)
	return !arrived.IsZero() && p.stream.age(arrived, now) >= p.stream.keeps()/2
}

// OnEdge reports whether it is time to look for a loss again: records are left to be
// read, and the last one that was read is too old to be kept.
func (p *Partition[R]) OnEdge(now time.Time) bool {
	t, s := &p.trail, p.stream
	return t.waiting && !t.arrived.IsZero() && s.retention.Load() > 0 &&
		s.age(t.arrived, now) >= s.keeps() && now.Sub(t.looked) >= edgeInterval
}

// keeps is how long the stream keeps records.
func (s *Stream[R]) keeps() time.Duration {
	if retention := time.Duration(s.retention.Load()); retention > 0 {
		return retention
	}
	return leastRetention
}

// age is how long ago something was, by the service's clock.
func (s *Stream[R]) age(t, now time.Time) time.Duration { return now.Add(s.skew).Sub(t) }
