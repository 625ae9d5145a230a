package sourcetest

import (
	"context"
	"errors"
	"time"

	"github.com/openesm/openesm/sources"
)

func endCases() []testCase {
	return []testCase{
		{"End", "Fetch gives ErrEnd when a partition was read to its end, Accept when none will come", end, ending},
		{"ChildrenAfterParents", "a child comes only after its parents were closed with everything acked", childrenAfterParents, resharding},
		{"Lost", "ErrLost: the partition is owned by somebody else now; nothing is acked any more", lost, stealing},
	}
}

func end(p *probe) {
	const count = 10
	r := p.open()
	defer r.close()
	bodies := r.send(count)
	p.mayEnd = true
	p.unable("End", p.harness.End(p.ctx))
	got := r.collect(count, defaultBatch/2)
	r.ack(got)
	r.exactly(got, bodies)
	for _, from := range r.parts {
		r.untilEnd(from)
		r.closePart(from)
	}
	ctx, cancel := context.WithTimeout(p.ctx, p.harness.Patience)
	defer cancel()
	if _, err := r.source.Accept(ctx); !errors.Is(err, sources.ErrEnd) {
		p.brokenf("Accept: error %v after every partition was read to its end and closed, want %v", err, sources.ErrEnd)
	}
}

// untilEnd fetches until ErrEnd, acks what comes, and returns it.
func (r *reader) untilEnd(from *part) []taken {
	var all []taken
	for until := time.Now().Add(r.p.harness.Patience); !from.ended; {
		if time.Now().After(until) {
			r.p.brokenf("Fetch: no ErrEnd within %v, although partition %s has ended", r.p.harness.Patience, from.ID())
		}
		some := r.take(from, defaultBatch, r.p.harness.quiet())
		for _, record := range some {
			all = append(all, taken{Record: record, from: from})
		}
		if len(some) == 0 && !from.ended {
			r.p.harness.Elapse(time.Millisecond)
		}
	}
	r.ack(all)
	return all
}

func childrenAfterParents(p *probe) {
	const count = 8
	r := p.open()
	defer r.close()
	bodies := r.send(count)
	got := r.collect(count, defaultBatch)
	p.mayEnd = true
	p.unable("Reshard", p.harness.Reshard(p.ctx))
	bodies = append(bodies, r.send(count)...)
	r.noChild("although its parent was neither acked nor closed")
	r.ack(got)
	r.noChild("although its parent was not closed")
	got = append(got, r.readParents()...)
	r.accept()
	more := r.collectAccepting(2*count - len(got))
	r.ack(more)
	got = append(got, more...)
	r.exactly(got, bodies)
	r.inOrder(got, bodies)
}

func (r *reader) noChild(why string) {
	ctx, cancel := context.WithTimeout(r.p.ctx, r.p.harness.quiet())
	defer cancel()
	if partition, err := r.source.Accept(ctx); err == nil {
		r.parts = append(r.parts, r.p.newPart(partition))
		r.p.brokenf("Accept: partition %s, %s", partition.ID(), why)
	}
}

// readParents reads on until partitions end, and closes those that do.
func (r *reader) readParents() []taken {
	var all []taken
	for until := time.Now().Add(r.p.harness.Patience); ; {
		some := r.round(defaultBatch)
		r.ack(some)
		all = append(all, some...)
		ended := false
		for _, from := range r.parts {
			if from.ended {
				r.closePart(from)
				ended = true
			}
		}
		switch {
		case ended && len(some) == 0:
			return all
		case time.Now().After(until):
			r.p.brokenf("Fetch: no ErrEnd within %v, although a partition was ended", r.p.harness.Patience)
		default:
			r.p.harness.Elapse(time.Millisecond)
		}
	}
}

// collectAccepting is collect while further partitions may come.
func (r *reader) collectAccepting(count int) []taken {
	var all []taken
	for until := time.Now().Add(r.p.harness.Patience); len(all) < count; {
		all = append(all, r.round(defaultBatch)...)
		if time.Now().After(until) {
			r.p.brokenf("Fetch: only %d of %d records came from the children", len(all), count)
		}
		ctx, cancel := context.WithTimeout(r.p.ctx, r.p.harness.quiet())
		if partition, err := r.source.Accept(ctx); err == nil {
			r.parts = append(r.parts, r.p.newPart(partition))
		}
		cancel()
	}
	return all
}

func lost(p *probe) {
	const count = 8
	r := p.open()
	defer func() { r.close() }()
	bodies := r.send(count)
	got := r.collect(count, defaultBatch)
	giveBack, err := p.harness.Steal(p.ctx)
	p.unable("Steal", err)
	for _, from := range r.parts {
		r.untilLost(from)
	}
	for _, record := range got {
		if err := record.from.Ack(p.ctx, []sources.Record{record.Record}); !errors.Is(err, sources.ErrLost) {
			p.brokenf("Ack: error %v of a lost partition, want %v", err, sources.ErrLost)
		}
	}
	r.close()
	p.unable("giving back", giveBack(p.ctx))
	r = p.open()
	r.exactly(r.collect(count, defaultBatch), bodies)
}

func (r *reader) untilLost(from *part) {
	for until := time.Now().Add(r.p.harness.Patience); ; {
		_, err := r.fetch(r.p.ctx, from, defaultBatch, r.p.harness.quiet())
		if errors.Is(err, sources.ErrLost) {
			return
		}
		if time.Now().After(until) {
			r.p.brokenf("Fetch: error %v within %v after the partition was lost, want %v",
				err, r.p.harness.Patience, sources.ErrLost)
		}
		r.p.harness.Elapse(time.Millisecond)
	}
}
