package simulation

import (
	"slices"
	"time"
)

// Opened tells that a life begins to read an ordered partition: from now on it may
// handle its records.
func (o *Observer) Opened(l *Life, partition string) {
	o.log("life %d: opens %s", l.number, partition)
	delete(o.open, partition)
	delete(o.revoked, partition)
	o.owners[partition] = l
	clear(o.attempts)

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

// Revoked tells that an ordered partition is asked back from the life that reads
// it, just before the engine hears of it: from then on the engine begins nothing with
// its records, and closes it soon. Who asks waits so long for that.
func (o *Observer) Revoked(l *Life, partition string, patience time.Duration) {
	o.log("life %d: is asked for %s, within %v", l.number, partition, patience)
	o.revoked[partition], o.asked = time.Now(), true
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
// is stored.
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
		if t.partition == partition && t.finished && !t.settled {
			o.violate(5, "%s is handed over, and record %d, which was handled, is to be begun again", partition, t.number)
		}
	}
}

// Lost tells that a life reads an ordered partition no longer, or must not: what is
// handled from now on is handled by somebody who has no right to.
func (o *Observer) Lost(l *Life, partition string) {
	o.log("life %d: lost %s", l.number, partition)
	delete(o.open, partition)
	delete(o.owners, partition)
	delete(o.revoked, partition)

	for _, i := range o.running {
		i.lost = i.lost || i.life == l && i.partition(o) == partition
	}
}

// born tells that a new life begins.
func (o *Observer) born(l *Life) {
	o.log("life %d: begins", l.number)
	clear(o.open)
	clear(o.attempts)
	clear(o.owners)
	clear(o.revoked)

	o.running = nil

	for _, t := range o.records {
		t.failed, t.retried, t.offered = 0, time.Time{}, time.Time{}
	}
}
