package sourcetest

import (
	"time"

	"github.com/openesm/openesm/sources"
)

func releaseCases() []testCase {
	return []testCase{
		{"Release", "Release gives records back, so that they may be had at once", release, releasing},
		{"Fail", "Fail tells that records failed; they come again", fail, failing},
	}
}

func release(p *probe) {
	const count = 4
	r := p.open()
	defer r.close()
	releaser, ok := r.parts[0].Partition.(sources.Releaser)
	if !ok {
		p.brokenf("this partition is no Releaser, as another one of the harness is")
	}
	bodies := r.send(count)
	start := time.Now()
	if err := releaser.Release(p.ctx, plain(r.collect(count, defaultBatch))); err != nil {
		p.brokenf("Release: %v, from a source without faults", err)
	}
	got := r.collect(count, defaultBatch)
	if took := time.Since(start); r.traits.Redelivers && took >= p.harness.VisibilityTimeout {
		p.brokenf("Release: the records came again only after %v, with a visibility timeout of %v",
			took, p.harness.VisibilityTimeout)
	}
	r.exactly(got, bodies)
	r.ack(got)
}

func fail(p *probe) {
	const count = 4
	r := p.open()
	defer r.close()
	failer, ok := r.parts[0].Partition.(sources.Failer)
	if !ok {
		p.brokenf("this partition is no Failer, as another one of the harness is")
	}
	bodies := r.send(count)
	if err := failer.Fail(p.ctx, plain(r.collect(count, defaultBatch))); err != nil {
		p.brokenf("Fail: %v, from a source without faults", err)
	}
	p.elapseVisibility(r)
	got := r.collect(count, defaultBatch)
	r.exactly(got, bodies)
	r.ack(got)
}

func plain(records []taken) []sources.Record {
	all := make([]sources.Record, len(records))
	for i := range records {
		all[i] = records[i].Record
	}
	return all
}
