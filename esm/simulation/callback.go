package simulation

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/esm"
)

// callback is what the user gives a mapping besides the handler: its logger and its
// jitter. All of it is called by the mapping's goroutines, so what it does depends on
// the instant only, and not on who asks first.
type callback struct {
	seed  uint64
	rates map[Fault]float64
	share float64
	odd   bool        // share is what jitter gives
	fair  atomic.Bool // the weather is good
}

func newCallback(s *Scenario) *callback {
	c := &callback{seed: s.Seed, rates: make(map[Fault]float64)}
	c.share, c.odd = shares()[s.Jitter]

	for _, f := range []Fault{FaultObserver, FaultLogger, FaultJitter} {
		c.rates[f] = s.Faults[f]
	}

	return c
}

// fails panics now and then.
func (c *callback) fails(f Fault) {
	rate := c.rates[f]
	if rate == 0 || c.fair.Load() {
		return
	}

	if c.draw(hash(string(f))) < rate {
		panic("simulation: " + string(f))
	}
}

// draw is a random number of the instant.
func (c *callback) draw(what uint64) float64 {
	return rand.New(rand.NewPCG(c.seed^what, uint64(time.Now().UnixNano()))).Float64()
}

// jitter is Config.Jitter.
func (c *callback) jitter() float64 {
	c.fails(FaultJitter)

	if c.odd && !c.fair.Load() {
		return c.share
	}

	return c.draw(0)
}

// Enabled, Handle, WithAttrs and WithGroup are for package slog.
func (c *callback) Enabled(context.Context, slog.Level) bool { return c.rates[FaultLogger] > 0 }

func (c *callback) Handle(context.Context, slog.Record) error {
	c.fails(FaultLogger)

	return nil
}

func (c *callback) WithAttrs([]slog.Attr) slog.Handler { return c }

func (c *callback) WithGroup(string) slog.Handler { return c }

// hearing is what the mapping's observer heard of failures, and what happened.
type hearing struct {
	polls, commits, deliveries atomic.Int64

	failed map[Op]int64
}

// observe is Config.Observer.
func (l *Life) observe(o esm.Observation) {
	switch o.Metric { //nolint:exhaustive // the others are no failures
	case esm.PollingErrorCount:
		l.hearing.polls.Add(int64(o.Count))
	case esm.CommitErrorCount:
		l.hearing.commits.Add(int64(o.Count))
	case esm.OnFailureDestinationDeliveryErrorCount:
		l.hearing.deliveries.Add(int64(o.Count))
	}

	if world, observes := l.sim.world.(observing); observes {
		world.Observed(l, o)
	}

	l.sim.callback.fails(FaultObserver)
}

// checkHeard holds a failed call against P14: within a minute the mapping's observer
// has heard of as many failures of its kind as there were. After a stop it need not.
func (o *Observer) checkHeard(l *Life, op Op) {
	h := &l.hearing
	if h.failed == nil {
		h.failed = make(map[Op]int64)
	}

	h.failed[op]++

	if !l.stopped.IsZero() || o.sim.kind.Ordered && o.sim.Scenario.Disturbances+o.sim.Scenario.Revocations > 0 {
		return
	}

	var failed int64

	heard := func() int64 { return h.polls.Load() }

	switch op {
	case OpStart, OpAccept, OpFetch:
		failed = h.failed[OpStart] + h.failed[OpAccept] + h.failed[OpFetch]
	case OpAck:
		failed, heard = h.failed[OpAck], h.commits.Load
	case OpDeliver:
		failed, heard = h.failed[OpDeliver], h.deliveries.Load
	case OpExtend: // either will do
		failed = h.failed[OpStart] + h.failed[OpAccept] + h.failed[OpFetch] + h.failed[OpAck] + h.failed[OpExtend]
		heard = func() int64 { return h.polls.Load() + h.commits.Load() }
	default:
		return
	}

	o.sim.gate.after(time.Minute, func() {
		if heard() < failed && l.stopped.IsZero() && !l.dead.Load() {
			o.violate(14, "nobody heard of a failed %s within a minute: %d of %d", op, heard(), failed)
		}
	})
}
