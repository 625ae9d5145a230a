package sqstest

import "time"

// dedupInterval is how long a FIFO queue remembers deduplication IDs.
const dedupInterval = 5 * time.Minute

// dedups are the sends that a FIFO queue remembers.
type dedups struct {
	sends map[string]*payload
	order []dedup // oldest first
}

type dedup struct {
	key   string
	until time.Time
}

func newDedups() dedups { return dedups{sends: make(map[string]*payload)} }

// add remembers a send.
func (d *dedups) add(key string, p *payload, now time.Time) {
	d.sends[key] = p
	d.order = append(d.order, dedup{key: key, until: now.Add(dedupInterval)})
}

// expire forgets what is older than the interval.
func (d *dedups) expire(now time.Time) {
	for len(d.order) > 0 && !d.order[0].until.After(now) {
		delete(d.sends, d.order[0].key)
		d.order = d.order[1:]
	}
}
