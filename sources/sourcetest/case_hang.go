package sourcetest

import (
	"context"
	"errors"
	"time"

	"github.com/openesm/openesm/sources"
)

func hanging(k *kind) bool { return k.harness.Hang != nil }

func hangCases() []testCase {
	return []testCase{
		{
			"HungCall", "Fetch returns when wait has passed, whatever a call does, and reads on when calls are answered again",
			hungCall, hanging,
		},
		{"HungClose", "Close ends within its ctx, whatever a call does, and what it cuts off is there again", hungClose, hanging},
	}
}

// hang has calls never answered, and a Fetch of each partition make one.
func (r *reader) hang() (heal func()) {
	heal, err := r.p.harness.Hang(r.p.ctx)
	r.p.unable("Hang", err)
	for _, from := range r.parts {
		for _, wait := range []time.Duration{r.p.harness.quiet(), 0, 2 * r.p.harness.quiet()} {
			r.fetchHung(from, wait)
		}
	}
	return heal
}

// fetchHung holds a Fetch to its wait while no call is answered. Calls that were given
// up may be its error.
func (r *reader) fetchHung(from *part, wait time.Duration) {
	const short = 2 * time.Second // what a call for a wait of 0 may take
	start := time.Now()
	records, err := r.fetch(r.p.ctx, from, defaultBatch, wait)
	if took := time.Since(start); took > wait+max(short, r.p.harness.quiet()) || wait > 0 && took > wait+r.p.harness.quiet() {
		r.p.brokenf("Fetch: returned %v after it was called with a wait of %v", took, wait)
	}
	if errors.Is(err, sources.ErrLost) || errors.Is(err, sources.ErrEnd) {
		r.p.brokenf("Fetch: error %v, of a call that is not answered", err)
	}
	if len(records) > 0 {
		r.p.brokenf("Fetch: %q came out of an empty source", records[0].Data)
	}
}

func hungCall(p *probe) {
	r := p.open()
	defer r.close()
	heal := r.hang()
	bodies := r.send(1)
	heal()
	r.exactly(r.eventually(1), bodies)
}

// eventually is collect for a source whose calls may have to be given up first.
func (r *reader) eventually(count int) []taken {
	var all []taken
	for until := time.Now().Add(limitParts / 2 * r.p.harness.Patience); len(all) < count; {
		if time.Now().After(until) {
			r.p.brokenf("Fetch: only %d of %d records came, although calls are answered again", len(all), count)
		}
		for _, from := range r.parts {
			records, err := r.fetch(r.p.ctx, from, defaultBatch, r.p.harness.quiet())
			if errors.Is(err, sources.ErrLost) || errors.Is(err, sources.ErrEnd) {
				r.p.brokenf("Fetch: error %v, although calls are answered again", err)
			}
			for _, record := range records {
				all = append(all, taken{Record: record, from: from})
			}
		}
		r.p.harness.Elapse(time.Millisecond)
	}
	return all
}

func hungClose(p *probe) {
	r := p.open()
	defer func() { r.close() }()
	heal := r.hang()
	bodies := r.send(1)
	for _, from := range r.parts {
		from.closed = true
		p.closeHung("Partition", from.Close)
	}
	r.closed = true
	p.closeHung("Source", r.source.Close)
	heal()
	p.elapseVisibility(r)
	r = p.open()
	r.exactly(r.eventually(1), bodies)
}

// closeHung holds a Close to its ctx while no call is answered. Its error does not count.
func (p *probe) closeHung(of string, closing func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), p.harness.Patience)
	defer cancel()
	start := time.Now()
	_ = closing(ctx)
	if took := time.Since(start); took > p.harness.Patience+p.harness.quiet() {
		p.brokenf("%s.Close: returned %v after it was called, long after its ctx was done", of, took)
	}
}
