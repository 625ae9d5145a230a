package simulation

import (
	"flag"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/openesm/openesm/sources"
)

// trouble is a part of scenarios, or a demand on the engine, that has a name, so that
// it can be left out, and dice of its own, so that the rest of a scenario is the same
// without it.
type trouble struct {
	name string
	draw func(s *Scenario, d dice, kind Kind)
}

// The troubles.
const (
	troubleLong        = "long"        // handlers take up to their time limit in calm runs, and redrive is strict
	troubleExpiry      = "expiry"      // nothing is started with less than the time limit left
	troubleExtend      = "extend"      // calls that extend records fail, or are denied
	troubleStuck       = "stuck"       // handlers ignore the end of their context for minutes, or for ever
	troubleAbandoned   = "abandoned"   // at most one more handler of each lane goes on when it is abandoned
	troubleWaiting     = "waiting"     // nothing waits in its source while there could be a lane for it
	troubleHung        = "hung"        // calls hang until their deadline
	troubleLate        = "late"        // receives are answered late
	troubleDestination = "destination" // destinations ignore their context
	troubleErrors      = "errors"      // handlers return odd errors
	troubleCallbacks   = "callbacks"   // observer, logger and jitter panic
	troubleJitter      = "jitter"      // jitter is always 0, or out of its range
	troubleThrottle    = "throttle"    // some records are throttled for ever
	troubleRate        = "rate"        // a backlog, of which a few batches fail
	troubleBytes       = "bytes"       // the bytes that an unordered mapping holds are bounded
	troublePoll        = "poll"        // polls take messages that arrive after a stop
	troubleBusy        = "busy"        // lanes run late, and handlers end just before their time limit
	troubleRest        = "rest"        // a few batches are retried in place, which hold less than was fetched
	troubleSettle      = "settle"      // settlements take as long as a call may, and stops come when little time is left
)

// pending are the troubles that the engine does not bear yet. Scenarios are drawn
// without them unless the flag -simulation.all is given, or -simulation.with names
// them. When it bears one, its name goes from here.
func pending() []string {
	return nil
}

//nolint:gochecknoglobals // flags of the test binary
var (
	flagAll  = flag.Bool("simulation.all", false, "simulate what the engine does not bear yet, too")
	flagWith = flag.String("simulation.with", "", "what of that to simulate: names of troubles, with commas between them")
)

// demanded reports whether a trouble is simulated.
func demanded(name string) bool {
	return *flagAll || !slices.Contains(pending(), name) || slices.Contains(strings.Split(*flagWith, ","), name)
}

// troubles are all there are, in the order in which they are drawn.
func troubles() []trouble {
	nothing := func(*Scenario, dice, Kind) {}
	return []trouble{
		{troubleLong, (*Scenario).long},
		{troubleExpiry, nothing},
		{troubleExtend, (*Scenario).extends},
		{troubleAbandoned, nothing},
		{troubleWaiting, nothing},
		{troubleHung, (*Scenario).hung},
		{troubleLate, (*Scenario).late},
		{troubleDestination, (*Scenario).deaf},
		{troubleErrors, (*Scenario).errors},
		{troubleCallbacks, (*Scenario).callbacks},
		{troubleJitter, (*Scenario).jitter},
		{troubleThrottle, (*Scenario).throttle},
		{troubleBytes, (*Scenario).bytes},
		{troublePoll, (*Scenario).poll},
		{troubleStuck, (*Scenario).stuck},
		{troubleRate, (*Scenario).rate},
		{troubleBusy, (*Scenario).busy},
		{troubleRest, (*Scenario).rest},
		{troubleSettle, (*Scenario).settle},
	}
}

// trouble draws the troubles that are simulated.
func (s *Scenario) trouble(kind Kind) {
	for _, t := range troubles() {
		if demanded(t.name) {
			t.draw(s, dice{rand.New(rand.NewPCG(s.Seed, hash(t.name)))}, kind)
		}
	}
	s.hide(kind)
}

// hash makes a number of a name.
func hash(name string) uint64 {
	h := fnv.New64()
	_, _ = h.Write([]byte(name))
	return h.Sum64()
}

