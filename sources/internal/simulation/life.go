package simulation

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// errKilled is what calls of a killed process return; nobody is there to see it.
var errKilled = errors.New("simulation: the process was killed")

// Life is one process in which the mapping runs: from its start to its stop or
// kill. What it keeps in memory is gone afterwards.
type Life struct {
	sim    *Sim
	number int
	slot   int
	cancel context.CancelFunc
	dead   atomic.Bool
	closed atomic.Bool        // the source was closed
	calls  map[*call]struct{} // under way; guarded by the gate's mutex
	// Of the simulation's goroutine:
	stopped time.Time // when it was told to stop
	handled time.Time // when an invocation ended last
	ended   bool      // Run has returned
	err     error     // what Run returned
	// deliveries are the contexts of deliveries that began.
	deliveries []context.Context
	telemetry  telemetry
	mapping    *esm.Mapping
	// stuck is since when all invocations with records of a partition fail, or are
	// throttled.
	stuck map[string]span
}

// span is from the first to the last of something.
type span struct{ first, last time.Time }

// call is something that a mapping waits for.
type call struct {
	op     Op // the first word of its label
	done   chan struct{}
	closed bool // guarded by the gate's mutex
	err    error
}

// marked notes that a source was closed.
type marked struct {
	sources.Source
	life *Life
}

func (m marked) Unwrap() sources.Source { return m.Source }

func (m marked) Close(ctx context.Context) error {
	m.life.closed.Store(true)
	return m.Source.Close(ctx)
}

// Call passes the gate: effect runs in the simulation's goroutine, alone, some
// time later, and Call returns what it returns. label tells calls apart that
// arrive at one instant. If ctx is done first there is no effect and ctx's error
// is returned. A call of a killed life has no effect.
func (l *Life) Call(ctx context.Context, label string, effect func() error) error {
	return l.wait(ctx, label, latency, func(c *call) { l.finish(c, effect()) })
}

// attempt is Call for an operation, which may fail before or after its effect, or hang
// with it or without.
func (l *Life) attempt(ctx context.Context, op Op, label string, effect func() error) error {
	return l.wait(ctx, label, latency, func(c *call) { l.try(c, op, effect) })
}

// try is what attempt does in its turn.
func (l *Life) try(c *call, op Op, effect func() error) {
	d, hung := l.sim.Hung(op)
	if !hung {
		l.fail(c, l.sim.Faulty(op, effect))
		return
	}
	if l.sim.rng.IntN(2) == 0 {
		_ = effect() // and nobody hears of it
	}
	l.sim.gate.after(d, func() { l.fail(c, errHung) })
}

// failing draws whether a call without an effect of its own fails or hangs.
func (l *Life) failing(c *call, op Op) bool {
	if d, hung := l.sim.Hung(op); hung {
		l.sim.gate.after(d, func() { l.fail(c, errHung) })
		return true
	}
	err := l.sim.Faulty(op, func() error { return nil })
	if err != nil {
		l.fail(c, err)
	}
	return err != nil
}

// fail ends a call of the service with an error, or without one if that is nil. The
// mapping's observer must hear of an error.
func (l *Life) fail(c *call, err error) {
	if l.finish(c, err) && (errors.Is(err, errFault) || errors.Is(err, errHung)) {
		l.sim.observer.checkReported(l, c.op)
	}
}

// latency is how long a call to a service takes.
func latency(rng *rand.Rand) time.Duration {
	const usual, slow = 20, 3000
	if rng.IntN(usual) == 0 {
		return time.Duration(rng.IntN(slow)) * time.Millisecond
	}
	return time.Duration(rng.IntN(usual)) * time.Millisecond
}

// promptly is the latency of what does not outlast ctx by long.
func promptly(ctx context.Context) func(*rand.Rand) time.Duration {
	return func(rng *rand.Rand) time.Duration {
		if ctx.Err() != nil {
			return 0
		}
		return latency(rng)
	}
}

// wait passes the gate and waits until run, or something that run started,
// finishes the call, which the observer is told of.
func (l *Life) wait(ctx context.Context, label string, delay func(*rand.Rand) time.Duration, run func(*call)) error {
	sent := time.Now()
	return l.pass(ctx, label, delay, func(c *call) {
		l.sim.observer.called(l, label, sent)
		run(c)
	})
}

// Turn does something in its turn, and returns when it is done; a killed life does
// nothing any more.
func (l *Life) Turn(label string, do func()) {
	at := func(*rand.Rand) time.Duration { return 0 }
	_ = l.rest(label, at, func(c *call) {
		do()
		l.finish(c, nil)
	})
}

// Number tells the life from all others of the simulation, and Slot the place in which
// its process runs.
func (l *Life) Number() int { return l.number }

// Slot is the number of the place in which the process runs, one after the other.
func (l *Life) Slot() int { return l.slot }

// Running reports whether the process lives and was not told to stop. Only for the
// simulation's goroutine.
func (l *Life) Running() bool { return l.running() }

// Over reports whether nothing is left of the process: it was killed, or Run has
// returned. Only for the simulation's goroutine.
func (l *Life) Over() bool { return l.isOver() }

// rest is pass for what nothing cancels but a kill.
func (l *Life) rest(label string, delay func(*rand.Rand) time.Duration, run func(*call)) error {
	return l.pass(context.Background(), label, delay, run)
}

// pass is wait for what is no call of the mapping.
func (l *Life) pass(ctx context.Context, label string, delay func(*rand.Rand) time.Duration, run func(*call)) error {
	op, _, _ := strings.Cut(label, " ")
	c := &call{op: Op(op), done: make(chan struct{})}
	g := l.sim.gate
	g.mu.Lock()
	if l.dead.Load() {
		g.mu.Unlock()
		return errKilled
	}
	l.calls[c] = struct{}{}
	g.mu.Unlock()
	g.enter(&event{label: label, delay: delay, run: func() {
		if !l.over(c) {
			run(c)
		}
	}})
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
	}
	if l.finish(c, ctx.Err()) {
		return ctx.Err()
	}
	return c.err
}

// over reports whether the call has ended: its caller has left, or died.
func (l *Life) over(c *call) bool {
	l.sim.gate.mu.Lock()
	defer l.sim.gate.mu.Unlock()
	return c.closed
}

// finish ends a call, and reports whether it had not ended before.
func (l *Life) finish(c *call, err error) bool {
	l.sim.gate.mu.Lock()
	defer l.sim.gate.mu.Unlock()
	if c.closed {
		return false
	}
	c.closed, c.err = true, err
	delete(l.calls, c)
	close(c.done)
	return true
}

// kill ends the process: no call of it has any effect from now on. The
// goroutines, which a real kill would end, are left to run into errors.
func (l *Life) kill() {
	g := l.sim.gate
	g.mu.Lock()
	l.dead.Store(true)
	for c := range l.calls {
		c.closed, c.err = true, errKilled
		close(c.done)
	}
	l.calls = nil
	g.mu.Unlock()
	l.cancel()
}
