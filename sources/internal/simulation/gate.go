package simulation

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"slices"
	"sync"
	"testing/synctest"
	"time"
)

// gate is where everything that crosses the border of a mapping waits for its
// turn: calls to the source, invocations, deliveries. One goroutine, the
// simulation's, lets them through one at a time, each at an instant of its own
// and only when every other goroutine is blocked. So the world needs no lock,
// and what happens depends on the seed alone.
type gate struct {
	rng *rand.Rand // of the simulation's goroutine

	mu      sync.Mutex // of what follows; nothing blocks under it
	arrived []*event
	wake    chan struct{}

	pending schedule
	ticks   int64
	steps   int
	// between is called before and after each step; nil for nothing.
	between func(step int, after bool)
}

// event is something that happens at an instant.
type event struct {
	// label orders the events that arrived between two steps.
	label string
	// delay is drawn by the simulation's goroutine when it first sees the event.
	delay func(*rand.Rand) time.Duration
	run   func()
	due   time.Time
}

func newGate(rng *rand.Rand) *gate {
	return &gate{rng: rng, wake: make(chan struct{}, 1)}
}

// enter adds an event, from any goroutine.
func (g *gate) enter(e *event) {
	g.mu.Lock()
	g.arrived = append(g.arrived, e)
	g.mu.Unlock()
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// after adds an event from the simulation's goroutine.
func (g *gate) after(d time.Duration, run func()) {
	e := &event{run: run, due: g.instant(d)}
	heap.Push(&g.pending, e)
}

// instant is the moment in d, moved a little so that no two events share one.
func (g *gate) instant(d time.Duration) time.Time {
	const grain = 100 * time.Microsecond
	g.ticks++
	return time.Now().Add(d).Truncate(grain).Add(grain + time.Duration(g.ticks%int64(grain)))
}

// run lets events through until over says so.
func (g *gate) run(over func() bool) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		synctest.Wait()
		g.absorb()
		if over() {
			return
		}
		wait := time.Hour
		if len(g.pending) > 0 {
			wait = time.Until(g.pending[0].due)
		}
		if wait <= 0 {
			e, _ := heap.Pop(&g.pending).(*event)
			g.step(e)
			continue
		}
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-g.wake:
		}
	}
}

func (g *gate) step(e *event) {
	g.steps++
	if g.between != nil {
		g.between(g.steps, false)
	}
	e.run()
	if g.between != nil {
		g.between(g.steps, true)
	}
}

// absorb gives the events that arrived their instants, in an order that does
// not depend on the Go scheduler.
func (g *gate) absorb() {
	g.mu.Lock()
	arrived := g.arrived
	g.arrived = nil
	g.mu.Unlock()
	slices.SortStableFunc(arrived, func(a, b *event) int { return cmp.Compare(a.label, b.label) })
	for _, e := range arrived {
		e.due = g.instant(e.delay(g.rng))
		heap.Push(&g.pending, e)
	}
}

// schedule is a heap of events by instant.
type schedule []*event //nolint:recvcheck // as container/heap wants it

func (s schedule) Len() int           { return len(s) }
func (s schedule) Less(i, j int) bool { return s[i].due.Before(s[j].due) }
func (s schedule) Swap(i, j int)      { s[i], s[j] = s[j], s[i] }

// Push is for package heap.
func (s *schedule) Push(x any) {
	if e, ok := x.(*event); ok {
		*s = append(*s, e)
	}
}

// Pop is for package heap.
func (s *schedule) Pop() any {
	last := len(*s) - 1
	e := (*s)[last]
	(*s)[last] = nil
	*s = (*s)[:last]
	return e
}
