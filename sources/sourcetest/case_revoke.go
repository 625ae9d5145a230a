package sourcetest

import (
	"context"
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

func revokeCases() []testCase {
	return []testCase{
		{"LossIsTold", "OnRevoke: lost is called when somebody else owns the partition, whether it is read or not", lossIsTold, lossTelling},
		{
			"Revoked", "OnRevoke: revoked is called when the partition is revoked; until Close Ack works, and Close settles nothing",
			revoked, revoking,
		},
		{"RevokedTwice", "a partition that was revoked and is handed out again is as new", revokedTwice, revoking},
	}
}

func lossIsTold(p *probe) {
	r := p.open()
	defer r.close()
	for _, from := range r.parts {
		if from.revoked.Load() || from.lost.Load() {
			p.brokenf("OnRevoke: partition %s is gone at once, although nobody wants it", from.ID())
		}
	}
	giveBack, err := p.harness.Steal(p.ctx)
	p.unable("Steal", err)
	for _, from := range r.parts {
		if !p.within(from.lost.Load) {
			p.brokenf("OnRevoke: lost is not called within %v after partition %s was lost", p.harness.Patience, from.ID())
		}
	}
	p.unable("giving back", giveBack(p.ctx))
}

// within waits until something holds, and reports whether it did in time.
func (p *probe) within(holds func() bool) bool {
	for until := time.Now().Add(p.harness.Patience); !holds(); {
		if time.Now().After(until) {
			return false
		}
		p.harness.Elapse(time.Millisecond)
	}
	return true
}

// revoke has partitions revoked, and returns them.
func (r *reader) revoke() (asked []*part, giveBack func()) {
	back, err := r.p.harness.Revoke(r.p.ctx)
	r.p.unable("Revoke", err)
	if !r.p.within(func() bool { return slices.ContainsFunc(r.parts, (*part).isAsked) }) {
		r.p.brokenf("OnRevoke: revoked is not called within %v after partitions were revoked", r.p.harness.Patience)
	}
	r.p.harness.Elapse(r.p.harness.quiet()) // they may not all be revoked at once
	for _, from := range r.parts {
		if from.isAsked() {
			asked = append(asked, from)
		}
	}
	return asked, func() { r.p.unable("giving back", back(r.p.ctx)) }
}

func (from *part) isAsked() bool { return !from.closed && (from.revoked.Load() || from.lost.Load()) }

func revoked(p *probe) {
	const count = 12
	r := p.open()
	defer func() { r.close() }()
	bodies := r.send(count)
	got := r.collect(count, defaultBatch)
	asked, giveBack := r.revoke()
	settled := r.ackHalf(asked, got)
	for _, from := range asked {
		r.closePart(from)
		if from.lost.Load() {
			p.brokenf("OnRevoke: lost was called of partition %s, which was closed in time", from.ID())
		}
	}
	giveBack()
	r.close()
	rest := slices.DeleteFunc(bodies, func(body string) bool { return settled[body] })
	r = p.open()
	r.exactly(r.collect(len(rest), defaultBatch), rest)
}

// ackHalf settles the first half of what each of the partitions gave, and returns the
// bodies.
func (r *reader) ackHalf(asked []*part, got []taken) map[string]bool {
	settled := make(map[string]bool)
	for _, from := range asked {
		own := slices.DeleteFunc(slices.Clone(got), func(t taken) bool { return t.from != from })
		for _, t := range own[:len(own)/2] {
			if err := from.Ack(r.p.ctx, []sources.Record{t.Record}); err != nil {
				r.p.brokenf("Ack: %v of partition %s, which was revoked and not closed yet", err, from.ID())
			}
			settled[string(t.Data)] = true
		}
	}
	return settled
}

func revokedTwice(p *probe) {
	const count = 6
	r := p.open()
	defer r.close()
	r.ack(r.collectSent(count))
	for range 2 {
		asked, giveBack := r.revoke()
		for _, from := range asked {
			r.closePart(from)
		}
		giveBack()
		r.acceptAgain()
		r.ack(r.collectSent(count))
	}
}

// acceptAgain accepts partitions until all that the source began with are open. On
// the way there more of them may be revoked.
func (r *reader) acceptAgain() {
	for until := time.Now().Add(r.p.harness.Patience); ; {
		open := 0
		for _, from := range r.parts {
			if from.isAsked() {
				r.closePart(from)
			}
			if !from.closed {
				open++
			}
		}
		switch {
		case open == r.p.harness.Partitions:
			return
		case time.Now().After(until):
			r.p.brokenf("Accept: %d of %d partitions were handed out %v after they were given back",
				open, r.p.harness.Partitions, r.p.harness.Patience)
		}
		ctx, cancel := context.WithTimeout(r.p.ctx, r.p.harness.quiet())
		if partition, err := r.source.Accept(ctx); err == nil {
			r.parts = append(r.parts, r.p.newPart(partition))
		}
		cancel()
	}
}

// collectSent sends messages, and reads just these.
func (r *reader) collectSent(count int) []taken {
	bodies := r.send(count)
	got := r.collect(count, defaultBatch)
	r.exactly(got, bodies)
	return got
}
