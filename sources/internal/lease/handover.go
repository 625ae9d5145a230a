package lease

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// A worker that has fewer leases than another one asks for one of those: it writes
// itself as the Owner, and the other one as the CheckpointOwner. That one learns of it
// from its next write, which is refused, or its next look. It finishes what it has
// begun, and goes on to renew the lease and to store positions until then; then it takes
// its name out, and the Owner takes the lease. So does the Kinesis Client Library 3.
//
// Options.Handover bounds that. A worker that has not finished by then loses the lease,
// and renews it no more: the Owner takes it as that of a worker that died, and so after
// the handlers were cut off. From one that renews it still, the Owner takes it a Duration
// after the bound.

// ask asks the worker that reads a shard for it. It is no error if that one has written
// meanwhile.
func (m *Manager) ask(last checkpoint.Lease) (bool, error) {
	if m.options.Handover < 0 {
		return m.take(last)
	}
	next := last
	next.Owner, next.CheckpointOwner = m.owner, last.Owner
	_, asked, err := m.claim(last, next, "asked for")
	if asked {
		m.options.Logger.Info("shard asked for", "shard", last.Shard, "from", last.Owner)
	}
	return asked, err
}

// claim writes the lease of a shard that this worker does not hold, and returns it as it
// was written. It is no error if somebody else was faster. what is for
// an error: what has not become of the lease.
func (m *Manager) claim(last, next checkpoint.Lease, what string) (_ checkpoint.Lease, claimed bool, _ error) {
	ctx, cancel := context.WithTimeout(m.working, min(m.options.Duration/renewals, patience))
	defer cancel()
	next.Stream = cmp.Or(m.options.Stream, last.Stream) // which an older release did not store
	next.Counter++
	err := m.store.Update(ctx, last, next)
	switch {
	case errors.Is(err, checkpoint.ErrConflict):
		return next, false, nil
	case err != nil:
		// The next look shows whether it is taken.
		return next, false, fmt.Errorf("lease of shard %s not %s: %w", last.Shard, what, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wrote(next)
	return next, true, nil
}

// has reports whether a lease is this worker's to read.
func (m *Manager) has(l *checkpoint.Lease) bool {
	return cmp.Or(l.CheckpointOwner, l.Owner) == m.owner
}

// giveAway makes a lease one of which this worker has let go.
func (m *Manager) giveAway(l *checkpoint.Lease) {
	if l.CheckpointOwner == m.owner {
		l.CheckpointOwner = ""
	} else {
		l.Owner = ""
	}
}

// asks reports whether this worker waits for a lease that it has asked for.
func (m *Manager) asks(l *checkpoint.Lease) bool {
	return l.Owner == m.owner && l.CheckpointOwner != ""
}

// OnAsked has f called when another worker has asked for the shard, at once if it has:
// what was begun is to be finished, and the lease released. It must not block and not
// call the lease. There is one f.
func (h *Held) OnAsked(f func()) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if !h.asked.IsZero() {
		f()
	}
	h.onAsked = f
}

// noteAsked takes note of the lease as another worker has left it who has asked for it.
// m.mu is held.
func (h *Held) noteAsked(l checkpoint.Lease) {
	m := h.m
	h.lease, h.doubt, h.writing = l, time.Time{}, false
	if !h.asked.IsZero() || h.gone {
		return
	}
	h.asked = time.Now()
	m.options.Logger.Info("shard is handed over", "shard", h.shard, "to", l.Owner)
	if !h.handed { // nobody reads it: balance releases it
		m.unqueue(h)
		signal(m.takeSoon)
	}
	signal(m.keepSoon)
	if h.onAsked != nil {
		h.onAsked()
	}
}

// deadline is until when a lease that was asked for is to be handed over.
func (h *Held) deadline() time.Time { return h.asked.Add(max(h.m.options.Handover, 0)) }

// unreadAsked are the leases that nobody reads here and that others have asked for.
// m.mu is held.
func (m *Manager) unreadAsked() []*Held {
	var all []*Held
	for _, h := range m.sorted() {
		if !h.asked.IsZero() && !h.handed && !h.gone {
			all = append(all, h)
		}
	}
	return all
}

// disown takes this worker's name off the leases that it has asked for and will not
// take, or could not give back: others need not wait until they run out.
func (m *Manager) disown(ctx context.Context) error {
	if !m.isNamed() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	leases, err := m.store.Leases(ctx)
	if err != nil {
		return fmt.Errorf("leases not read: %w", err)
	}
	return each(len(leases), func(i int) error { //nolint:contextcheck // a write has the deadline of the manager's own
		last := leases[i]
		if last.Owner != m.owner || last.Position.Ended() {
			return nil
		}
		next, what := last, "given back"
		if m.asks(&last) {
			what = "given up, which was asked for"
		}
		next.Owner = ""
		_, _, err := m.claim(last, next, what)
		return err
	})
}

// isNamed reports whether there is a lease that names this worker as its owner, and that
// it does not hold.
func (m *Manager) isNamed() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, e := range m.known {
		if e.lease.Owner == m.owner && m.held[id] == nil && !e.lease.Position.Ended() {
			return true
		}
	}
	return false
}
