package simulation

import (
	"slices"
	"time"
)

// inspectable is a world that tells which of its records could be received now.
type inspectable interface{ visible() []int }

// visible is the numbers of the messages that nobody has.
func (q *queue) visible() []int {
	var numbers []int
	blocked := make(map[string]bool)
	for _, m := range q.messages {
		if m.hidden.After(time.Now()) || q.sim.kind.Grouped && blocked[m.Key] {
			blocked[m.Key] = true
			continue
		}
		numbers = append(numbers, m.Number)
	}
	return numbers
}

// backlog is what was seen while there were more records than lanes.
type backlog struct{ looks, running int }

// watch looks at what waits in the source, as long as the run lasts.
func (o *Observer) watch() {
	const often = time.Second
	s := &o.sim.Scenario
	world, tells := o.sim.world.(inspectable)
	if !tells || !o.sim.kind.Redelivers || !s.Backlog && (!demanded(troubleWaiting) || !o.undisturbed()) {
		return
	}
	var look func()
	look = func() {
		if o.sim.done || o.sim.violation != nil || o.sim.calmed {
			return
		}
		numbers := world.visible()
		if s.Backlog {
			o.checkBacklog(len(numbers))
		} else {
			o.checkWaiting(numbers)
		}
		o.sim.gate.after(often, look)
	}
	o.sim.gate.after(often, look)
}

// undisturbed reports whether nothing but handlers that take long keeps lanes from
// reading: no fault, no failure that takes lanes away, and no bound.
func (o *Observer) undisturbed() bool {
	s := &o.sim.Scenario
	for m := range s.Behaviors {
		if !slices.Contains([]behavior{behaviorSlow, behaviorHang, behaviorDeaf, behaviorStuck}, m) {
			return false
		}
	}
	few := s.Scaling != nil && s.Scaling.PerMinute < 60
	return len(s.Faults) == 0 && s.Poison == 0 && s.Config.MaximumBufferedBytes == 0 && !few
}

// handling is how many handlers of a life run, abandoned ones counted.
func (o *Observer) handling(l *Life) int {
	count := 0
	for _, i := range o.running {
		if i.life == l {
			count++
		}
	}
	return count
}

// checkWaiting holds what waits in the source against P6: while there could be another
// lane a record is read within a minute.
func (o *Observer) checkWaiting(numbers []int) {
	const longest = time.Minute
	l := o.sim.slots[0].life
	free := !l.dead.Load() && l.stopped.IsZero() && o.handling(l) < o.lanes()
	for _, t := range o.records {
		switch {
		case !free || !slices.Contains(numbers, t.number):
			t.waiting = time.Time{}
		case t.waiting.IsZero():
			t.waiting = time.Now()
		case time.Since(t.waiting) > longest:
			o.violate(6, "record %d waits in its source since %v, though %d handlers run and %d may",
				t.number, time.Since(t.waiting), o.handling(l), o.lanes())
		}
	}
}

// checkBacklog holds the lanes against P6: when a few of many invocations fail, the
// others use what the concurrency allows.
func (o *Observer) checkBacklog(waiting int) {
	const (
		after = 20 * time.Second // by then all lanes are there
		looks = 10
		share = 0.6 // of the lanes, for they read and settle, too
	)
	if time.Since(o.began) < after || waiting < 2*o.lanes() {
		return
	}
	b := &o.backlog
	b.looks++
	b.running += o.handling(o.sim.slots[0].life)
	if use := float64(b.running) / float64(b.looks*o.lanes()); b.looks >= looks && use < share {
		o.violate(6, "%.0f %% of %d lanes handle a backlog, though few invocations fail", 100*use, o.lanes())
	}
}
