package checkpointtest

import (
	"context"
	"errors"

	"github.com/openesm/openesm/sources/checkpoint"
)

func writeCases() []testCase {
	return []testCase{
		{"Empty", "a new store holds no lease, which is no error", empty, false},
		{"Create", "a lease that was created is listed as it was given", create, false},
		{"Update", "Update puts the whole of next in the place of last, empty fields too", update, false},
		{"UpdateOne", "Update touches no other lease", updateOne, false},
		{"Delete", "a lease that was deleted is not listed, and may be created again", remove, false},
		{"DeleteMissing", "deleting a lease that is not there is no error", deleteMissing, false},
		{"Misuse", "a lease without a shard, and an update to another shard, are refused; nothing changes", misuse, false},
		{"Cancelled", "with a context that is done nothing is done, and the context's error is returned", cancelled, false},
	}
}

func empty(p *probe) { p.holds("at the start") }

func create(p *probe) {
	a, b := full("a"), checkpoint.Lease{Shard: "b", Position: checkpoint.Position{Sequence: checkpoint.Latest}}
	p.create(a)
	p.create(b)
	p.holds("after Create", a, b)
}

func update(p *probe) {
	last := full("a")
	p.create(last)
	next := checkpoint.Lease{Shard: "a", Counter: last.Counter + 1}
	next.Position.Sequence = checkpoint.ShardEnd
	p.update(last, next)
	p.holds("after Update to a lease with nearly nothing", next)
	again := full("a")
	again.Counter = next.Counter + 1
	p.update(next, again)
	p.holds("after Update to a lease with everything", again)
}

func updateOne(p *probe) {
	a, b := full("a"), full("b")
	p.create(a)
	p.create(b)
	p.update(a, renewed(a))
	p.holds("after Update of the other", renewed(a), b)
}

func remove(p *probe) {
	a, b := full("a"), full("b")
	p.create(a)
	p.create(b)
	p.remove(a)
	p.holds("after Delete", b)
	again := full("a")
	again.Counter = 0
	p.create(again)
	p.holds("after Create of what was deleted", again, b)
}

func deleteMissing(p *probe) {
	a := full("a")
	p.remove(a)
	p.create(a)
	p.remove(a)
	p.remove(a)
	p.holds("after Delete again")
}

func misuse(p *probe) {
	a := full("a")
	p.create(a)
	for what, err := range map[string]error{
		"Create without a shard":    p.store.Create(p.ctx, full("")),
		"Update to another shard":   p.store.Update(p.ctx, a, renewed(full("b"))),
		"Update from another shard": p.store.Update(p.ctx, full("b"), renewed(a)),
	} {
		if err == nil || errors.Is(err, checkpoint.ErrConflict) {
			p.brokenf("%s gives %v, want an error of its own", what, err)
		}
	}
	p.holds("after misuse", a)
}

func cancelled(p *probe) {
	a := full("a")
	p.create(a)
	done, cancel := context.WithCancel(p.ctx)
	cancel()
	_, err := p.store.Leases(done)
	for what, err := range map[string]error{
		"Leases": err,
		"Create": p.store.Create(done, full("b")),
		"Update": p.store.Update(done, a, renewed(a)),
		"Delete": p.store.Delete(done, a),
	} {
		if !errors.Is(err, context.Canceled) {
			p.brokenf("%s gives %v, want context.Canceled", what, err)
		}
	}
	p.holds("after calls with a cancelled context", a)
	p.update(a, renewed(a))
}
