package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// Held is a lease that this worker has. Its methods may be called concurrently;
// writes of one lease are made one after the other.
type Held struct {
	m         *Manager
	shard     string
	semaphore chan struct{} // of one place: who writes
	lost      chan struct{}

	// Guarded by m.mu.
	lease    checkpoint.Lease // as it is stored, unless doubt is set
	since    time.Time        // before the last write that is known to have taken effect
	doubt    time.Time        // before the first write after that whose outcome is unknown
	unstored *progress        // that Commit left to the next write; nil for none
	next     time.Time        // not before then a renewal; after a failure
	failures int              // of renewals in a row
	handed   bool             // out by Next
	renewing bool
	writing  bool
	gone     bool      // lost, ended or released
	shut     bool      // lost is closed
	asked    time.Time // when it was learnt that another worker asks for it; zero for none
	onLost   func()
	onAsked  func()
}

// Shard is the ID of the shard.
func (h *Held) Shard() string { return h.shard }

// Lease returns the lease with the position and window last known to be stored.
func (h *Held) Lease() checkpoint.Lease {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	l := h.lease
	l.Parents, l.Children, l.Window = slices.Clone(l.Parents), slices.Clone(l.Children), slices.Clone(l.Window)
	return l
}

// Lost is closed when the lease is this worker's no more: somebody else took it,
// it was not renewed or handed over in time, or the manager was closed.
func (h *Held) Lost() <-chan struct{} { return h.lost }

// OnLost has f called when Lost is closed, at once if it is. It must not block and
// not call the lease. There is one f.
func (h *Held) OnLost(f func()) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if h.shut {
		f()
	}
	h.onLost = f
}

// Commit stores how far the shard is settled, and the state of its open window.
// It is a renewal as well. With a store that is [checkpoint.Paced] it may leave that to
// the next write of the lease, which comes in time: Release makes sure of it, and only
// a process that is killed forgets it. One attempt: after an error it may or may not
// have taken effect, and the caller tries again. It fails with sources.ErrLost if the
// lease is this worker's no more.
func (h *Held) Commit(ctx context.Context, position checkpoint.Position, window []byte) error {
	p := &progress{position: position, window: slices.Clone(window)}
	if h.postpone(p) {
		return nil
	}
	err := h.enter(ctx)
	if err != nil {
		return err
	}
	defer h.leave()
	if h.postpone(p) { // another write was under way, and has just ended
		return nil
	}
	return h.writeAlone(ctx, p.onto)
}

// End says that the shard is settled to its end and lets go of it. children are
// the shards that continue it, as far as the service tells (KIN-67); none makes
// the manager list shards, and again soon if they are late. Their leases are created, and become ready when all
// their parents have ended. One attempt, like Commit; after an error the lease
// is still held.
func (h *Held) End(ctx context.Context, children []Shard) error {
	position := childPosition(h.m.options.Start)
	ids := make([]string, 0, len(children))
	for _, child := range children {
		if !slices.Contains(child.Parents, h.shard) {
			child.Parents = append(slices.Clone(child.Parents), h.shard)
		}

		// Before the parent ends: what is created stays.
		err := h.m.create(ctx, child.lease(position))
		if err != nil {
			return err
		}
		ids = append(ids, child.ID)
	}
	err := h.write(ctx, func(l *checkpoint.Lease) {
		l.Owner, l.CheckpointOwner, l.Children, l.Window = "", "", ids, nil
		l.Position = checkpoint.Position{Sequence: checkpoint.ShardEnd}
	})
	if err != nil {
		return err
	}
	h.drop()
	if len(children) == 0 {
		h.m.awaitChildren(h.shard)
	}
	signal(h.m.takeSoon)
	signal(h.m.listSoon)
	return nil
}

// Release lets go of the shard and gives the lease back, so that others may take it at
// once, or the one who has asked for it. One attempt, unless Commit has left it a
// position: after an error they may once the lease has run out. Of a lost lease it gives
// nothing back, but must be called too: its error, which wraps sources.ErrLost, tells of a
// position that Commit has left to the next write, and that is not known to be stored.
func (h *Held) Release(ctx context.Context) error {
	defer h.drop()
	return h.giveBack(ctx)
}

