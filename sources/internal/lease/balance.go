package lease

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// balance is the goroutine that takes leases: after every look at the store, and
// when something has changed here.
func (m *Manager) balance() {
	var (
		timer    = time.NewTimer(0)
		failures int
	)
	defer timer.Stop()
	for {
		look := false
		select {
		case <-m.stop:
			return
		case <-m.takeSoon:
			if failures > 0 {
				continue
			}
		case <-timer.C:
			look = true
		}
		err := m.pass(look)
		switch {
		case err != nil:
			failures++
			timer.Reset(m.backoff(failures, m.options.Duration))
			m.complain(err)
		case look && m.exclusive:
			failures = 0 // nobody else writes
		case look:
			failures = 0
			timer.Reset(m.untilLook(time.Now()))
		}
	}
}

// untilLook is how long to wait for the next look at the store: half a duration, or
// until a lease of others runs out that was not renewed since the last one, or a little
// while if one is to be handed over to this worker.
func (m *Manager) untilLook(now time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	const soon = 10 // parts of a duration
	wait := m.about(m.options.Duration / 2)
	for id, e := range m.known {
		if m.asks(&e.lease) {
			wait = min(wait, m.options.Duration/soon)
		}
		if left := e.since.Add(m.options.Duration).Sub(now); left > 0 && m.held[id] == nil && !e.lease.Position.Ended() {
			wait = min(wait, left)
		}
	}
	return wait
}

// pass takes what is to be taken. Without a look at the store it goes by what is
// known, and asks for nothing.
func (m *Manager) pass(look bool) error {
	began := time.Now()
	if look {
		var err error
		_, began, err = m.read()
		if err != nil {
			return err
		}
	}
	select {
	case <-m.takeSoon: // what has changed until now this pass goes by
	default:
	}
	err := m.fix()
	if err != nil {
		return err
	}
	free, steal, back := m.plan(began)
	err = each(len(back), func(i int) error { return back[i].Release(m.working) })
	if err != nil {
		return err
	}
	err = each(len(free), func(i int) error {
		_, err := m.take(free[i])
		return err
	})
	if err != nil || !look {
		return err
	}

	// A busy owner writes all the time, so that the first try may come too late.
	const tries = 5
	for _, l := range steal[:min(tries, len(steal))] {
		asked, err := m.ask(l)
		if asked || err != nil {
			return err
		}
	}
	return nil
}

// plan is what to take, what to ask for one of, and what to give back, for nobody
// calls Next, or another worker has asked for it.
func (m *Manager) plan(now time.Time) (free, steal []checkpoint.Lease, back []*Held) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.idle || m.closed {
		back = slices.Concat(m.queue, m.unreadAsked())
		return nil, nil, back
	}
	s := share{
		owner: m.owner, former: m.former, duration: m.options.Duration, maxLeases: m.options.MaxLeases, exclusive: m.exclusive,
		handover: max(m.options.Handover, 0),
	}
	ready := m.ready()
	if n := len(ready); n > 0 {
		// Workers begin at different places, so that they seldom collide.
		from := int(m.options.Jitter() * float64(n))
		ready = slices.Concat(ready[from:], ready[:from])
	}
	free, steal = s.take(ready, now)
	return free, steal, m.unreadAsked()
}

// take makes a lease this worker's. It is no error if somebody else was faster.
func (m *Manager) take(last checkpoint.Lease) (bool, error) {
	select {
	case <-m.stop:
		return false, nil
	default:
	}
	next := last
	next.Owner, next.CheckpointOwner = m.owner, ""
	began := time.Now()
	next, taken, err := m.claim(last, next, "taken")
	if !taken || err != nil {
		return false, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	h := &Held{
		m: m, shard: last.Shard, lease: next, since: began,
		semaphore: make(chan struct{}, 1), lost: make(chan struct{}),
	}
	m.held[h.shard] = h
	m.queue = append(m.queue, h)
	signal(m.news)
	signal(m.keepSoon)
	return true, nil
}

// fix stores where the leases begin whose position would mean another place to each
// reader, before anybody reads them (P16). Who was faster has pinned them already.
func (m *Manager) fix() error {
	m.mu.Lock()
	var relative, all []checkpoint.Lease
	for _, e := range m.known {
		if isRelative(e.lease.Position) {
			relative = append(relative, e.lease)
		}
	}
	if len(relative) > 0 {
		for _, e := range m.known {
			all = append(all, e.lease)
		}
	}
	m.mu.Unlock()
	byShard(relative)
	g := newGraph(nil, all)
	return each(len(relative), func(i int) error {
		next := relative[i]
		next.Position = g.fixed(next.Position, m.options.Start, m.options.Now)
		return m.pinTo(relative[i], next)
	})
}

// pinTo writes one lease of fix.
func (m *Manager) pinTo(last, next checkpoint.Lease) error {
	ctx, cancel := context.WithTimeout(m.working, min(m.options.Duration/renewals, patience))
	defer cancel()
	next.Counter++
	err := m.store.Update(ctx, last, next)
	switch {
	case errors.Is(err, checkpoint.ErrConflict):
		return nil // the next look shows how
	case err != nil:
		return fmt.Errorf("start of shard %s, which was %s, not stored: %w", last.Shard, last.Position.Sequence, err)
	}
	m.options.Logger.Info("start of shard stored", "shard", last.Shard, "was", last.Position.Sequence,
		"position", next.Position.Sequence, "timestamp", next.Position.Timestamp)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wrote(next)
	return nil
}