// hide has messages hidden as long as SQS's pollers ask for: long enough to gather a
// batch and to handle it.
func (s *Scenario) hide(kind Kind) {
	const spare = 30 * time.Second
	if c := &s.Config; kind.Redelivers {
		s.Visibility = max(s.Visibility, max(c.MaximumBatchingWindow, 0)+c.Timeout+spare)
	}
}

// long has handlers take as long as they may, which is no fault: nothing may be
// handled twice or be redriven, whatever does not fit into a batch.
func (s *Scenario) long(d dice, kind Kind) {
	if !s.Calm || !d.chance(0.7) {
		return
	}
	const smallest = 40 // bytes; no record is too large for a batch
	c := &s.Config
	s.Long = true
	c.Timeout = pick(d, time.Second, 5*time.Second, 30*time.Second, time.Minute, 5*time.Minute)
	c.DrainTimeout = 2*c.Timeout + 30*time.Second //nolint:mnd // what runs, what a poll brings, and the calls
	s.Visibility = pick(d, c.Timeout, 2*c.Timeout, time.Hour)
	if kind.Redelivers {
		s.Redrive = pick(d, 1, 1, 1, 3)
	}
	if !kind.Ordered && d.chance(0.5) {
		c.MaximumBatchBytes = overhead + pick(d, 1, 2, 3)*(max(s.Size, smallest)+1)
	}
	if c.MaximumBatchBytes > 0 {
		c.MaximumBatchBytes = max(c.MaximumBatchBytes, overhead+max(s.Size, smallest)+1)
	}
}

// extends has the calls fail that extend records.
func (s *Scenario) extends(d dice, kind Kind) {
	if s.Calm || !kind.Redelivers {
		return
	}
	for _, f := range []Fault{before(OpExtend), after(OpExtend), FaultDenied} {
		if d.chance(0.3) {
			s.Faults[f] = pick(d, 0.1, 0.3)
		}
	}
	if s.Config.MaximumBatchBytes == 0 && d.chance(0.4) {
		s.Config.MaximumBatchBytes = overhead + 2*(s.Size+1)
	}
}

// stuck has handlers ignore the end of their context. For ever is only what has lanes
// beside it and comes back by itself.
func (s *Scenario) stuck(d dice, kind Kind) {
	if s.Calm || !d.chance(0.3) {
		return
	}
	s.Behaviors[behaviorStuck] = pick(d, 0.02, 0.1, 0.3)
	s.Stuck = pick(d, 2*time.Minute, 10*time.Minute, forever)
	if !kind.Redelivers {
		s.Stuck = min(s.Stuck, 10*time.Minute) //nolint:mnd // the longest above
	}
	if d.chance(0.5) { // and nothing else goes wrong
		s.Faults = make(map[Fault]float64)
		s.Behaviors = map[behavior]float64{behaviorStuck: s.Behaviors[behaviorStuck]}
		s.Poison, s.Jitter = 0, ""
		s.Config.Timeout = pick(d, 5*time.Second, time.Minute, 5*time.Minute, 15*time.Minute)
		if d.chance(0.5) {
			s.Behaviors, s.Hanging, s.Records = make(map[behavior]float64), d.number(4), max(s.Records, 20)
		}
	}
}

// hung has calls hang.
func (s *Scenario) hung(d dice, _ Kind) {
	if s.Calm || !d.chance(0.5) {
		return
	}
	for _, op := range hanging() {
		if d.chance(0.3) {
			s.Faults[hung(op)] = pick(d, 0.02, 0.1, 0.3)
		}
	}
}

// late has receives answered late.
func (s *Scenario) late(d dice, _ Kind) {
	if !s.Calm && d.chance(0.3) {
		s.Faults[FaultLate] = pick(d, 0.1, 0.3, 0.6)
	}
}

// deaf has destinations ignore the end of their context while there are faults.
func (s *Scenario) deaf(d dice, kind Kind) {
	if s.Calm || !kind.Ordered || !d.chance(0.3) {
		return
	}
	s.Faults[FaultDeaf] = pick(d, 0.1, 0.5)
}

// errors has handlers return what nobody expects.
func (s *Scenario) errors(d dice, kind Kind) {
	if s.Calm {
		return
	}
	for _, m := range oddBehaviors() {
		if d.chance(0.1) {
			s.Behaviors[m] = pick(d, 0.02, 0.1, 0.3)
		}
	}

	// How long such a wait may last is not documented.
	if s.Poison > 0 && !kind.Redelivers {
		delete(s.Behaviors, behaviorRetryAfter)
	}
}

