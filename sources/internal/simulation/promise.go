package simulation

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/openesm/openesm/batch"
	"github.com/openesm/openesm/esm"
)

// Violation is a promise that was broken.
type Violation struct {
	// Promise is its number: 3 for P3.
	Promise int
	// Text tells what happened.
	Text string
}

func (v *Violation) String() string { return fmt.Sprintf("P%d: %s", v.Promise, v.Text) }

// violate tells that a promise is broken. The first one counts.
func (o *Observer) violate(promise int, format string, args ...any) { //nolint:goprintffuncname // a word, not a family of functions
	if o.sim.violation == nil {
		o.sim.violation = &Violation{promise, fmt.Sprintf(format, args...)}
		o.log("VIOLATION of %v", o.sim.violation)
	}
}

// Violate tells that a promise is broken in a way that only the world can see.
func (o *Observer) Violate(promise int, text string) { o.violate(promise, "%s", text) }

// checkOrder holds an invocation against P4: nothing begins before what is
// earlier in its group, key or partition is finished or given up.
func (o *Observer) checkOrder(i *invocation) {
	seen := make(map[int]bool, len(i.items)) // and those before them
	for _, it := range i.items {
		t := o.records[it.Number]
		seen[it.Number] = true

		// All of them, for a record may be finished before an earlier one (KAF-69).
		for rest := slices.Clone(t.earlier); len(rest) > 0; {
			earlier := rest[0]
			rest = rest[1:]
			if seen[earlier.number] {
				continue
			}
			if !o.done(earlier) {
				o.violate(4, "record %d (key %q) is invoked before record %d is finished", t.number, t.key, earlier.number)
			}
			seen[earlier.number] = true
			rest = append(rest, earlier.earlier...)
		}
	}
	if !o.sim.kind.Ordered && !o.sim.kind.Grouped {
		return
	}
	for _, other := range o.running {
		if other.life != i.life || other.ctx.Err() != nil {
			continue // it was abandoned
		}
		for _, it := range i.items {
			for _, running := range other.items {
				if o.records[it.Number].key == o.records[running.Number].key {
					o.violate(4, "record %d is invoked while record %d of its key %q is",
						it.Number, running.Number, o.records[it.Number].key)
				}
			}
		}
	}
}

// checkBatch holds an invocation against P8: its size and how long it waited.
func (o *Observer) checkBatch(i *invocation, size int) {
	s := &o.sim.Scenario
	c := s.Config
	most := c.BatchSize
	if most == 0 {
		most = o.sim.traits.BatchSize.Default
	}
	if len(i.items) > most || len(i.items) == 0 {
		o.violate(8, "a batch of %d records, BatchSize is %d", len(i.items), most)
	}
	bytes := c.MaximumBatchBytes
	if bytes == 0 {
		bytes = batch.MaxEventBytes
	}
	if size > bytes {
		o.violate(8, "an event document of %d bytes, the most is %d", size, bytes)
	}
	if len(i.items) > 1 {
		o.sim.cover("batch of several")
	}
	if !s.Calm {
		return
	}

	// In a calm run a record waits for the invocations before it, for its
	// window, and for the calls meanwhile: fetches and settlements of a lane, or
	// deliveries of a sub-lane.
	calls := 10 * time.Second
	if o.sim.kind.Ordered {
		calls = 4 * time.Second
	}
	calls += s.Settles
	window := max(c.MaximumBatchingWindow, 0)
	for _, it := range i.items {
		since := o.records[it.Number].handed
		if end := o.ends[i.partition(o)]; end.After(since) {
			since = end
		}
		if end := i.life.handled; s.Mixed && end.After(since) {
			since = end // its partition waits for the others
		}
		if waited := time.Since(since); waited > window+calls {
			o.violate(8, "record %d waited %v for its batch, the window is %v", it.Number, waited, window)
		}
	}
}

// checkForgotten holds a record that is handed out against P1 and P8: in calm
// runs the mapping has not had it in vain. held says that it has it already.
func (o *Observer) checkForgotten(t *trace, held bool) {
	if !o.sim.Scenario.Calm || !held || t.started || o.done(t) || o.stays(t) {
		return
	}
	if window := o.sim.Scenario.Config.MaximumBatchingWindow; window > 0 {
		o.violate(8, "record %d waited %v for its batch in vain, the window is %v", t.number, time.Since(t.handed), window)
	} else {
		o.violate(1, "record %d is handed out again, it was neither invoked nor given back", t.number)
	}
}

