package sourcetest

import (
	"context"
	"errors"
	"time"
)

func cancelCases() []testCase {
	return []testCase{
		{"CancelEmpty", "when ctx is done Fetch returns promptly, with 0 and ctx's error", cancelEmpty, always},
		{"CtxDone", "Fetch with a ctx that is done returns promptly, and loses nothing", ctxDone, always},
		{
			"CancelLosesNothing", "records that a cancelled Fetch still brings are given back, never dropped",
			cancelLosesNothing, always,
		},
		{"CloseWithOutstanding", "Close gives back what was fetched and not settled", closeWithOutstanding, always},
	}
}

func cancelEmpty(p *probe) {
	r := p.open()
	defer r.close()
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	waiting := fetchBehind(ctx, r.parts[0], limitParts/2*p.harness.Patience)
	p.harness.Elapse(p.harness.quiet())
	cancel()
	start := time.Now()
	o := <-waiting
	switch took := o.at.Sub(start); {
	case took > p.harness.Patience:
		p.brokenf("Fetch: returned %v after ctx was done", took)
	case len(o.records) > 0:
		p.brokenf("Fetch: %d records from an empty source", len(o.records))
	case o.err != nil && !errors.Is(o.err, context.Canceled):
		p.brokenf("Fetch: error %v, want %v", o.err, context.Canceled)
	}
}

func ctxDone(p *probe) {
	const count = 5
	r := p.open()
	defer func() { r.close() }()
	bodies := r.send(count)
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	got := r.fetchDone(ctx)
	r.ack(got)
	r = p.reopen(r)
	r.exactly(append(got, r.collect(count-len(got), defaultBatch)...), bodies)
}

// fetchDone has a Fetch on each partition with a ctx that is done.
func (r *reader) fetchDone(ctx context.Context) []taken {
	var got []taken
	start := time.Now()
	for _, from := range r.parts {
		records, err := r.fetch(ctx, from, defaultBatch, limitParts*r.p.harness.Patience)
		if len(records) == 0 && !errors.Is(err, context.Canceled) {
			r.p.brokenf("Fetch: 0 records and error %v, want %v", err, context.Canceled)
		}
		for _, record := range records {
			got = append(got, taken{Record: record, from: from})
		}
	}
	if took := time.Since(start); took > r.p.harness.Patience {
		r.p.brokenf("Fetch: took %v although ctx was done", took)
	}
	return got
}

// cancelLosesNothing races cancels with sends.
func cancelLosesNothing(p *probe) {
	const rounds = 20
	r := p.open()
	defer func() { r.close() }()
	bodies := make([]string, 0, rounds)
	got := make([]taken, 0, rounds)
	for i := range rounds {
		body, some := r.race(time.Duration(i%2*i) * time.Millisecond)
		bodies = append(bodies, body)
		got = append(got, some...)
	}
	r.ack(got)
	r = p.reopen(r)
	r.exactly(append(got, r.collect(len(bodies)-len(got), defaultBatch)...), bodies)
}

// race sends a record while every partition is being fetched from, cancels
// after a while, and returns what was sent and what came.
func (r *reader) race(after time.Duration) (body string, got []taken) {
	ctx, cancel := context.WithCancel(r.p.ctx)
	defer cancel()
	waiting := r.fetchAll(ctx, r.p.harness.Patience)
	body = r.send(1)[0]
	if after > 0 {
		r.p.harness.Elapse(after)
	}
	cancel()
	for i, from := range r.parts {
		got = append(got, gather(r.p, from, <-waiting[i])...)
	}
	return body, got
}

// gather returns what a cancelled Fetch brought.
func gather(p *probe, from *part, o outcome) []taken {
	if o.err != nil && !errors.Is(o.err, context.Canceled) {
		p.brokenf("Fetch: error %v, want %v", o.err, context.Canceled)
	}
	got := make([]taken, len(o.records))
	for i, record := range o.records {
		got[i] = taken{Record: record, from: from}
	}
	return got
}

func closeWithOutstanding(p *probe) {
	const count = 10
	r := p.open()
	defer func() { r.close() }()
	bodies := r.send(count)
	r.collect(count/2, count/2)
	start := time.Now()
	r.close()
	if took := time.Since(start); took > time.Duration(len(r.parts)+1)*p.harness.Patience {
		p.brokenf("Close: took %v", took)
	}
	p.elapseVisibility(r)
	r = p.open()
	r.exactly(r.collect(count, defaultBatch), bodies)
}
