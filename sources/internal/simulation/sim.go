package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// Sim is one simulation: a world, a scenario and the lives of a mapping.
type Sim struct {
	Scenario Scenario

	kind      Kind
	rng       *rand.Rand // of the simulation's goroutine
	gate      *gate
	world     World
	traits    sources.Traits
	overhead  int
	observer  *Observer
	failing   bool // handlers fail poison, and until calmed faults happen too
	calmed    bool // the faults have ended
	late      bool // answers may be, or might have been
	hungUntil time.Time
	violation *Violation
	coverage  map[string]int

	hanging  int       // handlers that hung, as the first ones do
	sticking int       // handlers that ignore their context for ever
	deaf     []func()  // ends deliveries that ignore theirs
	callback *callback // the user's functions

	slots []*slot // the places for processes, one at a time in each
	lives []*Life // all there were
	runs  sync.WaitGroup
	over  chan struct{} // closed in the end, for handlers that nothing else ends
	done  bool
}

// Observer returns the observer, which a world tells what happens in it.
func (s *Sim) Observer() *Observer { return s.observer }

// After runs something in the simulation's goroutine, d later and alone, for a
// service that does something of its own accord. May be called from any
// goroutine. label tells apart what is asked for at one instant.
func (s *Sim) After(d time.Duration, label string, run func()) {
	s.gate.enter(&event{label: label, delay: func(*rand.Rand) time.Duration { return d }, run: run})
}

// Result is how a simulation ended.
type Result struct {
	Violation *Violation
	History   []string
	Coverage  map[string]int
	// Steps is how many events there were.
	Steps int
}

// wrap lets the tests of the checkers break a source.
type wrap func(*Sim, sources.Source) sources.Source

// simulate runs a scenario in a bubble of its own. A bubble panics if goroutines are
// left when it ends: somebody has left one behind.
func simulate(t *testing.T, kind Kind, scenario Scenario, broken wrap) (result Result) {
	t.Helper()
	var s *Sim
	defer func() {
		value := recover()
		if value == nil {
			return
		}
		text := fmt.Sprint(value)
		if s == nil || !strings.HasPrefix(text, "deadlock") {
			panic(fmt.Sprintf("simulation: seed %d of %s: %s", scenario.Seed, kind.Name, text))
		}
		result = s.result()
		if result.Violation == nil {
			result.Violation = &Violation{11, text}
		}
	}()
	synctest.Test(t, func(*testing.T) {
		s = &Sim{
			Scenario: scenario, kind: kind,
			rng:     rand.New(rand.NewPCG(scenario.Seed, 2)),
			failing: !scenario.Calm, coverage: make(map[string]int), over: make(chan struct{}),
		}
		s.callback = newCallback(&s.Scenario)
		s.gate = newGate(s.rng)
		s.observer = newObserver(s)
		s.world = kind.New(s)
		s.play(broken)
		result = s.result()
	})
	return result
}

func (s *Sim) result() Result {
	return Result{s.violation, s.observer.history, s.coverage, s.gate.steps}
}

// bounds of a simulation in virtual time.
const (
	// calmAfter is how long the faults last after the last record.
	calmAfter = time.Minute
	// patience is how long draining may take without faults.
	patience = 48 * time.Hour
	// settleGrace is how long the engine settles after its drain timeout.
	settleGrace = 5 * time.Second
)

// play runs the scenario: with its faults first, then without any, when everything must
// drain.
func (s *Sim) play(broken wrap) {
	s.place()
	s.plan(broken)
	s.populate(broken)
	s.observer.watch()
	end := s.Scenario.Spread + calmAfter
	s.gate.after(end, func() {
		s.calm()
		if s.Scenario.Poison == 0 {
			s.heal()
		} else {
			s.gate.after(s.isolation(), func() {
				s.observer.checkIsolation()
				s.observer.checkThrottled()
				s.heal()
			})
		}
	})
	s.gate.run(func() bool { return s.violation != nil || s.done })
	if s.violation == nil {
		s.observer.checkEnd()
	}
	s.finish()
}

// plan schedules what happens besides the mapping's own doing.
func (s *Sim) plan(broken wrap) {
	c := &s.Scenario
	for n := range c.Records {
		r := Record{Number: n, Data: body(n, s.rng.IntN(c.Size+1))}
		if s.kind.Ordered || s.kind.Grouped {
			r.Key = fmt.Sprintf("key-%d", s.rng.IntN(c.Keys))
		}

		// In the order of their numbers, which are given at the same time.
		s.gate.after(c.Spread*time.Duration(n)/time.Duration(c.Records), func() { s.world.Send(r) })
	}
	span := int64(c.Spread + calmAfter)
	for range c.Disturbances {
		s.gate.after(time.Duration(s.rng.Int64N(span)), s.world.Disturb)
	}
	for range c.Stops {
		s.gate.after(time.Duration(s.rng.Int64N(span)), func() { s.stop(s.any(), broken) })
	}
	if c.KillAt+c.KillAfter > 0 {
		s.gate.between = func(step int, after bool) {
			if !after && step == c.KillAt || after && step == c.KillAfter {
				s.kill(s.any(), broken)
			}
		}
	}
	for range c.Kills {
		s.gate.after(time.Duration(s.rng.Int64N(span)), func() { s.kill(s.any(), broken) })
	}
}

// calm ends the faults. Poison stays until the healing.
func (s *Sim) calm() {
	s.observer.log("the faults end")
	s.calmed = true
	s.callback.fair.Store(true)
	for _, end := range s.deaf {
		end()
	}
	if s.hangs() {
		s.hungUntil = time.Now().Add(time.Minute)
	}
	s.Scenario.Faults = nil
	s.Scenario.Behaviors = nil
	if world, is := s.world.(calming); is {
		world.Calm()
	}
}