// checkOwner holds an invocation, as it begins and as it ends, against P4: who
// has lost a partition leaves its records to the next owner.
func (o *Observer) checkOwner(i *invocation) {
	if !o.sim.kind.Ordered || i.ctx.Err() != nil {
		return
	}
	for _, partition := range i.partitions(o) {
		owns := o.owners[partition] == i.life && !i.lost
		if !owns && !o.ousted[partition][i.life] {
			o.violate(4, "records %v are handled by life %d, which has lost %s", i.items, i.life.number, partition)
		}
	}
}

// checkBegun holds an invocation against P11: after a stop none begins, nor with the
// records of a partition that is revoked, unless it had begun before and the gate
// held it up.
func (o *Observer) checkBegun(i *invocation, began time.Time) {
	if s := i.life.stopped; !s.IsZero() && began.After(s.Add(o.late()+o.sim.Scenario.Busy)) {
		o.violate(11, "records %v are invoked after the stop", i.items)
	}
	partition := i.partition(o)
	if since, revoked := o.revoked[partition]; revoked && began.After(since.Add(o.sim.Scenario.Busy)) && o.owners[partition] == i.life {
		o.violate(11, "records %v are invoked, though %s was revoked", i.items, partition)
	}
}

// late is how long after a stop what a poll brings may still be begun.
func (o *Observer) late() time.Duration {
	if o.sim.kind.Ordered || !demanded(troublePoll) {
		return 0
	}
	return o.sim.Scenario.drain()
}

// checkFetched holds a fetch against P11: a partition that is revoked is not read. A call
// that was on its way then may have its turn after it.
func (o *Observer) checkFetched(l *Life, partition string, sent time.Time) {
	if since, revoked := o.revoked[partition]; revoked && sent.After(since) && o.owners[partition] == l {
		o.violate(11, "%s is read, though it was revoked", partition)
	}
}

// checkGiven holds a life that is asked for a partition against P11: it closes it
// within the time that an invocation may take, if no call fails.
func (o *Observer) checkGiven(l *Life, partition string, patience time.Duration) {
	for _, op := range []Op{OpAck, OpClose, OpDeliver} {
		if f := o.sim.Scenario.Faults; f[before(op)]+f[after(op)]+f[hung(op)]+f[FaultDeaf] > 0 {
			return
		}
	}
	if patience < o.sim.revocation() {
		return
	}
	since := o.revoked[partition]
	o.sim.gate.after(o.sim.revocation(), func() {
		if o.revoked[partition].Equal(since) && o.owners[partition] == l && !l.dead.Load() {
			o.violate(11, "%s was revoked %v ago and is not closed", partition, time.Since(since))
		}
	})
}

// checkConcurrency holds an invocation against P7: no more of them run than the
// configuration allows.
func (o *Observer) checkConcurrency(i *invocation) {
	most := max(o.sim.Scenario.Config.ParallelizationFactor, 1)
	if !o.sim.kind.Ordered {
		most = o.lanes()
	}
	running := 1
	for _, other := range o.running {
		if other.life == i.life && other.ctx.Err() == nil && other.partition(o) == i.partition(o) {
			running++ // others were abandoned
		}
	}
	if running > most {
		o.violate(7, "%d invocations with records of %s run, the most is %d", running, i.partition(o), most)
	}
}

// checkBounds holds what a mapping holds of a partition against P7.
func (o *Observer) checkBounds(partition string, held map[int]bool) {
	const ahead = 10 // batches that may be read ahead for each sub-lane
	s := &o.sim.Scenario
	c := s.Config
	size := c.BatchSize
	if size == 0 {
		size = o.sim.traits.BatchSize.Default
	}
	unfinished, bytes := 0, 0
	for n := range held {
		if t := o.records[n]; !o.done(t) {
			unfinished++
			bytes += t.size
		}
	}
	if !o.sim.kind.Ordered {
		lanes := o.lanes()
		// A lane holds a batch and the one record that did not fit.
		if most := lanes*(size+1) + o.sim.kind.Ahead; unfinished > most && s.Calm {
			o.violate(7, "%d records held and unfinished, %d lanes of %d may hold %d", unfinished, lanes, size, most)
		}
		o.checkBytes(bytes, unfinished)
		return
	}
	if most := size * max(c.ParallelizationFactor, 1) * ahead; unfinished > most {
		o.violate(7, "%d records of %s held, the most is %d", unfinished, partition, most)
	}
	limit := c.MaximumBufferedBytes
	if limit == 0 {
		limit = esm.DefaultBufferedBytes
	}

	// One fetch may go over it.
	fetch := size * max(c.ParallelizationFactor, 1) * o.largest
	if bytes > limit+fetch {
		o.violate(7, "%d bytes of %s held, the most is %d and one fetch", bytes, partition, limit)
	}
}

