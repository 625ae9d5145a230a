package sqs

import (
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

// stock is records that were received and not asked for by anybody yet. It is
// guarded by the partition's mutex.
type stock struct {
	whole    bool          // FIFO: what came together is handed out together
	slow     time.Duration // stock that lies so long is too old
	arrivals []arrival
	frugal   time.Time // until then receives bring no surplus
}

// arrival is what is left of one receive.
type arrival struct {
	records []sources.Record
	at      time.Time
	expires time.Time
}

// put adds a copy of what a receive brought.
func (s *stock) put(a arrival) {
	if len(a.records) > 0 {
		a.records = slices.Clone(a.records)
		s.arrivals = append(s.arrivals, a)
	}
}

// take fills buf from the oldest arrivals, or, if they must stay whole, with
// the oldest that fits. Expired records are dropped: they are the queue's again.
func (s *stock) take(buf []sources.Record, now time.Time) int {
	if len(s.arrivals) == 0 {
		return 0
	}

	s.expire(now)

	if s.whole {
		return s.takeWhole(buf)
	}

	n := 0
	for n < len(buf) && len(s.arrivals) > 0 {
		a := &s.arrivals[0]
		if now.Sub(a.at) > s.slow {
			s.frugal = now.Add(time.Minute)
		}

		got := copy(buf[n:], a.records)
		a.records = a.records[got:]
		n += got

		if len(a.records) == 0 {
			s.arrivals = slices.Delete(s.arrivals, 0, 1)
		}
	}

	return n
}

func (s *stock) takeWhole(buf []sources.Record) int {
	i := slices.IndexFunc(s.arrivals, func(a arrival) bool { return len(a.records) <= len(buf) })
	if i < 0 {
		return 0
	}

	n := copy(buf, s.arrivals[i].records)
	s.arrivals = slices.Delete(s.arrivals, i, i+1)

	return n
}

// expire drops what is no longer the mapping's.
func (s *stock) expire(now time.Time) {
	s.arrivals = slices.DeleteFunc(s.arrivals, func(a arrival) bool {
		if now.Before(a.expires) {
			return false
		}

		s.frugal = now.Add(time.Minute)

		return true
	})
}

// empty takes everything.
func (s *stock) empty(now time.Time) []sources.Record {
	s.expire(now)

	var all []sources.Record
	for _, a := range s.arrivals {
		all = append(all, a.records...)
	}

	s.arrivals = nil

	return all
}
