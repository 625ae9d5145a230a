package sourcetest

import (
	"context"
	"time"

	"github.com/openesm/openesm/sources"
)

func waitCases() []testCase {
	return []testCase{
		{"WaitZero", "a wait of 0 takes what is at hand with at most one short call", waitZero, always},
		{"WaitShort", "Fetch blocks no longer than wait, but for one call, and then returns 0 and nil", waitShort, always},
		{"FetchWakes", "a Fetch that blocks returns once there is a record", fetchWakes, always},
		{"IdleFetch", "Fetch may return 0 and nil early, but not so often that an empty source costs work", idleFetch, always},
	}
}

func waitZero(p *probe) { waitOn(p, 0) }

func waitShort(p *probe) { waitOn(p, p.harness.quiet()) }

func waitOn(p *probe, wait time.Duration) {
	r := p.open()
	defer r.close()
	start := time.Now()
	if records := r.take(r.parts[0], 1, wait); len(records) > 0 {
		p.brokenf("Fetch: %q came out of an empty source", records[0].Data)
	}
	if took := time.Since(start); took > wait+p.harness.Patience {
		p.brokenf("Fetch: took %v on an empty source with a wait of %v", took, wait)
	}
}

// outcome is what a Fetch in a goroutine brought.
type outcome struct {
	records []sources.Record
	err     error
	at      time.Time
}

// fetchBehind has one Fetch of a small buffer run in a goroutine. It does not
// fail the case itself.
func fetchBehind(ctx context.Context, from *part, wait time.Duration) <-chan outcome {
	done := make(chan outcome, 1)
	go func() {
		buf := make([]sources.Record, defaultBatch)
		n, err := from.Fetch(ctx, buf, wait)
		done <- outcome{records: buf[:min(max(n, 0), len(buf))], err: err, at: time.Now()}
	}()
	return done
}

// fetchAll is fetchBehind on every partition.
func (r *reader) fetchAll(ctx context.Context, wait time.Duration) []<-chan outcome {
	waiting := make([]<-chan outcome, len(r.parts))
	for i, from := range r.parts {
		waiting[i] = fetchBehind(ctx, from, wait)
	}
	return waiting
}

func fetchWakes(p *probe) {
	r := p.open()
	defer r.close()
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	waiting := r.fetchAll(ctx, limitParts/2*p.harness.Patience)
	p.harness.Elapse(p.harness.quiet())
	bodies := r.send(1)
	sent := time.Now()
	p.harness.Elapse(p.harness.Patience)
	cancel()
	got := r.woken(waiting, sent.Add(p.harness.Patience*9/10))
	if len(got) == 0 { // an early return of 0 and nil is allowed
		got = r.collect(1, 1)
	}
	r.exactly(got, bodies)
}

// woken returns what was fetched, by somebody who returned before the limit.
func (r *reader) woken(waiting []<-chan outcome, limit time.Time) []taken {
	got := make([]taken, 0, len(waiting))
	prompt := false
	for i, from := range r.parts {
		o := <-waiting[i]
		prompt = prompt || o.at.Before(limit)
		got = append(got, gather(r.p, from, o)...)
	}
	if !prompt {
		r.p.brokenf("Fetch: still blocked %v after a record was sent", r.p.harness.Patience*9/10)
	}
	return got
}

func idleFetch(p *probe) {
	const most = 50
	r := p.open()
	defer r.close()
	calls := 0
	for until := time.Now().Add(p.harness.Patience / 2); time.Now().Before(until); calls++ {
		if calls > most {
			p.brokenf("Fetch: returned %d times within %v, asked to wait %v each",
				calls, p.harness.Patience/2, p.harness.Patience)
		}
		r.take(r.parts[0], 1, time.Until(until))
	}
}
