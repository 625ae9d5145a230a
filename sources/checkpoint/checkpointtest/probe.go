package checkpointtest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// probe is one run of a case. Its methods are called from the case's own
// goroutine, which brokenf ends.
type probe struct {
	ctx     context.Context //nolint:containedctx // a probe is as short-lived as a call
	harness Harness
	store   checkpoint.Store
	failure string
}

// brokenf ends the case: the rule does not hold.
func (p *probe) brokenf(format string, args ...any) {
	p.failure = "broken: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// create adds a lease, which must succeed.
func (p *probe) create(lease checkpoint.Lease) {
	if err := p.store.Create(p.ctx, lease); err != nil {
		p.brokenf("Create of %s: %v", text(lease), err)
	}
}

// update replaces a lease, which must succeed.
func (p *probe) update(last, next checkpoint.Lease) {
	if err := p.store.Update(p.ctx, last, next); err != nil {
		p.brokenf("Update of %s to %s: %v", text(last), text(next), err)
	}
}

// remove deletes a lease, which must succeed.
func (p *probe) remove(last checkpoint.Lease) {
	if err := p.store.Delete(p.ctx, last); err != nil {
		p.brokenf("Delete of %s: %v", text(last), err)
	}
}

// conflict wants err to be ErrConflict.
func (p *probe) conflict(what string, err error) {
	if !errors.Is(err, checkpoint.ErrConflict) {
		p.brokenf("%s gives the error %v, want ErrConflict", what, err)
	}
}

// leases returns what the store holds.
func (p *probe) leases() []checkpoint.Lease {
	list, err := p.store.Leases(p.ctx)
	if err != nil {
		p.brokenf("Leases: %v", err)
	}
	return list
}

// holds wants the store to hold exactly these leases.
func (p *probe) holds(when string, want ...checkpoint.Lease) {
	got := make(map[string]checkpoint.Lease)
	for _, lease := range p.leases() {
		if _, twice := got[lease.Shard]; twice {
			p.brokenf("%s Leases gives %q twice", when, lease.Shard)
		}
		got[lease.Shard] = lease
	}
	for _, lease := range want {
		stored, exists := got[lease.Shard]
		if !exists {
			p.brokenf("%s the lease %q is missing", when, lease.Shard)
		}
		if !stored.Equal(lease) {
			p.brokenf("%s the lease is %s\nwant %s", when, text(stored), text(lease))
		}
		delete(got, lease.Shard)
	}
	for _, lease := range got {
		p.brokenf("%s there is a lease %q, which nobody created or somebody deleted", when, lease.Shard)
	}
}

// reopen restarts the store.
func (p *probe) reopen() {
	store, err := p.harness.Reopen()
	if err != nil {
		p.brokenf("reopening fails: %v", err)
	}
	p.store = store
}

// text shows a lease, its long members cut.
func text(l checkpoint.Lease) string {
	window := fmt.Sprintf("%d bytes", len(l.Window))
	if len(l.Window) <= 32 {
		window = fmt.Sprintf("%q", l.Window)
	}
	return fmt.Sprintf("{%q owner %q, before %q, counter %d at %q/%d/%s parents %q children %q hash keys %q..%q window %s}",
		l.Shard, l.Owner, l.CheckpointOwner, l.Counter, l.Position.Sequence, l.Position.SubSequence,
		l.Position.Timestamp.Format(time.RFC3339Nano), l.Parents, l.Children,
		l.StartingHashKey, l.EndingHashKey, window)
}

// full is a lease with every field set.
func full(shard string) checkpoint.Lease {
	return checkpoint.Lease{
		Shard: shard, Owner: "worker-1", CheckpointOwner: "worker-2", Counter: 41,
		Position: checkpoint.Position{
			Sequence:    "49590338271490256608559692538361571095921575989136588898",
			SubSequence: 12,
			Timestamp:   time.Date(2026, time.March, 4, 5, 6, 7, 123456789, time.UTC),
		},
		Parents:         []string{"shardId-000000000001", "shardId-000000000002"},
		Children:        []string{"shardId-000000000008", "shardId-000000000009"},
		StartingHashKey: "0",
		EndingHashKey:   "340282366920938463463374607431768211455",
		Stream:          "arn:aws:kinesis:eu-west-1:123456789012:stream/orders",
		Window:          []byte("\x00\xff{\"sum\":7}\n"),
	}
}

// renewed is the lease after one more write.
func renewed(lease checkpoint.Lease) checkpoint.Lease {
	next := lease.Clone()
	next.Counter++
	return next
}
