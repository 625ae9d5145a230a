package lease

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
)

// listGap is the least time between lists that were asked for.
const listGap = time.Second

// discover is the goroutine that lists shards.
func (m *Manager) discover() {
	var (
		timer    = time.NewTimer(0)
		last     time.Time
		failures int
	)
	defer timer.Stop()
	for {
		select {
		case <-m.stop:
			return
		case <-m.listSoon:
			if failures == 0 {
				timer.Reset(time.Until(last.Add(listGap)))
			}
			continue
		case <-timer.C:
		}
		err := m.synchronise()
		last = time.Now()
		if err == nil {
			failures = 0
			timer.Reset(m.about(m.untilList()))
			continue
		}
		failures++
		timer.Reset(m.backoff(failures, min(m.options.ListInterval, time.Minute)))
		m.complain(err)
	}
}

// untilList is how long to wait for the next list: an interval, but at first less if a shard
// has ended here whose children are not known, for they may be late (DDB-28).
func (m *Manager) untilList() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.listed.shards {
		for _, parent := range s.Parents {
			delete(m.childless, parent)
		}
	}
	if len(m.childless) == 0 {
		return m.options.ListInterval
	}
	m.childWait = max(2*m.childWait, listGap)
	if m.childWait >= m.options.ListInterval { // it may be the last of its lineage (DDB-31)
		clear(m.childless)
		return m.options.ListInterval
	}
	return m.childWait
}

// awaitChildren has lists follow each other sooner until the children of a shard that has
// ended are known.
func (m *Manager) awaitChildren(shard string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.childless[shard], m.childWait = true, 0
}

// complain tells of an error, unless it is of the manager's end. What is tried again
// is reported; what will not pass is for Next.
func (m *Manager) complain(err error) {
	switch {
	case m.reading.Err() != nil:
	case errors.Is(err, sources.ErrUnusable):
		m.Fail(err)
	default:
		m.options.Report(err)
	}
}

// about is d, give or take a tenth, so that workers do not move in step.
func (m *Manager) about(d time.Duration) time.Duration {
	const tenth = 10
	return d - d/tenth + time.Duration(m.options.Jitter()*float64(d/tenth*2))
}

// backoff is how long to wait after failures in a row.
func (m *Manager) backoff(failures int, limit time.Duration) time.Duration {
	const (
		least   = 50 * time.Millisecond
		initial = 400 * time.Millisecond
	)
	return least + retry.Backoff{Initial: min(initial, limit), Max: limit}.Delay(failures, m.options.Jitter())
}

// synchronise makes the leases fit the shards.
func (m *Manager) synchronise() error {
	shards, leases, began, err := m.look()
	if err != nil {
		return err
	}
	g := newGraph(shards, leases)
	if len(leases) == 0 {
		m.pin = m.options.Now
		err = m.recall(g)
		if err != nil {
			return err
		}
	}
	for _, generation := range g.missing(m.options.Start, m.pin) {
		err = each(len(generation), func(i int) error { return m.create(m.working, generation[i]) })
		if err != nil {
			return err
		}
	}
	m.mu.Lock()
	m.listed = listing{shards: shards, began: began}
	m.mu.Unlock()
	signal(m.takeSoon)
	needless := g.needless()
	return each(len(needless), func(i int) error { return m.remove(needless[i]) })
}

// recall has a stream that begins with what comes from now on begin with all shards
// that were open then, also those that were closed before the first list (KIN-69).
func (m *Manager) recall(g *graph) error {
	if m.options.Start.Sequence != checkpoint.Latest {
		return nil
	}
	shards, err := m.listOnce(m.pin)
	if err != nil {
		return err
	}
	for _, s := range shards {
		g.recent[s.ID] = true
	}
	return nil
}

// look lists the shards, again for a while if the list looks wrong, and reads
// the leases after that.
func (m *Manager) look() ([]Shard, []checkpoint.Lease, time.Time, error) {
	const (
		tries = 3
		pause = time.Second
	)
	for try := 1; ; try++ {
		began := time.Now()
		shards, err := m.listOnce(time.Time{})
		if err != nil {
			return nil, nil, began, err
		}
		leases, _, err := m.read()
		if err != nil {
			return nil, nil, began, err
		}
		doubt := doubtful(shards, len(leases) == 0)
		if doubt == "" {
			return shards, leases, began, nil
		}
		if try > tries {
			// Parents are waited for all the same.
			m.options.Logger.Warn("the list of shards is used although it looks wrong", "reason", doubt)
			return shards, leases, began, nil
		}
		select {
		case <-m.stop:
			return nil, nil, began, errClosed
		case <-time.After(pause):
		}
	}
}

func (m *Manager) listOnce(since time.Time) ([]Shard, error) {
	ctx, cancel := context.WithTimeout(m.reading, listPatience)
	defer cancel()
	shards, err := m.list(ctx, since)
	if err != nil {
		return nil, fmt.Errorf("shards not listed: %w", err)
	}
	return shards, nil
}

// create creates a lease, if there is none.
func (m *Manager) create(ctx context.Context, l checkpoint.Lease) error {
	select {
	case <-m.working.Done():
		return errClosed
	default:
	}
	ctx, cancel := context.WithTimeout(ctx, min(m.options.Duration, patience))
	defer cancel()
	l.Stream = m.options.Stream
	err := m.store.Create(ctx, l)
	if errors.Is(err, checkpoint.ErrConflict) {
		if m.exclusive { // another manager of this process; there is no next look otherwise
			signal(m.listSoon)
		}
		return nil // somebody else was first; the next look shows how
	}
	if err != nil {
		return fmt.Errorf("lease of shard %s not created: %w", l.Shard, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.wrote(l)
	return nil
}

// remove deletes a lease, if nobody has written it meanwhile.
func (m *Manager) remove(l checkpoint.Lease) error {
	ctx, cancel := context.WithTimeout(m.working, min(m.options.Duration, patience))
	defer cancel()
	err := m.store.Delete(ctx, l)
	if errors.Is(err, checkpoint.ErrConflict) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("lease of shard %s not deleted: %w", l.Shard, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.known, l.Shard)
	return nil
}
