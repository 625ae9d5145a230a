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
	}
}

func extending(k *kind) bool {
	_, ok := k.part.(sources.Extender)
	return ok && k.traits.Redelivers
}

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