// callbacks has the user's other functions panic.
func (s *Scenario) callbacks(d dice, kind Kind) {
	if s.Calm {
		return
	}
	for _, f := range []Fault{FaultObserver, FaultLogger, FaultJitter} {
		if d.chance(0.15) {
			s.Faults[f] = pick(d, 0.02, 0.3, 1)
		}
	}
	if kind.Drifts {
		delete(s.Faults, FaultJitter) // the engine's own randomness would stand in
	}
}

// jitter has waits drawn by a function that gives odd values.
func (s *Scenario) jitter(d dice, kind Kind) {
	if !s.Calm && !kind.Drifts && d.chance(0.3) {
		s.Jitter = pick(d, "0", "0", "1", "-1", "1e9", "NaN", "+Inf")
	}
}

// shares are the values that an odd Jitter gives.
func shares() map[string]float64 {
	return map[string]float64{"0": 0, "1": 1, "-1": -1, "1e9": 1e9, "NaN": math.NaN(), "+Inf": math.Inf(1)}
}

// throttle has the handler throttle what is poison, and not fail it.
func (s *Scenario) throttle(d dice, kind Kind) {
	if s.Poison == 0 || !d.chance(0.4) {
		return
	}
	s.Throttles = true
	if kind.Redelivers {
		s.Visibility, s.Redrive = min(s.Visibility, 2*time.Minute), pick(d, 1, 3)
	}
}

// bytes bounds what an unordered mapping holds.
func (s *Scenario) bytes(d dice, kind Kind) {
	if !kind.Ordered && d.chance(0.4) {
		s.Config.MaximumBufferedBytes = pick(d, 1, 2, 5, 50) * s.maxBytes()
	}
}

// poll has polls take messages that arrive when nobody waits for their answer any more.
func (s *Scenario) poll(d dice, kind Kind) {
	s.Polls = kind.Redelivers && d.chance(0.5)
	if s.Polls && s.Calm {
		s.Redrive = 1
		s.Stops = pick(d, 0, 1, 2)
		s.Config.DrainTimeout = max(s.Config.DrainTimeout, s.Config.Timeout+30*time.Second)
	}
}

// rest has batches that take less than a fetch brings, a few of which are retried in
// place for long. Nothing else goes wrong.
func (s *Scenario) rest(d dice, kind Kind) {
	if s.Calm || kind.Ordered || kind.Redelivers || !d.chance(0.1) {
		return
	}
	*s = Scenario{
		Seed: s.Seed, Records: 10 + d.IntN(40), Keys: 1, Size: 30, Partitions: 1, Visibility: time.Hour, AckBatch: 1,
		Bytes: s.Bytes, Slowest: s.Slowest, Faults: make(map[Fault]float64), Behaviors: make(map[behavior]float64),
	}
	s.Poison = s.Records / pick(d, 1, 2)
	s.Config.BatchSize = 10
	s.Config.MaximumBatchBytes = overhead + pick(d, 1, 2, 3)*(s.maxBytes()-recordBytes)
	s.Config.MaximumConcurrency = pick(d, 3, 5)
	s.Config.ReportBatchItemFailures = true
	s.Config.Timeout = time.Minute
}

// rate has a few invocations fail, of so many that the mapping has a backlog.
func (s *Scenario) rate(d dice, kind Kind) {
	if s.Calm || !kind.Redelivers || kind.Grouped || !d.chance(0.03) {
		return
	}
	*s = Scenario{
		Seed: s.Seed, Backlog: true, Records: 1500, Keys: 1, Size: 30, Partitions: 1, Visibility: time.Hour,
		Scaling:  &sources.Scaling{Initial: 2, Idle: 2, Max: 10, PerMinute: 60},
		AckBatch: 10, AckLinger: 20 * time.Millisecond, Slowest: 500 * time.Millisecond, Bytes: d.chance(0.5),
		Behaviors: map[behavior]float64{behaviorError: pick(d, 0.01, 0.05)}, Faults: make(map[Fault]float64),
	}
	s.Config.BatchSize = 1
	s.Config.Timeout = 5 * time.Second
}
