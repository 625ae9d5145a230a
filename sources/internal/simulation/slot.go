package simulation

import "time"

// slot is a place for a process with one mapping, which is started, stopped and killed,
// and started again.
type slot struct {
	number int
	life   *Life // nil before the first
}

// place makes the slots.
func (s *Sim) place() {
	for n := range max(s.Scenario.Members, 1) {
		s.slots = append(s.slots, &slot{number: n})
	}
}

// populate begins the first life at once, and those of other members some time later.
func (s *Sim) populate(broken wrap) {
	s.begin(s.slots[0], broken)
	for _, at := range s.slots[1:] {
		span := pick(dice{s.rng}, time.Second, s.Scenario.Spread+calmAfter)
		s.gate.after(time.Duration(s.rng.Int64N(int64(span))), func() { s.begin(at, broken) })
	}
}

// any is one of the slots.
func (s *Sim) any() *slot {
	if len(s.slots) == 1 {
		return s.slots[0]
	}
	return s.slots[s.rng.IntN(len(s.slots))]
}

// running reports whether the life goes on, as far as one knows.
func (l *Life) running() bool {
	return l != nil && l.stopped.IsZero() && !l.dead.Load() && !l.ended
}

// isOver reports whether nothing is left of the life.
func (l *Life) isOver() bool { return l.dead.Load() || l.ended }

// allRun reports whether there is a life in each slot that goes on.
func (s *Sim) allRun() bool {
	for _, at := range s.slots {
		if !at.life.running() {
			return false
		}
	}
	return true
}

// rester is a world that looks at mappings that have nothing left to do, for a while.
type rester interface {
	// Rest begins to look, and returns when to ask for what was seen.
	Rest() (after time.Duration, look func())
}

// rest has the world look at what the mappings do with nothing to do, and ends the run.
func (s *Sim) rest() {
	world, looks := s.world.(rester)
	if !looks {
		s.last()
		return
	}
	if !s.allRun() {
		s.gate.after(time.Second, s.rest)
		return
	}
	after, look := world.Rest()
	s.gate.after(after, func() {
		if s.allRun() {
			look()
		}
		s.last()
	})
}

// last is the stop at the end, of one member after the other or of all at once.
func (s *Sim) last() {
	if !s.allRun() {
		s.gate.after(time.Second, s.last) // the next life is to come
		return
	}
	gap := time.Duration(0)
	if len(s.slots) > 1 {
		gap = pick(dice{s.rng}, 0, time.Second, s.stopLimit())
	}
	var told []*Life
	s.tell(s.slots[0].life)
	told = append(told, s.slots[0].life)
	for n, at := range s.slots[1:] {
		l := at.life
		told = append(told, l)
		s.gate.after(time.Duration(n+1)*gap, func() {
			if l.running() {
				s.tell(l)
			}
		})
	}
	s.gate.after(time.Duration(len(told)-1)*gap+s.stopLimit()+time.Second, func() {
		for n, l := range told {
			if s.slots[n].life != l || l.dead.Load() {
				s.last()
				return
			}
		}
		s.done = true
	})
}

// patience is how long draining may take without faults.
func (s *Sim) patience() time.Duration {
	if s.kind.Patience > 0 {
		return s.kind.Patience
	}
	return patience
}
