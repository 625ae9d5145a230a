package checkpointtest

import (
	"context"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// limit is how long one case may take. Networks are slow, a call that never
// comes back is broken.
const limit = 2 * time.Minute

// Harness connects the suite with one store.
type Harness struct {
	// Store is the store under test: empty, and used by nobody else.
	Store checkpoint.Store

	// Reopen closes the store and opens another one over what it kept, as a
	// restart would. Nil for a store that keeps nothing; the cases about restarts
	// are left out then.
	Reopen func() (checkpoint.Store, error)

	// Many is how many leases the case of many leases makes, default 2,500. It
	// is to be more than fit into one answer of the store's service.
	Many int
}

// Run holds a store to the contract. newHarness is called once a case, and once
// before; it closes what it opened in t's Cleanup. Cases run in parallel.
func Run(t *testing.T, newHarness func(t testing.TB) Harness) {
	t.Helper()
	keeps := newHarness(t).Reopen != nil
	for _, c := range cases() {
		if c.restarts && !keeps {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if failure := check(t.Context(), &c, newHarness(t)); failure != "" {
				t.Errorf("rule: %s\n%s", c.rule, failure)
			}
		})
	}
}

// testCase is one rule of the contract. rule is what is printed when it does
// not hold.
type testCase struct {
	name, rule string
	run        func(p *probe)
	restarts   bool // needs Harness.Reopen
}

// cases returns all cases, simple rules first.
func cases() []testCase {
	return slices.Concat(writeCases(), conflictCases(), valueCases(), raceCases(), restartCases())
}

// check runs one case and returns what is broken, "" if nothing is. It runs in
// a goroutine of its own, so that a call that hangs is told from one that is
// slow.
func check(ctx context.Context, c *testCase, h Harness) string {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if h.Many == 0 {
		h.Many = 2500
	}
	p := &probe{ctx: ctx, harness: h, store: h.Store}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(p)
	}()
	watchdog := time.NewTimer(limit + limit/4)
	defer watchdog.Stop()
	select {
	case <-done:
		return p.failure
	case <-watchdog.C:
		return "a call does not return; goroutines:\n" + stacks()
	}
}

func stacks() string {
	buf := make([]byte, 1<<16)
	return string(buf[:runtime.Stack(buf, true)])
}