// heal ends everything that is bad and waits until all is drained.
func (s *Sim) heal() {
	s.failing = false
	s.observer.log("everything works")
	patience := s.patience()
	deadline := time.Now().Add(patience)
	var look func()
	look = func() {
		switch {
		case s.observer.drained():
			s.rest()
		case time.Now().After(deadline):
			s.observer.checkEnd()
			if s.violation == nil {
				s.observer.violate(1, "not drained within %v", patience)
			}
		default:
			s.gate.after(time.Second+time.Until(deadline)/100, look)
		}
	}
	look()
}

// isolation is how long a poison record may try to hold up others: as long as
// they may need to be retried. Poison of one group is ended by the redrive rule one
// after the other.
func (s *Sim) isolation() time.Duration {
	const rounds = 12
	c := &s.Scenario
	switch {
	case s.kind.Patience > 0:
		return s.kind.Patience / 2 //nolint:mnd // as long as it may take afterwards
	case !s.kind.Redelivers:
		return time.Hour + rounds*c.Config.RetryBackoff.Max
	}
	all := rounds
	if s.kind.Grouped || c.Throttles {
		all += (c.Records/c.Poison + 1) * c.Redrive
	}
	return time.Hour + time.Duration(all)*c.Visibility
}

// begin starts a new life.
func (s *Sim) begin(at *slot, broken wrap) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &Life{sim: s, slot: at.number, number: len(s.lives) + 1, cancel: cancel, calls: make(map[*call]struct{})}
	at.life = l
	s.lives = append(s.lives, l)
	s.observer.born(l)
	source := s.world.Open(l)
	if broken != nil {
		source = broken(s, source)
	}
	source = marked{source, l}
	s.traits = source.Traits()
	s.overhead = s.traits.EventOverhead
	mapping, err := esm.New(source, l.handler(), l.config())
	if err != nil {
		panic(fmt.Sprintf("simulation: seed %d has a bad configuration: %v\n%v", s.Scenario.Seed, err, &s.Scenario))
	}
	l.mapping = mapping
	s.runs.Go(func() {
		err := mapping.Run(ctx)
		_ = l.rest("run ended", latencyNone, func(c *call) {
			l.ended, l.err = true, err
			s.observer.checkStopped(l)
			l.finish(c, nil)
		})
		cancel()
	})
}

func latencyNone(*rand.Rand) time.Duration { return 0 }

// config is the scenario's configuration with the parts that are not plain.
func (l *Life) config() esm.Config {
	s := l.sim
	c := s.Scenario.Config
	c.Logger = slog.New(logger{s.callback, &l.telemetry})
	c.Observer = l.observe
	c.Jitter = s.callback.jitter
	if s.Scenario.Reject > 0 {
		c.Filter = func(r *sources.Record) bool { return Number(r.Data)%s.Scenario.Reject != 0 }
	}
	if s.Scenario.Destination {
		c.OnFailure = esm.DestinationFunc(l.deliver)
	}
	return c
}

// revocation is how long an engine may keep a partition that is revoked: a
// handler that runs out of its time and hears nothing of that, and the calls to
// settle what ended before.
func (s *Sim) revocation() time.Duration {
	const grace, calls = time.Second, 15 * time.Second
	return s.limit() + grace + calls + 2*s.Scenario.Settles
}

// stopLimit is how long a stop may take.
func (s *Sim) stopLimit() time.Duration {
	calls := 10*time.Second + 2*s.Scenario.Settles // those under way, and a handler's grace
	if s.hangs() {
		calls += 30 * time.Second //nolint:mnd // until the deadline of one that settles
	}
	return s.Scenario.drain() + settleGrace + calls
}

// tell tells a life to stop.
func (s *Sim) tell(l *Life) {
	s.observer.log("life %d: is stopped", l.number)
	l.stopped = time.Now()
	l.cancel()
	s.gate.after(s.stopLimit(), func() {
		if !l.ended && !l.dead.Load() {
			s.observer.violate(11, "Run has not returned %v after the stop", s.stopLimit())
		}
	})
}

// stop stops a mapping and starts it again later.
func (s *Sim) stop(at *slot, broken wrap) {
	l := at.life
	if !l.running() {
		return // it is going down already
	}
	s.tell(l)
	s.cover("stop")
	var again func()
	again = func() {
		switch {
		case l.dead.Load() || at.life != l:
		case l.ended:
			s.begin(at, broken)
		default:
			s.gate.after(time.Second, again)
		}
	}
	again()
}

// kill kills a process and starts another one later.
func (s *Sim) kill(at *slot, broken wrap) {
	l := at.life
	if l == nil || l.dead.Load() || s.done {
		return
	}
	s.observer.log("life %d: is killed", l.number)
	s.cover("kill")
	l.kill()
	s.world.Killed(l)
	s.gate.after(time.Duration(s.rng.Int64N(int64(10*time.Second))), func() { s.begin(at, broken) })
}

// finish ends all lives, so that the bubble can end.
func (s *Sim) finish() {
	for _, l := range s.lives {
		if !l.dead.Load() {
			l.kill()
		}
	}
	close(s.over)
	ended := make(chan struct{})
	go func() {
		s.runs.Wait()
		close(ended)
	}()
	s.gate.between = nil
	deadline := time.Now().Add(patience)
	s.gate.run(func() bool {
		select {
		case <-ended:
			return true
		default:
			return time.Now().After(deadline)
		}
	})
	if time.Now().After(deadline) && s.violation == nil {
		s.observer.violate(11, "Run has not returned %v after everything it waits for was cut off", patience)
	}
	s.world.Close()
	synctest.Wait()
}
