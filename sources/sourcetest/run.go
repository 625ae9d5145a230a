package sourcetest

import (
	"context"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

// Run holds a source to the contract. newHarness is called once a case, and
// once before to see what kind of source it is, and gives a source that is new
// and empty. Cases run in parallel; each is a subtest that can be chosen by
// name, and fails, never hangs, if a call does not come back. Cases that do not
// concern the kind of source, and those that Harness.LeftOut names, are no
// subtests.
func Run(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	var k kind
	k.learn(t, newHarness(t))
	for _, c := range k.cases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k.skip(t, c.name)
			check(t, &c, newHarness(t))
		})
	}
}

// RunInBubbles is Run with each case, its newHarness included, in a bubble of
// testing/synctest: time is virtual, and a goroutine that is left behind fails
// the case.
func RunInBubbles(t *testing.T, newHarness func(t *testing.T) Harness) {
	t.Helper()
	var k kind
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		k.learn(t, newHarness(t))
	})
	for _, c := range k.cases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			k.skip(t, c.name)
			synctest.Test(t, func(t *testing.T) {
				t.Helper()
				check(t, &c, newHarness(t))
			})
		})
	}
}

// check runs one case in a goroutine of its own, so that a call that hangs is
// told from one that is slow.
func check(tb testing.TB, c *testCase, h Harness) {
	tb.Helper()
	h = h.withDefaults()
	if h.Send == nil || h.Open == nil {
		tb.Fatal("harness: Send and Open are required")
	}
	ctx, cancel := context.WithTimeout(tb.Context(), h.limit())
	defer cancel()
	p := &probe{ctx: ctx, harness: h, rule: c.rule}
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.run(p)
	}()
	watchdog := time.NewTimer(h.limit() + h.Patience)
	defer watchdog.Stop()
	select {
	case <-done:
		p.report(tb)
	case <-watchdog.C:
		tb.Errorf("rule: %s\na call does not return; goroutines:\n%s", c.rule, stacks())
	}
}

func stacks() []byte {
	const most = 1 << 16
	buf := make([]byte, most)
	return buf[:runtime.Stack(buf, true)]
}

// probe is one run of a case. Its methods are called from the case's own
// goroutine, which brokenf and unable end.
type probe struct {
	ctx     context.Context //nolint:containedctx // a probe is as short-lived as a call
	harness Harness
	rule    string

	failure string
	serial  int  // of the message sent last
	mayEnd  bool // partitions were ended
}

func (p *probe) report(tb testing.TB) {
	tb.Helper()
	if p.failure != "" {
		tb.Errorf("rule: %s\n%s", p.rule, p.failure)
	}
}

// brokenf ends the case: the rule does not hold.
func (p *probe) brokenf(format string, args ...any) {
	if p.failure == "" {
		p.failure = "broken: " + fmt.Sprintf(format, args...)
	}
	runtime.Goexit()
}

// unable ends the case: the harness failed.
func (p *probe) unable(what string, err error) {
	if err == nil {
		return
	}
	if p.failure == "" {
		p.failure = fmt.Sprintf("not decided: %s: %v", what, err)
	}
	runtime.Goexit()
}
