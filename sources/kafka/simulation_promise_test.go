//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/openesm/openesm/batch"
	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/kafka"
)

// begins tells that a handler begins. It returns nil if the process is dead.
func (o *observer) begins(r *run, size int, info *kfake.GroupInfo) *run {
	o.mu.Lock()
	defer o.mu.Unlock()

	if r.life.killed {
		return nil
	}

	o.line("%s: invoke %v", r.life.name, r.items)

	o.checkBegun(r)
	o.checkBatch(r, size)
	o.checkOrder(r)
	o.checkOverlap(r, info)
	o.checkWindow(r)

	before := 0

	for _, it := range r.items {
		t := o.records[it.number]
		before = max(before, t.started)
		t.started++
		t.offset = it.offset
		p := o.parts[t.partition]
		p.read = true

		switch {
		case t.partition != it.partition:
			o.breaks(1, "record %d was sent to partition %d, not to %d", t.number, t.partition, it.partition)
		case o.rejected(t):
			o.breaks(1, "record %d is invoked, the filter rejects it", t.number)
		case o.unseen(t):
			o.breaks(1, "record %d is invoked, its transaction was aborted", t.number)
		case t.skipped:
			o.breaks(1, "record %d is invoked, it is from before the start", t.number)
		case it.offset < p.committed && o.isMember(r, info):
			o.breaks(12, "record %d (offset %d of partition %d) is invoked, but %d is committed", t.number, it.offset, t.partition, p.committed)
		case t.started > 1 && t.finished:
			o.sim.cover("handled again")
		}
	}

	r.plan = o.sim.decide(r.items, before)
	o.runs = append(o.runs, r)

	return r
}

// checkBegun holds an invocation against P11 and P4: none begins after the end, or of
// a lane that is asked back, lost or closed.
func (o *observer) checkBegun(r *run) {
	l := r.life

	switch {
	case l.gone:
		o.breaks(11, "%s invokes %v after Run has returned", l.name, r.items)
	case !l.stopped.IsZero() && r.began.After(l.stopped):
		o.breaks(11, "%s invokes %v after its stop", l.name, r.items)
	case !r.lane.asked.IsZero() && r.began.After(r.lane.asked):
		o.breaks(11, "%s invokes %v, though %s was asked back", l.name, r.items, r.lane.ID())
	case !r.lane.lost.IsZero() && r.began.After(r.lane.lost):
		o.breaks(4, "%s invokes %v of %s, which it has lost", l.name, r.items, r.lane.ID())
	case !r.lane.closed.IsZero() && r.began.After(r.lane.closed):
		o.breaks(4, "%s invokes %v of %s, which it has closed", l.name, r.items, r.lane.ID())
	}
}

// checkBatch holds an invocation against P8: its size.
func (o *observer) checkBatch(r *run, size int) {
	const byDefault = 100

	most := o.sim.config.BatchSize
	if most == 0 {
		most = byDefault
	}

	if len(r.items) > most || len(r.items) == 0 {
		o.breaks(8, "a batch of %d records, BatchSize is %d", len(r.items), most)
	}

	bytes := o.sim.config.MaximumBatchBytes
	if bytes == 0 {
		bytes = batch.MaxEventBytes
	}

	if size > bytes {
		o.breaks(8, "an event document of %d bytes, the most is %d", size, bytes)
	}

	if len(r.items) > 1 {
		o.sim.cover("batch of several")
	}

	if slices.ContainsFunc(r.items, func(it item) bool { return it.partition != r.items[0].partition }) {
		o.sim.cover("batch of several partitions")

		if !o.sim.mixed {
			o.breaks(8, "a batch of several partitions: %v", r.items)
		}
	}
}

