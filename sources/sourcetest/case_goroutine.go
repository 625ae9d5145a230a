package sourcetest

import (
	"bytes"
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"time"
)

const goroutineLabel = "sourcetest"

// noGoroutine marks what it starts with a profiler label, which goroutines
// hand on to those they start, and looks which of them are left in the end.
// So it works beside other tests that run at the same time.
func noGoroutine(p *probe) {
	mark := fmt.Sprintf("case-%p", p)
	plain := p.ctx
	defer pprof.SetGoroutineLabels(plain)
	p.ctx = pprof.WithLabels(plain, pprof.Labels(goroutineLabel, mark))
	pprof.SetGoroutineLabels(p.ctx)
	useOnce(p)
	p.ctx = plain
	pprof.SetGoroutineLabels(plain)
	if p.harness.CloseIdle != nil {
		p.harness.CloseIdle()
	}
	left := marked(mark)
	for until := time.Now().Add(p.harness.Patience); len(left) > 0 && time.Now().Before(until); left = marked(mark) {
		p.harness.Elapse(p.harness.quiet())
	}
	if len(left) > 0 {
		p.brokenf("goroutines after Close:\n%s", strings.Join(left, "\n\n"))
	}
}

// useOnce does what a mapping does in its life, and closes in the midst of it.
func useOnce(p *probe) {
	const count = 10
	r := p.open()
	defer r.close()
	r.send(count)
	r.ack(r.collect(count/2, count/2))
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	waiting := r.fetchAll(ctx, p.harness.Patience)
	p.harness.Elapse(p.harness.quiet())
	cancel()
	for _, w := range waiting {
		<-w
	}
}

// marked returns the stacks of the goroutines that have the label.
func marked(mark string) []string {
	var (
		profile bytes.Buffer
		found   []string
	)
	const withLabels = 1
	if err := pprof.Lookup("goroutine").WriteTo(&profile, withLabels); err != nil {
		return []string{err.Error()}
	}
	for block := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(block, fmt.Sprintf("%q:%q", goroutineLabel, mark)) {
			found = append(found, block)
		}
	}
	return found
}
