package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/openesm/openesm/esm"
)

// settle has settlements take as long as a call may, which is no fault, and a drain that is
// hardly longer than the handler's time limit: what ends with it is to be settled still.
func (s *Scenario) settle(d dice, kind Kind) {
	const stops = 4
	if !s.Long || !d.chance(0.5) {
		return
	}
	s.Settles = pick(d, time.Second, 8*time.Second, 15*time.Second)
	s.Config.DrainTimeout = s.Config.Timeout + pick(d, time.Second, time.Second, 10*time.Second)
	s.Stops = stops
	if kind.Redelivers {
		s.Visibility += s.Settles
	}
}

// settling is the latency of a settlement.
func (s *Sim) settling(rng *rand.Rand) time.Duration {
	if longest := int64(s.Scenario.Settles); longest > 0 && rng.IntN(2) == 0 {
		return time.Duration(longest - rng.Int64N(longest/2)) //nolint:mnd // nearly as long as it may take
	}
	return latency(rng)
}

// checkSettled holds the return of Run against P5: without faults what was handled in time
// is settled, whenever the mapping was stopped.
func (o *Observer) checkSettled(l *Life) {
	if !o.unique() {
		return
	}
	for _, t := range o.records {
		if t.holder == l && t.finished && t.handled.After(t.handed) && !t.settled && !t.redriven && t.gambles == 0 {
			o.violate(5, "Run returned %v, and record %d, which was handled, is to be handled again", l.err, t.number)
		}
	}
}

// checkGamble notes what was begun in the drain though less than the time limit was left,
// and was cut off: a receive was spent on it either way.
func (o *Observer) checkGamble(i *invocation) {
	l, s := i.life, &o.sim.Scenario
	if l.stopped.IsZero() || !errors.Is(context.Cause(i.ctx), esm.ErrDrainTimeout) {
		return
	}
	if s.drain()-i.began.Sub(l.stopped) < o.sim.limit() {
		for _, it := range i.items {
			o.records[it.Number].gambles++
		}
		o.sim.cover("begun late in the drain")
	}
}

// drain is the time that a stop leaves to what runs.
func (s *Scenario) drain() time.Duration {
	if s.Config.DrainTimeout == 0 {
		return esm.DefaultDrainTimeout
	}
	return s.Config.DrainTimeout
}
