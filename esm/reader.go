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
	rejected []sources.Record // by the filter
	mixed    *mixed           // nil with one lane
}

// mixed is records that were fetched for several lanes.
type mixed struct {
	records []sources.Record
	lanes   []uint8 // to which one each of them goes
	counts  []int   // and how many go to each
}

// fetch fetches records into buf and counts them as unfinished. It waits for room, and
// for records.
func (r *reader) fetch(buf []sources.Record, wait time.Duration) (int, error) {
	o := r.parent
	room := o.awaitRoom(min(wait, idleWait))
	if room == 0 {
		return 0, o.soft.Err()
	}
	n, err := o.fetch(buf[:min(len(buf), room)], wait, &r.failures)
	if n > 0 {
		o.tracker.add(buf[:n])
	}
	return n, err
}

// read fetches up to most records, waiting for the first ones only, and hands those that
// pass the filter to their lanes. It returns how many it fetched.
func (r *reader) read(most int, wait time.Duration) (total int, err error) {
	o := r.parent
	for total < most && err == nil {
		var n int
		buf := r.room(min(most-total, r.places))
		if n, err = r.fetch(buf, wait); n > 0 {
			r.route(buf[:r.sift(buf[:n])])
		}
		total += n
		if n < len(buf) {
			break
		}
		r.places, wait = min(max(8*r.places, firstRoom), o.config.BatchSize*len(o.sublanes)), 0
	}
	for _, s := range o.sublanes {
		if s.inbox.call() {
			o.lanes.Go(s.run)
		}
	}
	return total, err
}

// room is where n records are fetched to: into the inbox of the only lane, or to where
// they are told apart by their keys.
func (r *reader) room(n int) []sources.Record {
	lanes := r.parent.sublanes
	if len(lanes) == 1 {
		return lanes[0].inbox.room(n)
	}
	if r.mixed == nil {
		r.mixed = &mixed{counts: make([]int, len(lanes))}
	}
	if len(r.mixed.records) < n {
		r.mixed.records, r.mixed.lanes = make([]sources.Record, n), make([]uint8, n)
	}
	return r.mixed.records[:n]
}

// route hands records that were fetched to their lanes.
func (r *reader) route(records []sources.Record) {
	lanes := r.parent.sublanes
	if len(lanes) == 1 {
		lanes[0].inbox.add(len(records)) // where they are already
		return
	}
	clear(r.mixed.counts)
	for i := range records {
		lane := hash(records[i].Key) % uint64(len(lanes))
		r.mixed.lanes[i] = uint8(lane) //nolint:gosec // there are at most ten
		r.mixed.counts[lane]++
	}
	for lane, s := range lanes {
		n := r.mixed.counts[lane]
		if n == 0 {
			continue
		}
		room := s.inbox.room(n)[:0]
		for i := range records {
			if int(r.mixed.lanes[i]) == lane {
				room = append(room, records[i])
			}
		}
		s.inbox.add(n)
	}
	clear(records)
}

// hash is FNV-1a. All keys of a shard may share the top bits of their MD5, so a key is
// hashed anew (KIN-103).
func hash(key string) uint64 {
	sum := uint64(14695981039346656037)
	for i := range len(key) {
		sum = (sum ^ uint64(key[i])) * 1099511628211
	}
	return sum
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