// checkEnd holds the end against P1 and P5.
func (o *Observer) checkEnd() {
	for _, t := range o.records {
		switch {
		case !o.done(t) && !o.stays(t) && o.gathers(t):
			o.violate(8, "record %d still waits for its batch, since %v", t.number, time.Since(t.handed))
		case !o.done(t) && !o.stays(t):
			o.violate(1, "record %d of %s was never finished", t.number, t.partition)
		case !t.settled && !t.gone && !t.redriven && !o.stays(t):
			o.violate(1, "record %d of %s is finished but still in its source", t.number, t.partition)
		case o.unique() && t.invoked-t.gambles > 1:
			o.violate(5, "record %d was invoked %d times without any fault", t.number, t.invoked)
		}
	}
}

// gathers reports whether the mapping has a record and has not invoked the
// handler with it, maybe to fill its batch.
func (o *Observer) gathers(t *trace) bool {
	return o.sim.Scenario.Config.MaximumBatchingWindow > 0 && o.holding(t.partition)[t.number] && !t.started
}

// unique reports whether no record may be handled twice. A stop, or a partition that
// is revoked, with sub-lanes is an exception: what one of them has finished behind
// a record that another one has not started is handled again, for the position is
// before both.
func (o *Observer) unique() bool {
	s := &o.sim.Scenario
	return s.Calm && (s.Stops+s.Revocations == 0 && s.Members < 2 && !o.asked || s.Config.ParallelizationFactor <= 1 && !s.Mixed)
}

// stays reports whether a record rightly stays in its queue: it is too large for
// any batch, or behind such a record in its group.
func (o *Observer) stays(t *trace) bool {
	if o.sim.kind.Ordered {
		return false
	}
	for ; t != nil; t = t.earlier[0] {
		if t.stayed || o.tooLarge(t) && !o.rejected(t.number) && !t.redriven {
			return true
		}
		if len(t.earlier) == 0 {
			break
		}
	}
	return false
}

// drained reports whether nothing is left to do.
func (o *Observer) drained() bool {
	for _, t := range o.records {
		if !t.settled && !t.gone && !t.redriven && !o.stays(t) {
			return false
		}
	}
	if len(o.records) < o.sim.Scenario.Records {
		return false
	}

	// What a receive under way still moves to the dead-letter queue may free
	// others, which nobody reads any more.
	for _, t := range o.records {
		t.stayed = o.stays(t)
	}
	return true
}

// checkIsolation holds the state, a while after the faults ended, against P6:
// only the lane of a poison record is held up by it.
func (o *Observer) checkIsolation() {
	c := o.sim.Scenario.Config
	report := c.ReportBatchItemFailures && !o.sim.Scenario.Throttles || c.BatchSize == 1
	bad := make(map[string]bool) // partitions or groups with a poison record
	for _, t := range o.records {
		held := !o.done(t) || t.gone && !t.retried.IsZero() // by who has it, though its source does not have it any more
		if o.sim.poisonous(t.number) && held && t.invoked > 0 {
			bad[o.lane(t)] = true
		}
	}

	// One that goes on, slowly, is not held up.
	lately := 10 * time.Minute
	if o.sim.kind.Patience > 0 {
		lately = o.sim.isolation() / 3
	}
	for partition, end := range o.ends {
		if o.sim.kind.Ordered && time.Since(end) < lately+c.MaximumBatchingWindow {
			bad[partition] = true
		}
	}
	for _, c := range o.children {
		if slices.ContainsFunc(c.parents, func(p string) bool { return bad[p] }) {
			bad[c.id] = true // it waits for its parents
		}
	}
	throttles := o.sim.Scenario.Throttles
	bound := c.MaximumBufferedBytes > 0 // which poison may use up
	if !o.sim.kind.Ordered && (throttles || bound || !o.sim.kind.Redelivers && len(bad) >= o.lanes()) {
		return // each holds a lane, as its batch is retried in place
	}
	for _, t := range o.records {
		if o.done(t) || bad[o.lane(t)] || o.stays(t) || o.sim.poisonous(t.number) {
			continue
		}
		if o.sim.kind.Ordered || report {
			o.violate(6, "record %d of %s (key %q) is held up by a poison record of another lane", t.number, t.partition, t.key)
		}
	}
}

// lane is what a poison record may hold up.
func (o *Observer) lane(t *trace) string {
	switch {
	case o.sim.Scenario.Mixed:
		return ""
	case o.sim.kind.Ordered:
		return t.partition
	case o.sim.kind.Grouped:
		return t.key
	default:
		return strconv.Itoa(t.number)
	}
}

// lanes is the most lanes that an unordered source may have.
func (o *Observer) lanes() int {
	c := o.sim.Scenario.Config
	if c.MaximumConcurrency > 0 {
		return c.MaximumConcurrency
	}
	return o.sim.traits.Scaling.Max
}
