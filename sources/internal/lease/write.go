package lease

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// write stores a changed lease with the next Counter, if the lease is still this
// worker's.
func (h *Held) write(ctx context.Context, change func(*checkpoint.Lease)) error {
	err := h.enter(ctx)
	if err != nil {
		return err
	}
	defer h.leave()
	return h.writeAlone(ctx, change)
}

// enter waits until nobody else writes the lease.
func (h *Held) enter(ctx context.Context) error {
	select {
	case h.semaphore <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (h *Held) leave() { <-h.semaphore }

// renew is a write that changes nothing, unless another one is under way. It tells of
// its failure.
func (h *Held) renew(ctx context.Context) {
	err := h.renewed(ctx)
	if err != nil && ctx.Err() == nil {
		h.m.options.Report(err)
	}
}

// renewed is renew that returns what there is to tell.
func (h *Held) renewed(ctx context.Context) error {
	var (
		err  error
		busy bool
	)
	select {
	case h.semaphore <- struct{}{}:
		err = h.writeAlone(ctx, func(*checkpoint.Lease) {})
		h.leave()
	default:
		busy = true
	}
	const part = 5 // of the duration is the longest delay after a failure
	m := h.m
	m.mu.Lock()
	defer m.mu.Unlock()
	h.renewing = false
	h.next = time.Time{}
	if busy { // a write was under way
		h.next = time.Now().Add(m.options.Duration / (renewals * margin))
	}
	if err != nil && !h.gone {
		h.failures++
		h.next = time.Now().Add(m.backoff(h.failures, m.options.Duration/part))
		return m.unrenewed(h.shard, err)
	}
	h.failures = 0
	return nil
}

// unrenewed returns what is to be told of a failed renewal: nothing if one was told
// of less than a second ago, but the next one says how many there were. m.mu is held.
func (m *Manager) unrenewed(shard string, err error) error {
	const pause = time.Second
	now := time.Now()
	if now.Sub(m.reported) < pause {
		m.unreported++
		return nil
	}
	others := ""
	if m.unreported > 0 {
		others = fmt.Sprintf(" (nor %d others)", m.unreported)
	}
	m.reported, m.unreported = now, 0
	return fmt.Errorf("lease of shard %s not renewed%s: %w", shard, others, err)
}

func (h *Held) writeAlone(ctx context.Context, change func(*checkpoint.Lease)) error {
	for adopted := false; ; adopted = true {
		last, unstored, ok := h.begin()
		if !ok {
			return h.lostError()
		}
		next := last
		unstored.onto(&next)
		change(&next)
		if adopted && same(next, last) {
			h.done(last, h.stored(), unstored)
			return nil // the earlier write was this one
		}
		next.Counter = last.Counter + 1
		again, err := h.attempt(ctx, last, next, unstored)
		if !again {
			return err
		}
	}
}

// stored is from when on the lease is valid.
func (h *Held) stored() time.Time {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	return h.since
}

// same reports whether two leases say the same of what a write may change.
func same(a, b checkpoint.Lease) bool {
	return a.Owner == b.Owner && a.CheckpointOwner == b.CheckpointOwner &&
		bytes.Equal(a.Window, b.Window) && slices.Equal(a.Children, b.Children) &&
		a.Position.Sequence == b.Position.Sequence && a.Position.SubSequence == b.Position.SubSequence &&
		a.Position.Timestamp.Equal(b.Position.Timestamp)
}

// begin returns the lease to write upon, if it is valid, and what is to be written with
// it. It is given up here too: the keeper may not have run yet after a pause of the
// process.
func (h *Held) begin() (last checkpoint.Lease, unstored *progress, valid bool) {
	h.m.mu.Lock()
	defer h.m.mu.Unlock()
	if !h.gone && !h.m.exclusive && !time.Now().Before(h.until()) {
		h.lose("lease was not renewed in time")
	}
	h.writing = !h.gone
	return h.lease, h.unstored, !h.gone
}

// attempt makes one write, which stores the progress that was not. again says that an earlier write had taken effect, so
// that this one may be made upon that; it cannot say so twice in a row.
func (h *Held) attempt(ctx context.Context, last, next checkpoint.Lease, unstored *progress) (again bool, err error) {
	bounded, cancel := h.bounded(ctx, h.m.options.Duration/renewals)
	defer cancel()
	began := time.Now()
	err = h.m.store.Update(bounded, last, next)
	switch {
	case err == nil:
		h.done(next, began, unstored)
		return false, nil
	case !errors.Is(err, checkpoint.ErrConflict):
		return false, h.unclear(began, err)
	}
	return h.refused(ctx, last, next, unstored)
}

// bounded limits a call to limit, as a write to the time between two renewals, and to the
// validity of the lease, if that runs out.
func (h *Held) bounded(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	if h.m.exclusive {
		return context.WithTimeout(ctx, patience)
	}
	h.m.mu.Lock()
	until := h.until()
	h.m.mu.Unlock()
	return context.WithTimeout(ctx, min(limit, patience, time.Until(until)))
}

// done takes note of a write that took effect, and that stored what was not.
func (h *Held) done(l checkpoint.Lease, began time.Time, stored *progress) {
	m := h.m
	m.mu.Lock()
	defer m.mu.Unlock()
	h.lease, h.since, h.doubt, h.writing = l, began, time.Time{}, false
	if h.unstored == stored {
		h.unstored = nil
	}
	h.gone = h.gone || !m.has(&l)
	m.wrote(l)
}

// unclear takes note of a write that may have taken effect, or, if began is zero, of one
// that was refused for a reason that is not known yet.
func (h *Held) unclear(began time.Time, err error) error {
	m := h.m
	m.mu.Lock()
	defer m.mu.Unlock()
	h.writing = false
	if h.doubt.IsZero() {
		h.doubt = began
	}
	if !m.exclusive && !time.Now().Before(h.until()) {
		h.lose("lease was not renewed in time")
	}
	if h.gone {
		return h.lostError()
	}
	return err
}

// refused finds out why a write was: the lease was taken or asked for, or an earlier
// write had taken effect though it was answered with an error.
func (h *Held) refused(ctx context.Context, last, next checkpoint.Lease, unstored *progress) (again bool, err error) {
	m := h.m
	m.mu.Lock()
	doubt := h.doubt
	m.mu.Unlock()
	stored, err := h.read(ctx)
	if err != nil {
		// Most refused writes are of a lease that was asked for.
		return false, h.unclear(doubt, fmt.Errorf("write refused, and leases not read: %w", err))
	}
	if stored.CheckpointOwner == m.owner {
		m.mu.Lock()
		defer m.mu.Unlock()
		h.noteAsked(stored)
		return !h.gone, h.lostIfGone()
	}

	// Only this worker can have written this Owner upon last, or none.
	written := !doubt.IsZero() && stored.Counter == last.Counter+1
	switch {
	case written && m.has(&stored):
		h.done(stored, doubt, nil)
		return true, nil
	case written && !m.has(&next) && stored.Owner == next.Owner && stored.CheckpointOwner == next.CheckpointOwner:
		h.done(stored, doubt, unstored)
		return false, nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	h.writing = false
	if stored.Shard == "" {
		h.lose("lease is in the store no more")
	} else {
		h.lose("lease was taken by another worker")
	}
	return false, h.lostError()
}

// lostIfGone is the error of a lease that is gone. m.mu is held.
func (h *Held) lostIfGone() error {
	if h.gone {
		return h.lostError()
	}
	return nil
}

// read returns the lease as it is stored, or an empty one. It may take as long as the
// lease is valid, for a large table is not read in the time of a write; one that takes
// longer than that may hang, and is made once more beside it.
func (h *Held) read(ctx context.Context) (checkpoint.Lease, error) {
	ctx, cancel := h.bounded(ctx, patience)
	defer cancel()
	leases, err := hedged(ctx, h.m.options.Duration/renewals, h.m.store.Leases)
	if err != nil {
		return checkpoint.Lease{}, err
	}
	for _, l := range leases {
		if l.Shard == h.shard {
			return l, nil
		}
	}
	return checkpoint.Lease{}, nil
}
