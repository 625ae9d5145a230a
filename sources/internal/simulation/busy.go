package simulation

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/openesm/openesm/sources"
)

// busy has lanes run late, as those of a busy machine do: the handler begins some time
// after its context, and takes all but a moment of its time limit. So its context ends
// before it returns, though it takes no longer than it may.
func (s *Scenario) busy(d dice, _ Kind) {
	if s.Long && d.chance(0.3) {
		s.Busy = pick(d, 50*time.Millisecond, 200*time.Millisecond)
		s.Bytes = true
	}
}

// most is nearly all of the handler's time limit, so that the time that a busy machine
// keeps its lane is more than what is left.
func (s *Sim) most() time.Duration {
	const turns = 2 * time.Millisecond // what the gate adds
	s.cover(troubleBusy)
	return s.limit() - turns - time.Duration(s.rng.Int64N(int64(s.Scenario.Busy/2))) //nolint:mnd // often less than the delay
}

// delayHandler keeps a lane that is about to run the handler.
func (l *Life) delayHandler(records []sources.Record) {
	longest := l.sim.Scenario.Busy
	if longest == 0 {
		return
	}
	at := func(rng *rand.Rand) time.Duration { return time.Duration(rng.Int64N(int64(longest))) }
	_ = l.rest(labels("busy", records), at, func(c *call) { l.finish(c, nil) })
}

// handlerContext is the context that a handler watches: one without an end, if all of the
// scenario's handlers end in their time.
func (l *Life) handlerContext(ctx context.Context) context.Context {
	if l.sim.Scenario.Busy > 0 {
		return context.WithoutCancel(ctx)
	}
	return ctx
}

// ignoresContext reports whether a handler goes on though its context has ended.
func (i *invocation) ignoresContext() bool {
	return i.plan.behavior == behaviorSlow || i.life.sim.Scenario.Busy > 0
}

// inTime reports whether a handler that ends now took less than its time limit, by its
// own clock.
func (i *invocation) inTime() bool { return time.Since(i.began) < i.life.sim.limit() }