// checkWindow holds an invocation in calm weather against P8: how long its records
// have waited, besides for invocations before it and for their partition to be opened.
func (o *observer) checkWindow(r *run) {
	const calls = 10 * time.Second

	if !o.sim.calm {
		return
	}

	window := max(o.sim.config.MaximumBatchingWindow, 500*time.Millisecond)

	for _, it := range r.items {
		t := o.records[it.number]
		since := t.visible

		for _, other := range []time.Time{r.lane.opened, o.parts[t.partition].ends, r.life.ends} {
			if other.After(since) {
				since = other
			}
		}

		if waited := time.Since(since); waited > window+calls {
			o.breaks(8, "record %d waited %v for its batch, the window is %v", t.number, waited, window)
		}
	}
}

// checkOrder holds an invocation against P4: nothing begins before what is earlier in
// its partition, or in that of its key, is finished or given up, by whomever.
func (o *observer) checkOrder(r *run) {
	seen := make(map[int]bool, len(r.items))

	for _, it := range r.items {
		t := o.records[it.number]
		p := o.parts[t.partition]

		for p.low < len(p.records) && o.done(p.records[p.low]) {
			p.low++
		}

		for _, earlier := range p.records[p.low:] {
			if earlier.number >= t.number {
				break
			}

			if o.sim.config.ParallelizationFactor > 1 && earlier.key != t.key {
				continue
			}

			if !seen[earlier.number] && !o.done(earlier) {
				o.breaks(4, "record %d (partition %d, key %s) is invoked before record %d is finished", t.number, t.partition, t.key, earlier.number)
			}
		}

		seen[t.number] = true
	}
}

// checkOverlap holds an invocation against P4 and P7: nobody else handles records of
// its partitions, unless one of the two is out of the group and cannot know; and this
// process no more batches of them than it may.
func (o *observer) checkOverlap(r *run, info *kfake.GroupInfo) {
	own := 1

	for _, other := range o.runs {
		if other.ctx.Err() != nil || !overlap(r, other) {
			continue // it was cancelled, and given up
		}

		switch {
		case other.life == r.life:
			own++
		case !other.lane.asked.IsZero() && (len(r.life.names) > 1 || len(other.life.names) > 1):
			// The client (v1.22.2) claims what a member had that was thrown out as if it had
			// got it in the generation in which it came back; so it may be given to both.
			o.sim.cover("given to two after one was thrown out")
		case o.isMember(r, info) && o.isMember(other, info):
			o.breaks(4, "%s invokes %v while %s handles %v, and both are in the group",
				r.life.name, r.items, other.life.name, other.items)
		default:
			o.sim.cover("handled twice at once")
		}
	}

	if most := max(o.sim.config.ParallelizationFactor, 1); own > most {
		o.breaks(7, "%d invocations with records of one partition, the most is %d", own, most)
	}
}

// isMember reports whether a process is in the group as what it was when it got the lane
// of a run.
func (o *observer) isMember(r *run, info *kfake.GroupInfo) bool {
	if info == nil || o.joins[r.lane.member] != r.lane.joined {
		return false
	}

	return slices.ContainsFunc(info.Members, func(m kfake.GroupMember) bool { return m.MemberID == r.lane.member })
}

func overlap(a, b *run) bool {
	for _, one := range a.items {
		for _, other := range b.items {
			if one.partition == other.partition {
				return true
			}
		}
	}

	return false
}

// ends tells that a handler ends. It reports whether the process lives.
func (o *observer) ends(r *run) bool {
	o.mu.Lock()
	defer o.mu.Unlock()

	if r.life.killed {
		return false
	}

	o.runs = slices.DeleteFunc(o.runs, func(other *run) bool { return other == r })
	r.life.ends = time.Now()

	succeeded := o.succeeds(r)
	o.line("%s: %v ends, %s %v %v", r.life.name, r.items, r.plan.mood, r.plan.failed, succeeded)

	partial := r.plan.mood == moodPartial && o.sim.config.ReportBatchItemFailures && r.ctx.Err() == nil
	failing := false

	if o.sim.config.BisectBatchOnFunctionError && len(r.items) > 1 && !succeeded && !partial && r.plan.mood != moodThrottle {
		o.sim.cover("bisect")
	}

	for _, it := range r.items {
		t := o.records[it.number]
		o.parts[t.partition].ends = time.Now()

		fails := !succeeded
		if partial {
			fails = r.plan.failed[it.number]

			if failing && !fails {
				o.sim.cover("later record done")
			}

			failing = failing || fails
		}

		switch {
		case !fails:
			t.finished = true
		case r.plan.mood != moodThrottle || r.ctx.Err() != nil:
			t.failed[r.life]++
		}
	}

	return true
}

