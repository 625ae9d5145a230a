package simulation

import (
	"errors"
	"strings"
	"time"

	"github.com/openesm/openesm/esm"
)

// checkStopped holds the return of Run against P10 and P11.
func (o *Observer) checkStopped(l *Life) {
	if l.stopped.IsZero() {
		o.violate(9, "Run returned %v though nothing stopped it", l.err)
		return
	}
	o.checkReleased(l)
	o.checkSettled(l)
	o.checkCut(l)

	// A source whose calls did not return in time is left behind, and Run tells so.
	if !l.closed.Load() && (!o.sim.hangs() || !errors.Is(l.err, esm.ErrDrainTimeout)) {
		o.violate(11, "Run returned %v and did not close the source", l.err)
	}
	if took := time.Since(l.stopped); took > o.sim.stopLimit() {
		o.violate(11, "Run returned %v after the stop", took)
	}
}

// checkClosing holds the end of Run against P11: the source is closed when
// nothing runs any more.
func (o *Observer) checkClosing(l *Life) {
	for _, i := range o.running {
		if i.life == l && i.ctx.Err() == nil {
			o.violate(11, "the source is closed while records %v are handled", i.items)
		}
	}
}

// checkReleased holds the return of Run against P11: records that were not
// started are the queue's again, and not only when their visibility timeout ends.
func (o *Observer) checkReleased(l *Life) {
	s := &o.sim.Scenario

	// A release that fails is not made again, nor one after the drain timeout.
	const call = 3 * time.Second
	if o.sim.kind.Ordered || o.unreleased || time.Since(l.stopped) >= s.drain() {
		return
	}
	for _, t := range o.records {
		expires := t.expires
		if expires.IsZero() {
			expires = t.handed.Add(s.Visibility - s.Visibility/50) //nolint:mnd // the adapter's margin
		}
		if !o.holding(t.partition)[t.number] || t.started || o.done(t) || o.tooLarge(t) || o.duplicates || // its receipt is old
			o.sim.kind.Redelivers && time.Now().After(expires.Add(-call)) {
			continue
		}
		o.violate(11, "record %d was not started and not released when Run returned", t.number)
	}
}

// hangs reports whether calls of the source hang, or did a moment ago.
func (s *Sim) hangs() bool {
	if time.Now().Before(s.hungUntil) {
		return true
	}
	for fault, p := range s.Scenario.Faults {
		if p > 0 && strings.HasSuffix(string(fault), "hung") && fault != hung(OpDeliver) {
			return true
		}
	}
	return false
}
