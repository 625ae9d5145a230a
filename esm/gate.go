package esm

import (
	"context"
	"slices"
	"sync"
	"time"
)

// gate holds the lanes of an unordered partition back after a failed fetch: until the
// back-off is over; then one of them tries, first come first served, until one
// succeeds. So an outage costs one call at a time, and one line in the log, however
// many lanes there are. The zero value is open.
type gate struct {
	mu       sync.Mutex
	failures int // in a row; 0 for open
	openings int // how often it was opened
	trying   bool
	until    time.Time
	waiters  []chan struct{} // each is closed when it may look again
}

// pass is the right to make one fetch. It is given to one of succeeded, failed and
// back.
type pass struct {
	// failures is how many fetches had failed in a row since so many openings, and
	// tries says that this one is the try after them.
	failures, openings int
	tries              bool
}

// enter waits until a fetch may be made, at most until deadline, and reports whether
// it may.
func (g *gate) enter(ctx context.Context, deadline time.Time) (pass, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures == 0 {
		return pass{}, true
	}
	wake := make(chan struct{})
	g.waiters = append(g.waiters, wake)
	defer g.leave(&wake)
	for g.failures > 0 {
		now, end := time.Now(), deadline
		first := !g.trying && g.waiters[0] == wake
		if first && !now.Before(g.until) {
			g.trying = true
			return pass{failures: g.failures, openings: g.openings, tries: true}, true
		}
		if first && g.until.Before(end) {
			end = g.until
		}
		if ctx.Err() != nil || !now.Before(deadline) {
			return pass{}, false
		}
		g.mu.Unlock()
		awaitUntil(ctx, wake, end.Sub(now))
		g.mu.Lock()
		if i := slices.Index(g.waiters, wake); i < 0 { // it was woken
			wake = make(chan struct{})
			g.waiters = slices.Insert(g.waiters, 0, wake)
		}
	}
	return pass{}, true
}

// leave takes a waiter away, and has the next one look.
func (g *gate) leave(wake *chan struct{}) {
	first := len(g.waiters) > 0 && g.waiters[0] == *wake
	g.waiters = slices.DeleteFunc(g.waiters, func(w chan struct{}) bool { return w == *wake })
	if first && !g.trying && g.failures > 0 {
		g.wakeFirst()
	}
}

func (g *gate) wakeFirst() {
	if len(g.waiters) > 0 {
		close(g.waiters[0])
		g.waiters = g.waiters[1:]
	}
}

// awaitUntil waits for wake, the end of ctx, or so long.
func awaitUntil(ctx context.Context, wake <-chan struct{}, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-timer.C:
	}
}

// succeeded opens the gate after the fetch of p. One that brought nothing, and began
// before the failure, says nothing about the service.
func (g *gate) succeeded(p pass, records int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures == 0 || (!p.tries || g.outlasted(p)) && records == 0 {
		return
	}
	g.failures, g.trying = 0, false
	g.openings++
	for _, w := range g.waiters {
		close(w)
	}
	g.waiters = nil
}

// failed closes the gate for the delay after so many failures in a row, and reports
// whether this failure is news: others that began before it fail of the same.
func (g *gate) failed(p pass, delay func(failures int) time.Duration) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.failures != p.failures || g.outlasted(p) {
		return false
	}
	g.failures++
	g.until = time.Now().Add(delay(g.failures))
	g.trying = false
	g.wakeFirst()
	return true
}

// back gives a pass back that was not used.
func (g *gate) back(p pass) {
	if !p.tries {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.outlasted(p) {
		g.trying = false
		g.wakeFirst()
	}
}

// outlasted reports whether p is a try after an outage that another fetch ended.
func (g *gate) outlasted(p pass) bool { return p.tries && p.openings != g.openings }
