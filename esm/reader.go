package esm

import (
	"time"

	"github.com/openesm/openesm/sources"
)

// reader fetches the records of an ordered partition. It belongs to one goroutine: one
// that reads ahead of the lanes, or that of the only lane, which then reads when it has
// a batch to fill.
type reader struct {
	parent *ordered
	// places is how many records it fetches at most: few while little comes.
	places   int
	failures int              // fetches in a row that failed
	mixed    []sources.Record // fetched for several lanes
	rejected []sources.Record // by the filter
}

// read fetches up to most records, hands those that pass the filter to their lanes, and
// returns how many it fetched. It waits for room, and for records.
func (r *reader) read(most int, wait time.Duration) (int, error) {
	o := r.parent
	most = min(most, r.places, o.awaitRoom(min(wait, idleWait)))
	if most <= 0 {
		return 0, o.soft.Err()
	}
	buf := r.room(most)
	n, err := o.fetch(buf, wait, &r.failures)
	if n > 0 {
		o.tracker.add(buf[:n])
		o.route(buf[:r.sift(buf[:n])])
	}
	switch {
	case n == len(buf):
		r.places = min(max(8*r.places, firstRoom), o.config.BatchSize*len(o.sublanes))
	case n == 0 && wait >= idleWait:
		r.shrink()
	}
	return n, err
}

// room is where n records are fetched to: into the inbox of the only lane, or to where
// they are told apart by their keys.
func (r *reader) room(n int) []sources.Record {
	if only := r.parent.only(); only != nil {
		return only.inbox.room(n)
	}
	if len(r.mixed) < n {
		r.mixed = make([]sources.Record, n)
	}
	return r.mixed[:n]
}

// shrink lets go of what is not needed to wait for the next record: there may be very
// many partitions that never have one.
func (r *reader) shrink() {
	r.places, r.mixed, r.rejected = 1, nil, nil
	r.parent.tracker.shrink()
	for _, s := range r.parent.sublanes {
		s.inbox.shrink()
	}
}

// sift moves the records that pass the filter to the front, and returns how many those
// are. It finishes the others.
func (r *reader) sift(records []sources.Record) int {
	if r.parent.filter == nil {
		return len(records)
	}
	var kept int
	kept, r.rejected = r.parent.separate(records, r.rejected[:0])
	r.parent.finished(r.rejected)
	clear(r.rejected)
	return kept
}
