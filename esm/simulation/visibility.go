package simulation

import (
	"cmp"
	"time"

	"github.com/openesm/openesm/esm"
)

// Hidden tells until when a record that was handed out is the mapping's, as its
// Expires says.
func (o *Observer) Hidden(n int, until time.Time) { o.records[n].expires = until }

// Released tells that the mapping gave a record back.
func (o *Observer) Released(n int) { o.records[n].released = time.Now() }

// checkLeft holds an invocation against P5: nothing is started that would expire before
// the handler's time limit.
func (o *Observer) checkLeft(i *invocation, began time.Time) {
	if !demanded(troubleExpiry) {
		return
	}

	for _, it := range i.items {
		t := o.records[it.Number]
		if left := t.expires.Sub(began) + o.sim.Scenario.Busy; !t.expires.IsZero() && left < o.sim.limit() {
			o.violate(5, "record %d is started %v before it expires, the time limit is %v", t.number, left, o.sim.limit())
		}
	}
}

// checkRedriven holds a record that moves to the dead-letter queue against P5: in calm
// weather only what fits into no batch does. What a stop gave back counts as received,
// unless it came after the stop, and there was time left to handle it.
func (o *Observer) checkRedriven(t *trace) {
	s := &o.sim.Scenario
	if !s.Calm || o.stays(t) {
		return
	}

	if l := t.holder; !l.stopped.IsZero() {
		drain := cmp.Or(s.Config.DrainTimeout, esm.DefaultDrainTimeout)
		if !t.handed.After(l.stopped) && !t.released.IsZero() || t.handed.Sub(l.stopped)+o.sim.limit() > drain {
			return
		}
	}

	o.violate(5, "record %d is redriven without any fault, %d invocations had it", t.number, t.invoked)
}

// checkThrottled holds what is throttled for ever against P6: it is let go, so that the
// source's redrive rule ends it. Where bytes are bounded one record may wait for another.
func (o *Observer) checkThrottled() {
	s := &o.sim.Scenario
	if !s.Throttles || s.Redrive == 0 || s.Config.MaximumBufferedBytes > 0 {
		return
	}

	for _, t := range o.records {
		if o.sim.poisonous(t.number) && t.invoked > 0 && !o.done(t) {
			o.violate(6, "record %d was throttled for ever, and not redriven", t.number)
		}
	}
}