// giveBack writes that the lease has no owner, or only the one who has asked for it.
func (h *Held) giveBack(ctx context.Context) error {
	h.m.mu.Lock()
	gone := h.gone
	h.m.mu.Unlock()
	if gone {
		return h.unstoredError()
	}
	err := h.flush(ctx, h.m.giveAway)
	h.m.mu.Lock()
	h.lose("")
	h.shutLost()
	h.m.mu.Unlock()
	if errors.Is(err, sources.ErrLost) {
		return h.unstoredError()
	}
	return err
}

// drop makes room for the shard to be held again.
func (h *Held) drop() {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	h.gone = true
	h.forget()
}

// forget is drop without the mark. m.mu is held.
func (h *Held) forget() {
	if h.m.held[h.shard] == h {
		delete(h.m.held, h.shard)
	}
	h.m.unqueue(h)
}

// unqueue has a lease not be handed out. m.mu is held.
func (m *Manager) unqueue(h *Held) {
	m.queue = slices.DeleteFunc(m.queue, func(x *Held) bool { return x == h })
}

// lose closes Lost, once; reason is for the log. m.mu is held.
func (h *Held) lose(reason string) {
	if h.gone {
		return
	}
	h.gone = true
	h.shutLost()
	if !h.handed {
		h.forget() // nobody reads it
	}
	if reason != "" {
		h.m.lost++
		h.m.options.Logger.Warn("shard lost", "shard", h.shard, "reason", reason)
	}
}

// shutLost closes Lost. m.mu is held.
func (h *Held) shutLost() {
	if !h.shut {
		h.shut = true
		close(h.lost)
		if h.onLost != nil {
			h.onLost()
		}
	}
}

// until is when the lease is given up. renewal is when it is to be renewed, or the
// position that Commit left to that.
func (h *Held) until() time.Time {
	return h.since.Add(h.m.options.Duration - h.m.options.Duration/margin)
}

func (h *Held) renewal() time.Time {
	at := h.since.Add(h.m.options.Duration / renewals)
	if paced := h.since.Add(h.m.pace); h.unstored != nil && paced.Before(at) {
		at = paced
	}
	if h.next.After(at) {
		return h.next
	}
	return at
}

// sortByAge puts what was renewed longest ago first.
func sortByAge(all []*Held) {
	slices.SortFunc(all, func(a, b *Held) int {
		return cmp.Or(a.since.Compare(b.since), cmp.Compare(a.shard, b.shard))
	})
}

// observe takes note of the lease as it was read from began on. What is being
// written, or may have been, tells by itself. m.mu is held.
func (h *Held) observe(l checkpoint.Lease, found bool, began time.Time) {
	if h.gone || h.writing || !h.doubt.IsZero() {
		return
	}
	if found && l.CheckpointOwner == h.m.owner && l.Counter > h.lease.Counter {
		h.noteAsked(l)
		return
	}
	deleted := !found && h.since.Before(began) && h.m.known[h.shard] == nil
	switch {
	case deleted:
		h.lose("lease is in the store no more")
	case found && l.Owner != h.m.owner && l.Counter > h.lease.Counter:
		h.lose("lease was taken by another worker")
	}
}

// unstoredError is what the end of a lost lease returns: nil, unless Commit has left it a
// position that no write is known to have stored.
func (h *Held) unstoredError() error {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if h.unstored == nil {
		return nil
	}
	at := h.unstored.position
	h.unstored = nil // it is told of once
	return fmt.Errorf("shard %s: position %s was left to the next write of the lease and is not known to be stored: "+
		"records up to it may be handled again: %w", h.shard, at.Sequence, sources.ErrLost)
}

// lostError is what a write of a lost lease returns.
func (h *Held) lostError() error { return fmt.Errorf("shard %s: %w", h.shard, sources.ErrLost) }
