package sourcetest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
)

// reader is one opened source with its partitions, as a mapping holds it.
type reader struct {
	p      *probe
	source sources.Source
	traits sources.Traits
	parts  []*part
	closed bool
}

// part is a partition that was handed out.
type part struct {
	sources.Partition

	sent   func(sources.Record) Message // see Harness.Sent
	ended  bool
	closed bool

	// What the partition said of itself, from any goroutine.
	revoked, lost atomic.Bool
}

// Fetch has records with the key and the body that they were sent with.
func (p *part) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	for i := range buf[:min(max(n, 0), len(buf))] {
		message := p.sent(buf[i])
		buf[i].Key, buf[i].Data = message.Key, message.Data
	}
	return n, err
}

// newPart returns a partition as an engine takes it.
func (p *probe) newPart(partition sources.Partition) *part {
	added := &part{Partition: partition, sent: p.harness.Sent}
	if revocable, ok := partition.(sources.Revocable); ok {
		revocable.OnRevoke(func() { added.revoked.Store(true) }, func() { added.lost.Store(true) })
	}
	return added
}

// taken is a record and the partition it came from.
type taken struct {
	sources.Record

	from *part
}

// open opens the source and accepts the partitions that it begins with.
func (p *probe) open() *reader {
	r := p.openOnly()
	for range p.harness.Partitions {
		r.accept()
	}
	return r
}

// openOnly opens the source and starts it.
func (p *probe) openOnly() *reader {
	source, err := p.harness.Open(p.ctx)
	p.unable("Open", err)
	r := &reader{p: p, source: source, traits: source.Traits()}
	if starter, ok := source.(sources.Starter); ok {
		if err := starter.Start(p.ctx, p.harness.Settings); err != nil {
			r.close()
			p.unable("Start", err)
		}
	}
	return r
}

// reopen closes the reader, waits until what was not settled is there again,
// and opens anew.
func (p *probe) reopen(r *reader) *reader {
	r.close()
	p.elapseVisibility(r)
	return p.open()
}

func (p *probe) elapseVisibility(r *reader) {
	if r.traits.Redelivers {
		p.harness.Elapse(p.harness.VisibilityTimeout + p.harness.quiet())
	}
}

func (r *reader) accept() *part {
	ctx, cancel := context.WithTimeout(r.p.ctx, r.p.harness.Patience)
	defer cancel()
	partition, err := r.source.Accept(ctx)
	if err != nil {
		r.p.brokenf("Accept: %v, although partition %d of %d was not handed out yet",
			err, len(r.parts)+1, r.p.harness.Partitions)
	}
	if partition == nil {
		r.p.brokenf("Accept: no partition and no error")
	}
	added := r.p.newPart(partition)
	r.parts = append(r.parts, added)
	return added
}

// fetch is one Fetch into size places, with what holds for each: the count is
// within the buffer, and nothing is written beyond it.
func (r *reader) fetch(ctx context.Context, from *part, size int, wait time.Duration) ([]sources.Record, error) {
	const beyond, mark = 3, "untouched"
	buf := make([]sources.Record, size+beyond)
	for i := range buf[size:] {
		buf[size+i].ID = mark
	}
	n, err := from.Fetch(ctx, buf[:size], wait)
	if n < 0 || n > size {
		r.p.brokenf("Fetch: returned %d for a buffer of %d", n, size)
	}
	for i := range buf[size:] {
		if buf[size+i].ID != mark {
			r.p.brokenf("Fetch: wrote beyond the %d places of the buffer", size)
		}
	}
	if errors.Is(err, sources.ErrEnd) {
		if !r.p.mayEnd {
			r.p.brokenf("Fetch: ErrEnd from partition %s, which has not ended", from.ID())
		}
		from.ended = true
	}
	return slices.Clone(buf[:n]), err
}

// take is fetch on a source without faults.
func (r *reader) take(from *part, size int, wait time.Duration) []sources.Record {
	records, err := r.fetch(r.p.ctx, from, size, wait)
	if err != nil && !errors.Is(err, sources.ErrEnd) {
		r.p.brokenf("Fetch: %v, from a source without faults", err)
	}
	return records
}

// round is one Fetch on each open partition.
func (r *reader) round(size int) []taken {
	var all []taken
	for _, from := range r.parts {
		if from.closed || from.ended {
			continue
		}
		for _, record := range r.take(from, size, r.p.harness.quiet()) {
			all = append(all, taken{Record: record, from: from})
		}
	}
	return all
}

// collect reads until there are count records, at most size at a time.
func (r *reader) collect(count, size int) []taken {
	var all []taken
	for deadline := time.Now().Add(r.p.harness.Patience); len(all) < count; {
		got := r.round(size)
		all = append(all, got...)
		switch {
		case len(got) > 0:
			deadline = time.Now().Add(r.p.harness.Patience)
		case time.Now().After(deadline) || r.allEnded():
			r.p.brokenf("Fetch: only %d of %d records came", len(all), count)
		default:
			r.p.harness.Elapse(time.Millisecond)
		}
	}
	return all
}

// nothing looks that no further record comes.
func (r *reader) nothing(why string) {
	for until := time.Now().Add(r.p.harness.quiet()); ; {
		if got := r.round(defaultBatch); len(got) > 0 {
			r.p.brokenf("Fetch: %q came, %s", got[0].Data, why)
		}
		if !time.Now().Before(until) || r.allEnded() {
			return
		}
		r.p.harness.Elapse(time.Millisecond)
	}
}

func (r *reader) allEnded() bool {
	return !slices.ContainsFunc(r.parts, func(from *part) bool { return !from.closed && !from.ended })
}

// ack settles records, each at its partition, in order.
func (r *reader) ack(records []taken) {
	for _, from := range r.parts {
		var own []sources.Record
		for i := range records {
			if records[i].from == from {
				own = append(own, records[i].Record)
			}
		}
		if len(own) == 0 {
			continue
		}
		if err := from.Ack(r.p.ctx, own); err != nil {
			r.p.brokenf("Ack: %v, from a source without faults", err)
		}
	}
}
