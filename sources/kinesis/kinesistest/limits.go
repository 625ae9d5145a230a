package kinesistest

import "time"

// The limits of one shard (KIN-24, KIN-42, KIN-82).
const (
	callRate = 5       // GetRecords, or GetShardIterators, a second
	byteRate = 2 << 20 // bytes a second
)

// SetLimits has the limits on callers enforced: 5 GetRecords a second and
// 2 MiB/s for each shard, where an answer of 10 MiB uses up 5 seconds (KIN-24,
// KIN-25), 5 GetShardIterators a second for each shard (KIN-42), one
// SubscribeToShard a second and 2 MiB/s for each shard and consumer (KIN-80,
// KIN-82). They are not unless switched on, so that nobody's test depends on
// how fast it calls.
func (s *Server) SetLimits(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = on
}

// window is what was used of a limit. It begins with a call, and lasts for a
// second, or for as long as its bytes take at their rate if that is longer.
type window struct {
	begun        time.Time
	calls, bytes int
}

// admit counts a call, unless there is no room for it.
func (w *window) admit(now time.Time) bool {
	if w.begun.IsZero() || !now.Before(w.begun.Add(max(time.Second, pace(w.bytes)))) {
		*w = window{begun: now}
	}
	if w.calls >= callRate || w.bytes >= byteRate {
		return false
	}
	w.calls++
	return true
}

// pace is how long bytes take.
func pace(bytes int) time.Duration {
	return time.Duration(bytes) * time.Second / byteRate
}
