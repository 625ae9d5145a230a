package lease

import (
	"sync"
	"time"
)

const (
	// renewals is how often a lease is renewed in its duration.
	renewals = 3
	// margin is the part of the duration that a lease is given up earlier.
	margin = 10
)

// keep is the goroutine that has leases renewed, and gives up those that could
// not be. It makes no call, so that nothing holds it up.
func (m *Manager) keep() {
	timer := time.NewTimer(m.options.Duration)
	defer timer.Stop()
	places := make(chan struct{}, maxWrites)
	for {
		due, wait := m.due(time.Now(), maxWrites-len(places))
		for _, h := range due {
			places <- struct{}{}
			m.keeping.Go(func() { m.renew(h, places) })
		}
		timer.Reset(wait)
		select {
		case <-m.working.Done():
			return
		case <-m.keepSoon:
		case <-timer.C:
		}
	}
}

// renew renews a lease, for which it has one of the places. One that takes long gives
// its place away before it ends, so that any number of renewals that hang leave time
// for the others.
func (m *Manager) renew(h *Held, places <-chan struct{}) {
	const part = 100 // of a duration
	leave := sync.OnceFunc(func() {
		<-places
		signal(m.keepSoon)
	})
	late := time.AfterFunc(m.options.Duration/part, leave)
	defer late.Stop()
	h.renew(m.working)
	leave()
}

// due gives up what was not renewed in time, and returns up to limit leases to
// renew now, the oldest first, and how long to wait for the next.
func (m *Manager) due(now time.Time, limit int) (due []*Held, wait time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wait = m.options.Duration
	for _, h := range m.held {
		switch {
		case h.gone:
			continue
		case !now.Before(h.until()):
			h.lose("lease was not renewed in time")
			continue
		case !h.asked.IsZero() && !now.Before(h.deadline()):
			h.lose("lease was not handed over in time")
			continue
		case !h.asked.IsZero():
			wait = min(wait, h.deadline().Sub(now))
		}
		wait = min(wait, h.until().Sub(now))
		switch left := h.renewal().Sub(now); {
		case h.renewing:
		case left > 0:
			wait = min(wait, left)
		default:
			due = append(due, h)
		}
	}
	m.wakes = now.Add(wait)
	sortByAge(due)
	due = due[:min(limit, len(due))]
	for _, h := range due {
		h.renewing = true
	}
	return due, wait
}
