package lease

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

const (
	// patience is how long reading leases may take, or one write.
	patience = 20 * time.Second
	// listPatience is how long listing shards may take, of which the lister bounds
	// each call by itself.
	listPatience = time.Minute
)

// read reads the leases and takes note of them. began is a moment before.
func (m *Manager) read() (leases []checkpoint.Lease, began time.Time, err error) {
	ctx, cancel := context.WithTimeout(m.reading, patience)
	defer cancel()
	began = time.Now()
	leases, err = m.store.Leases(ctx)
	if err != nil {
		return nil, began, fmt.Errorf("leases not read: %w", err)
	}
	err = m.ours(leases)
	if err != nil {
		return nil, began, err
	}
	m.observe(leases, began, time.Now())
	return leases, began, nil
}

// ours returns an error if the store has leases of another stream.
func (m *Manager) ours(leases []checkpoint.Lease) error {
	for _, l := range leases {
		if m.options.Stream != "" && l.Stream != "" && l.Stream != m.options.Stream {
			return fmt.Errorf("the store has the lease of shard %s of stream %s; give stream %s a store of its own: %w",
				l.Shard, l.Stream, m.options.Stream, sources.ErrUnusable)
		}
	}
	return nil
}

// observe takes note of all leases, read between two moments.
func (m *Manager) observe(leases []checkpoint.Lease, began, ended time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.former == nil {
		m.recognise(leases)
	}
	there := make(map[string]checkpoint.Lease, len(leases))
	for _, l := range leases {
		there[l.Shard] = l
		m.note(l, began, ended)
	}
	maps.DeleteFunc(m.known, func(id string, e *entry) bool {
		_, ok := there[id]
		return !ok && e.at.Before(began) && e.first.Before(began)
	})
	if !m.exclusive {
		for _, h := range m.sorted() {
			l, ok := there[h.shard]
			h.observe(l, ok, began)
		}
	}
}

// recognise finds the names under which this worker owned leases before.
func (m *Manager) recognise(leases []checkpoint.Lease) {
	m.former = make(map[string]bool)
	for _, l := range leases {
		if i := strings.LastIndex(l.Owner, mark); m.options.Worker != "" && i >= 0 && l.Owner[:i] == m.options.Worker {
			m.former[l.Owner] = true
		}
	}
}

// note takes note of one lease that was read. What this worker wrote meanwhile
// is newer.
func (m *Manager) note(l checkpoint.Lease, began, ended time.Time) {
	e := m.known[l.Shard]
	switch {
	case e == nil:
		m.known[l.Shard] = &entry{lease: l, first: ended, since: ended, asked: ended}
	case l.Counter <= e.lease.Counter && !e.at.Before(began):
	case l.Counter == e.lease.Counter && l.Owner == e.lease.Owner:
	default:
		e.put(l, ended)
		e.at = time.Time{}
	}
}

// wrote takes note of a lease that this worker wrote.
func (m *Manager) wrote(l checkpoint.Lease) {
	now := time.Now()
	e := m.known[l.Shard]
	if e == nil {
		e = &entry{first: now}
		m.known[l.Shard] = e
	}
	e.put(l, now)
	e.at = now
}

// put takes note of a lease that was written.
func (e *entry) put(l checkpoint.Lease, seen time.Time) {
	if l.Owner != e.lease.Owner || l.CheckpointOwner != e.lease.CheckpointOwner {
		e.asked = seen
	}
	e.lease, e.since = l, seen
}
