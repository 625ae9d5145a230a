package esm

import (
	"context"
	"sync"
	"time"
)

// gate holds the lanes of an unordered partition back after a failed fetch: until the
// back-off is over; then one of them tries, until one succeeds. So an outage costs one
// call at a time, and one line in the log, however many lanes there are. The zero
// value is open.
type gate struct {
	mu       sync.Mutex
	failures int // in a row; 0 for open
	trying   bool
	until    time.Time
	changed  chan struct{} // closed when one that tried is back; nil before the first failure
}

// enter waits until a fetch may be made, at most until deadline, and reports whether
// it may. The pass is given to succeeded, failed or back.
func (g *gate) enter(ctx context.Context, deadline time.Time) (pass, bool) {
	for {
		p, changed, wait := g.try(deadline)
		if p.given || wait <= 0 {
			return p, p.given
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		case <-changed:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return pass{}, false
		}
	}
}

// pass is the right to make one fetch.
type pass struct {
	given bool
	// failures is how many fetches had failed in a row, and tries says that this one
	// is the try after them.
	failures int
	tries    bool
}

func (g *gate) try(deadline time.Time) (pass, chan struct{}, time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures == 0 {
		return pass{given: true}, nil, 0
	}
	now := time.Now()
	if !g.trying && !now.Before(g.until) {
		g.trying = true
		return pass{given: true, failures: g.failures, tries: true}, nil, 0
	}
	wait := deadline.Sub(now)
	if !g.trying {
		wait = min(wait, g.until.Sub(now))
	}
	return pass{}, g.changed, wait
}

// succeeded opens the gate after the fetch of p. One that brought nothing, and began
// before the failure, says nothing about the service.
func (g *gate) succeeded(p pass, records int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures > 0 && (p.tries || records > 0) {
		g.failures, g.trying = 0, false
		g.tell()
	}
}

// failed closes the gate for the delay after so many failures in a row, and reports
// whether this failure is news: others that began before it fail of the same.
func (g *gate) failed(p pass, delay func(failures int) time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures != p.failures {
		return false
	}
	g.failures++
	g.until = time.Now().Add(delay(g.failures))
	g.trying = false
	g.tell()
	return true
}

// back gives a pass back that was not used.
func (g *gate) back(p pass) {
	if !p.tries {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.trying = false
	g.tell()
}

func (g *gate) tell() {
	if g.changed != nil {
		close(g.changed)
	}
	g.changed = make(chan struct{})
}
