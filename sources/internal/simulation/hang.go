package simulation

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Hold keeps back the answer of a call for a while, unless its caller goes away.
func (l *Life) Hold(ctx context.Context, d time.Duration, label string) {
	_ = l.pass(ctx, "answer "+label, func(*rand.Rand) time.Duration { return d }, func(c *call) { l.finish(c, nil) })
}

// Hang keeps back the answer of a call until its caller goes away, which P11 says it
// does: every call has a deadline.
func (l *Life) Hang(ctx context.Context, label string) {
	const deadline = 45 * time.Second // a long poll and some seconds; others have less
	var gone atomic.Bool
	l.sim.After(deadline, "deadline of "+label, func() {
		if !gone.Load() && !l.dead.Load() && !l.ended {
			l.sim.observer.violate(11, "life %d waits %v for %q, which is not answered", l.number, deadline, label)
		}
	})
	l.Hold(ctx, forever, label)
	gone.Store(true)
}
