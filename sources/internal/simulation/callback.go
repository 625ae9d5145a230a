package simulation

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"slices"
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
	fair  atomic.Bool // the faults have ended
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

// logger is the mapping's logger. Warnings are counted that the log has too often.
type logger struct {
	*callback

	telemetry *telemetry
}

// Enabled, Handle, WithAttrs and WithGroup are for package slog.
func (g logger) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= slog.LevelWarn || g.callback.Enabled(ctx, level)
}

func (g logger) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "reading the source failed, trying again" {
		g.telemetry.line()
	}
	return g.callback.Handle(ctx, r)
}

func (g logger) WithAttrs([]slog.Attr) slog.Handler { return g }

func (g logger) WithGroup(string) slog.Handler { return g }

// telemetry is what the mapping's observer and log were told of failures, and how many there were.
type telemetry struct {
	polls, commits, deliveries atomic.Int64

	// lastLine is when the log last told of a failed read, 0 if one has succeeded since.
	// row is how many such lines came one sooner after the other than the back-off
	// allows, and repeats the most there were in a row.
	lastLine, row, repeats atomic.Int64

	failed map[Op]int64
}

// line notes a line of the log.
func (h *telemetry) line() {
	const soon = 10 * time.Millisecond
	now := time.Now().UnixNano()
	if last := h.lastLine.Swap(now); last == 0 || now-last >= int64(soon) {
		h.row.Store(0)
	}
	h.repeats.Store(max(h.repeats.Load(), h.row.Add(1)))
}

// observe is Config.Observer.
func (l *Life) observe(o esm.Observation) {
	switch o.Metric {
	case esm.PolledEventCount:
		l.telemetry.lastLine.Store(0)
	case esm.PollingErrorCount:
		l.telemetry.polls.Add(int64(o.Count))
	case esm.CommitErrorCount:
		l.telemetry.commits.Add(int64(o.Count))
	case esm.OnFailureDestinationDeliveryErrorCount:
		l.telemetry.deliveries.Add(int64(o.Count))
	}
	if world, observes := l.sim.world.(observing); observes {
		world.Observed(l, o)
	}
	l.sim.callback.fails(FaultObserver)
}

// checkReported holds a failed call against P14: within a minute the mapping's observer
// has heard of as many failures of its kind as there were. After a stop it need not.
func (o *Observer) checkReported(l *Life, op Op) {
	h := &l.telemetry
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
		o.checkLog(l)
		if heard() < failed && l.stopped.IsZero() && !l.dead.Load() {
			o.violate(14, "nobody heard of a failed %s within a minute: %d of %d", op, heard(), failed)
		}
	})
}

// checkStuck holds an invocation that ended against P14: a mapping whose handler has
// made no progress for a minute has a problem. How long one lasts is not looked at. It holds
// the models only: an adapter loses partitions in ways of its own.
func (o *Observer) checkStuck(i *invocation, progress bool) {
	const (
		longest = 4 * time.Minute // between two invocations
		soon    = 3 * time.Second // the mapping has taken note
	)
	l, partition, now := i.life, i.partition(o), time.Now()
	moves := o.sim.kind.Name != "stream" || o.sim.Scenario.Disturbances+o.sim.Scenario.Revocations > 0
	if progress || i.ctx.Err() != nil || o.sim.kind.Ordered && moves {
		delete(l.stuck, partition)
		return
	}
	if l.stuck == nil {
		l.stuck = make(map[string]span)
	}
	s, known := l.stuck[partition]
	if !known || now.Sub(s.last) > longest {
		s.first = now
	}
	s.last = now
	l.stuck[partition] = s
	if now.Sub(s.first) < time.Minute {
		return
	}
	o.sim.cover(standsStill)
	o.sim.gate.after(soon, func() {
		goesOn := l.stuck[partition].first.Equal(s.first)
		if goesOn && l.stopped.IsZero() && !l.dead.Load() && !slices.ContainsFunc(l.mapping.Status().Problems, ofHandler) {
			o.violate(14, "the handler has made no progress with %q since %v, and Status does not say so", partition, s.first)
		}
	})
}

// ofHandler reports whether a problem is one of the handler.
func ofHandler(p esm.Problem) bool {
	switch p.Metric {
	case esm.InvokeErrorCount, esm.FailedInvokeEventCount, esm.ThrottledEventCount:
		return true
	default:
		return false
	}
}

// standsStill is counted when the handler has made no progress for a minute.
const standsStill = "no progress"

// checkLog holds the log against P9: an outage is one line for each back-off, however
// many lanes meet it. A line or two may be of what began before. Each partition of an
// ordered source has its own.
func (o *Observer) checkLog(l *Life) {
	const most = 3
	if repeats := l.telemetry.repeats.Load(); repeats > most && !o.sim.kind.Ordered {
		o.violate(9, "the log told of a failed read %d times at once", repeats)
	}
}

// Failed tells of a call that fails, or hangs until its deadline, before the mapping
// can know, of a world whose calls do not fail by [Life.Call]. The mapping's observer
// must hear of it within a minute if it is an OpStart or OpFetch (P14), and must not
// hear of more failures than there are (P15).
func (o *Observer) Failed(l *Life, op Op) {
	switch op {
	case OpStart, OpFetch:
		o.checkReported(l, op)
	default:
		if l.telemetry.failed == nil {
			l.telemetry.failed = make(map[Op]int64)
		}
		l.telemetry.failed[op]++
	}
	o.sim.gate.after(time.Minute, func() { o.checkTrue(l) })
}

// checkTrue holds what the mapping's observer heard of failed reads against P15: there
// were as many failures, of reads or of calls that its source makes by itself.
func (o *Observer) checkTrue(l *Life) {
	all := int64(0)
	for _, failed := range l.telemetry.failed {
		all += failed
	}
	if heard := l.telemetry.polls.Load(); heard > all && !l.dead.Load() {
		o.violate(15, "the observer heard of %d failed calls, there were %d", heard, all)
	}
}
