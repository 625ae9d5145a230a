package simulation

import (
	"slices"
	"time"
)

// Hidden tells until when a record that was handed out is the mapping's, as its
// Expires says.
func (o *Observer) Hidden(n int, until time.Time) { o.records[n].expires = until }

// Handling reports whether a handler runs with a record, and its time is not over.
func (o *Observer) Handling(n int) bool {
	return slices.ContainsFunc(o.running, func(i *invocation) bool {
		return i.ctx.Err() == nil && slices.ContainsFunc(i.items, func(it Item) bool { return it.Number == n })
	})
}

// Unsettled reports whether a handler succeeded with a record since it was handed out,
// and the mapping, which goes on, has not settled it yet.
func (o *Observer) Unsettled(n int) bool {
	t := o.records[n]
	return t.handled.After(t.handed) && !t.settled && t.holder.stopped.IsZero() && !t.holder.dead.Load()
}

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
// runs only what fits into no batch does, and what follows it in its group. What a stop
// gave back counts as received, unless it came after the stop, and there was time left to
// handle it after what was handled and settled before it.
func (o *Observer) checkRedriven(t *trace) {
	s := &o.sim.Scenario
	if !s.Calm || o.stays(t) || o.followsTooLarge(t) {
		return
	}
	if l := t.holder; !l.stopped.IsZero() {
		drain := s.drain()
		free := t.handed
		if l.handled.After(free) {
			free = l.handled
		}
		if !t.handed.After(l.stopped) && !t.released.IsZero() || free.Sub(l.stopped)+s.Settles+o.sim.limit() > drain {
			return
		}
	}
	o.violate(5, "record %d is redriven without any fault, %d invocations had it", t.number, t.invoked)
}

// followsTooLarge reports whether a record of the group before it fits into no batch: it
// is given back with that, each time.
func (o *Observer) followsTooLarge(t *trace) bool {
	return slices.ContainsFunc(t.earlier, func(e *trace) bool { return o.tooLarge(e) || o.followsTooLarge(e) })
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
