package dynamodbstreamstest

import "time"

const (
	maxReaders   = 2  // of a shard (DDB-13)
	describeRate = 10 // a second (DDB-22)
)

// SetLimits has the limits on callers enforced: two readers of a shard, told
// apart by the host that they call, of whom a third is refused for as long as the
// others read at least once a second (DDB-13), and 10 DescribeStreams a second
// (DDB-22). They are not unless switched on, so that nobody's test depends on how
// fast it calls.
func (s *Server) SetLimits(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = on
}

// rate counts the calls of the second that began with the first of them.
type rate struct {
	begun time.Time
	calls int
}

// admit counts a call, unless there is no room for it.
func (r *rate) admit(now time.Time, limit int) bool {
	if r.begun.IsZero() || !now.Before(r.begun.Add(time.Second)) {
		*r = rate{begun: now}
	}
	if r.calls >= limit {
		return false
	}
	r.calls++
	return true
}

// readers are who read a shard, and when they did last.
type readers map[string]time.Time

// admit notes that a host reads, unless others do already.
func (r readers) admit(host string, now time.Time) bool {
	for other, last := range r {
		if now.Sub(last) > time.Second {
			delete(r, other)
		}
	}
	if _, reads := r[host]; !reads && len(r) >= maxReaders {
		return false
	}
	r[host] = now
	return true
}