// succeeds reports whether a run that ends counts as a success of the batch.
func (o *observer) succeeds(r *run) bool {
	report := o.sim.config.ReportBatchItemFailures

	// After a cut it does if it says so, but not after its time limit.
	if r.ctx.Err() != nil {
		return r.plan.mood == moodSlow && !errors.Is(context.Cause(r.ctx), esm.ErrTimeout)
	}

	switch r.plan.mood {
	case "", moodSlow, moodLong:
		return true
	case moodPartial:
		return !report || len(r.plan.failed) == 0
	case moodMalformed:
		return !report || r.plan.text == "null"
	default:
		return false
	}
}

// drained reports whether nothing is left to do, and all of it is committed.
func (o *observer) drained() bool {
	o.mu.Lock()
	defer o.mu.Unlock()

	for _, r := range o.records {
		if !o.done(r) || o.uncommitted(r) {
			return false
		}
	}

	return true
}

// uncommitted reports whether the position of a partition is to pass a record, and
// has not.
func (o *observer) uncommitted(r *record) bool {
	p := o.parts[r.partition]
	if r.deleted || r.offset < p.deleted || o.unseen(r) || o.sim.position == kafka.Latest && p.committed < p.deleted {
		return false
	}

	return r.offset >= p.committed
}

// checkEnd holds the end against P1 and P5.
func (o *observer) checkEnd() {
	o.mu.Lock()
	defer o.mu.Unlock()

	for _, r := range o.records {
		p := o.parts[r.partition]

		switch {
		case !o.done(r):
			o.breaks(1, "record %d (offset %d of partition %d) was never finished", r.number, r.offset, r.partition)
		case o.uncommitted(r):
			o.breaks(1, "record %d (offset %d of partition %d) is finished, but only %d is committed", r.number, r.offset, r.partition, p.committed)
		case o.sim.calm && o.unique() && r.started > 1:
			o.breaks(5, "record %d was invoked %d times without any fault", r.number, r.started)
		case r.deleted && !r.silent && !r.finished && !r.given && !r.skipped && r.handed == 0 && !o.told(p, r.offset):
			o.breaks(1, "record %d (offset %d of partition %d) was lost, and nobody was told", r.number, r.offset, r.partition)
		}
	}
}

// told reports whether a loss was told.
func (o *observer) told(p *part, offset int64) bool {
	return o.sim.kills > 0 || slices.ContainsFunc(p.told, func(s span) bool { return s.from <= offset && offset < s.to })
}

// unique reports whether no record may be handled twice. With sub-lanes what one has
// finished behind a record that another one has not started is handled again after a
// stop or a rebalance, for the position is before both.
func (o *observer) unique() bool { return o.sim.config.ParallelizationFactor <= 1 }

// checkIsolation holds the state, a while after the bad weather, against P6: poison
// holds up its own partition only; with MixPartitions all of its member.
func (o *observer) checkIsolation() {
	o.mu.Lock()
	defer o.mu.Unlock()

	if o.sim.mixed {
		return
	}

	bad := make(map[int]bool)

	for _, r := range o.records {
		// It may have been deleted meanwhile, and is tried nevertheless.
		tried := r.started > 0 && !r.finished && !r.given && r.offset >= o.parts[r.partition].committed
		if o.sim.poisonous(r.number) && (tried || !o.done(r)) {
			bad[r.partition] = true
		}
	}

	for _, r := range o.records {
		if !bad[r.partition] && !o.done(r) {
			o.breaks(6, "record %d of partition %d is held up by poison in partitions %v", r.number, r.partition, bad)
		}
	}

	if len(bad) > 0 && len(bad) < o.sim.partitions {
		o.sim.cover("poison of some partitions")
	}
}
