package sourcetest

import (
	"time"

	"github.com/openesm/openesm/sources"
)

func extendCases() []testCase {
	return []testCase{
		{
			"Extend", "Extend has records expire as late as if they were fetched now, and sets their Expires",
			extend, extending,
		},
		{
			"FetchKeepsToWait", "Fetch returns when wait has passed, whatever a call to the service does",
			fetchKeepsToWait, hanging,
		},
	}
}

func extending(k *kind) bool {
	_, ok := k.part.(sources.Extender)

	return ok && k.traits.Redelivers
}

func hanging(k *kind) bool { return k.harness.Hang != nil }

// extend extends half of what was fetched; only the other half comes again.
func extend(p *probe) {
	const count = 4

	r := p.open()
	defer r.close()

	extender, ok := r.parts[0].Partition.(sources.Extender)
	if !ok {
		p.brokenf("this partition is no Extender, as another one of the harness is")
	}

	r.send(count)
	got := r.collect(count, defaultBatch)
	records := plain(got)

	p.harness.Elapse(p.harness.VisibilityTimeout / 2)

	before := records[0].Expires
	if err := extender.Extend(p.ctx, records); err != nil {
		p.brokenf("Extend: %v, from a source without faults", err)
	}

	for i := range records {
		if left := time.Until(records[i].Expires); !records[i].Expires.After(before) || left > p.harness.VisibilityTimeout {
			p.brokenf("Extend: a record expires in %v, with a visibility timeout of %v", left, p.harness.VisibilityTimeout)
		}
	}

	p.harness.Elapse(p.harness.VisibilityTimeout * 3 / 4)

	if again := r.take(r.parts[0], defaultBatch, p.harness.quiet()); len(again) > 0 {
		p.brokenf("Extend: record %q came again before it expired", again[0].Data)
	}

	r.ack(got)
}

// fetchKeepsToWait has the service answer nothing for a while.
func fetchKeepsToWait(p *probe) {
	r := p.open()
	defer r.close()

	resume, err := p.harness.Hang(p.ctx)
	p.unable("Hang", err)

	for _, wait := range []time.Duration{p.harness.quiet(), p.harness.Patience} {
		start := time.Now()
		_, _ = r.fetch(p.ctx, r.parts[0], defaultBatch, wait)

		if took := time.Since(start); took > wait+p.harness.quiet() {
			p.brokenf("Fetch: returned after %v, with a wait of %v and a service that answers nothing", took, wait)
		}
	}

	p.unable("Hang", resume(p.ctx))

	bodies := r.send(1)

	// The calls that hang cost their own deadlines and no more.
	for until := time.Now().Add(p.harness.limit() / 2); time.Now().Before(until); {
		records, _ := r.fetch(p.ctx, r.parts[0], defaultBatch, p.harness.Patience)
		if len(records) == 0 {
			continue
		}

		got := make([]taken, len(records))
		for i := range records {
			got[i] = taken{Record: records[i], from: r.parts[0]}
		}

		r.exactly(got, bodies)
		r.ack(got)

		return
	}

	p.brokenf("Fetch: brings nothing %v after the service answers again", p.harness.limit()/2)
}
