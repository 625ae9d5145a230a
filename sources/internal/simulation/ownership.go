package simulation

import (
	"maps"
	"slices"
	"time"
)

// Opened tells that a life begins to read an ordered partition: from now on it may
// handle its records.
func (o *Observer) Opened(l *Life, partition string) {
	o.log("life %d: opens %s", l.number, partition)
	delete(o.open, partition)
	delete(o.revoked, partition)
	delete(o.ousted[partition], l)
	o.owners[partition] = l
	clear(o.attempts)
	delete(l.stuck, partition)
	for _, t := range o.records {
		if t.partition == partition {
			t.retried = time.Time{}
		}
	}
}

// Child tells of a new partition, which is read after its parents.
func (o *Observer) Child(partition string, parents ...string) {
	o.log("%s follows %v", partition, parents)
	o.children = append(o.children, lineage{partition, parents})
}

// Revoked tells that an ordered partition is revoked from the life that reads
// it, just before the engine hears of it: from then on the engine begins nothing with
// its records, and closes it soon. Who asks waits so long for that.
func (o *Observer) Revoked(l *Life, partition string, patience time.Duration) {
	o.log("life %d: is asked for %s, within %v", l.number, partition, patience)
	o.asked = true
	if o.owners[partition] == l { // and not somebody who has lost it, and does not know it
		o.revoked[partition] = time.Now()
	}
	delete(l.stuck, partition)
	o.sim.cover("revoked")
	if slices.ContainsFunc(o.running, func(i *invocation) bool { return i.life == l && i.partition(o) == partition }) {
		o.sim.cover("revoked while handled")
	}
	for _, t := range o.records {
		if t.partition == partition && !t.retried.IsZero() {
			o.sim.cover("revoked before a retry")
		}
	}
	o.checkGiven(l, partition, patience)
}

// HandedOver tells that a life has given away an ordered partition that it was asked for
// and had closed. If no call failed nothing is begun twice for that (P5): what was handled
// is stored. What a life handled that was killed before it had stored that comes again,
// handed over or not.
func (o *Observer) HandedOver(l *Life, partition string) {
	o.log("life %d: hands over %s", l.number, partition)
	o.sim.cover("handed over")
	for _, op := range []Op{OpAck, OpClose, OpDeliver} {
		if f := o.sim.Scenario.Faults; f[before(op)]+f[after(op)]+f[hung(op)]+f[FaultDeaf] > 0 {
			return
		}
	}
	if o.sim.Scenario.Config.ParallelizationFactor > 1 { // what lies behind an open record comes again
		return
	}
	for _, t := range o.records {
		if t.partition == partition && t.finished && !t.settled && t.handled.After(t.handed) {
			o.violate(5, "%s is handed over, and record %d, which was handled, is to be begun again", partition, t.number)
		}
	}
}

// Lost tells that a life reads an ordered partition no longer, or must not: what is
// handled from now on is handled by somebody who has no right to.
func (o *Observer) Lost(l *Life, partition string) {
	o.log("life %d: lost %s", l.number, partition)
	delete(o.ousted[partition], l)
	delete(l.stuck, partition)
	if o.owners[partition] == l {
		delete(o.open, partition)
		delete(o.owners, partition)
		delete(o.revoked, partition)
	}
	for _, i := range o.running {
		i.lost = i.lost || i.life == l && i.partition(o) == partition
	}
}

// Ousted tells that a partition is about to have another owner, though the life that
// reads it does not know yet that it has lost it. Until it is told it may go on, and both
// may handle the same records.
func (o *Observer) Ousted(l *Life, partition string) {
	o.log("life %d: has lost %s, and does not know it", l.number, partition)
	if o.ousted[partition] == nil {
		o.ousted[partition] = make(map[*Life]bool)
	}
	o.ousted[partition][l] = true
	o.sim.cover("ousted")
}

// Yielded tells that a life has let an ordered partition go of its own accord, and that no
// call had failed: it has settled what it had finished, so that the next owner is not
// given it again.
func (o *Observer) Yielded(l *Life, partition string) {
	o.sim.cover("yielded")
	for _, t := range o.records {
		if t.partition != partition || t.settled || t.gone {
			continue
		}
		if !o.done(t) || !t.finished && !t.given && o.discarded(t) {
			return // what is behind it may be finished, and is handled again; so where a rule came too late to give it up
		}
		if t.finished || t.given {
			o.violate(5, "life %d lets %s go and has not settled record %d, which is finished", l.number, partition, t.number)
		}
	}
}

// Gone tells that a record needs no invocation and no settlement: it was deleted, or lies
// before the start, or nobody is to see it; or that it does need them after all.
func (o *Observer) Gone(n int, gone bool) {
	t := o.records[n]
	if t.gone == gone {
		return
	}
	o.log("%d is gone: %v", n, gone)
	if t.gone = gone; gone {
		o.drop(t)
	}
}

// Sized tells what a record takes in an event document, where that is known later only.
func (o *Observer) Sized(n, size int) {
	o.records[n].size = size
	o.largest = max(o.largest, size)
}

// Ageless tells that a record has no time, so that no rule about its age gives it up.
func (o *Observer) Ageless(n int) { o.records[n].ageless = true }

// Finished reports whether a record needs no invocation any more.
func (o *Observer) Finished(n int) bool { return o.done(o.records[n]) }

// born tells that a new life begins.
func (o *Observer) born(l *Life) {
	o.log("life %d: begins", l.number)
	clear(o.attempts)
	for partition := range o.open {
		if owner := o.owners[partition]; owner == nil || owner.isOver() {
			delete(o.open, partition)
		}
	}
	maps.DeleteFunc(o.owners, func(_ string, owner *Life) bool { return owner.isOver() })
	maps.DeleteFunc(o.revoked, func(partition string, _ time.Time) bool { return o.owners[partition] == nil })
	o.running = slices.DeleteFunc(o.running, func(i *invocation) bool { return i.life.isOver() })
	for _, t := range o.records {
		maps.DeleteFunc(t.failed, func(l *Life, _ int) bool { return l.isOver() })
		if t.holder == nil || t.holder.isOver() {
			t.retried, t.offered = time.Time{}, time.Time{}
		}
	}
}
