package wiretest

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Gate lets every call of a fake through, with the fault that a test chooses,
// unless it is shut. What comes later waits for the test.
type Gate[C, F any] struct {
	mu    sync.Mutex
	shut  bool
	fault F
	calls []C
	later []Event
}

// Event is what a fake is to do later.
type Event struct {
	Run func()

	text string
}

// Pass lets the call through.
func (g *Gate[C, F]) Pass(_ context.Context, c C, do func(F)) {
	g.mu.Lock()
	g.calls = append(g.calls, c)
	shut, fault := g.shut, g.fault
	g.mu.Unlock()
	if !shut {
		do(fault)
	}
}

// After keeps what is to be done later.
func (g *Gate[C, F]) After(d time.Duration, what string, run func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.later = append(g.later, Event{Run: run, text: what + " " + d.String()})
}

// Shut lets no call through any more.
func (g *Gate[C, F]) Shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
}

// Open lets calls through with the fault.
func (g *Gate[C, F]) Open(fault F) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut, g.fault = false, fault
}

// Calls returns the calls so far.
func (g *Gate[C, F]) Calls() []C {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls)
}

// Next waits until the bubble is idle, returns what is to be done later, and
// forgets it. It must be what is wanted, such as "poll 20s".
func (g *Gate[C, F]) Next(t *testing.T, want ...string) []Event {
	t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	later := g.later
	g.later = nil
	got := make([]string, len(later))
	for i, e := range later {
		got[i] = e.text
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q to be done later, want %q", got, want)
	}
	return later
}
