package sqs

import (
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

// standing is what the mapping may still do with a record.
type standing int

const (
	// gone records are the queue's again.
	gone standing = iota
	// held records are the mapping's, but no longer for the handler's whole time
	// limit: they are kept longer, given back or left alone, and not started.
	held
	// fresh records may be started.
	fresh
)

// standing is the one rule of what a record is worth. A record is the mapping's from
// when its receive was sent until it expires.
func (s *setup) standing(r *sources.Record, now time.Time) standing {
	switch left := r.Expires.Sub(now); {
	case left <= 0:
		return gone
	case left < s.timeout:
		return held
	default:
		return fresh
	}
}

// ours returns those of records that are the mapping's still: records itself if all
// of them are.
func (s *setup) ours(records []sources.Record, now time.Time) []sources.Record {
	left := func(r sources.Record) bool { return s.standing(&r, now) == gone }
	if !slices.ContainsFunc(records, left) {
		return records
	}
	return slices.DeleteFunc(slices.Clone(records), left)
}

// longest is how long all of records may be hidden from now on: the service counts its
// 12 hours from the receive.
func (s *setup) longest(records []sources.Record, now time.Time) time.Duration {
	longest := maxVisibility
	for i := range records {
		received := records[i].Expires.Add(-s.life)
		longest = min(longest, received.Add(maxVisibility-callTime).Sub(now))
	}
	return max(longest, 0)
}
