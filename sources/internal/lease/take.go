package lease

import (
	"cmp"
	"slices"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// seen is a lease as this worker knows it.
type seen struct {
	lease checkpoint.Lease
	since time.Time // first seen with this Owner and Counter
	asked time.Time // first seen with this Owner and CheckpointOwner
	held  bool      // by this worker, or not let go of by its reader yet
}

// share is what the rules of taking go by.
type share struct {
	owner     string          // this worker
	former    map[string]bool // what this worker was called before a restart
	duration  time.Duration
	handover  time.Duration // how long the holder of a lease that was asked for has
	maxLeases int           // leases of this worker; 0 for no limit
	exclusive bool
}

// neglect is after how many durations a free lease is taken by a worker that has
// its share already: the others are full, or are no more.
const neglect = 3

// take returns the leases to take at now, out of those that are ready: the free
// ones up to this worker's share, and, if there is none to take, candidates of
// which one may be asked for, of the worker that has most and at least two more.
//
// A lease is free when it has no owner, when it is this worker's but not held
// (its take was answered with an error, it was taken before a restart, or it was
// handed over), or when it was not renewed for its duration. One that is being handed
// over counts for the worker that has asked for it. For that one it is free when it was
// not renewed, or when the bound of the hand-over has passed, for the others after
// another duration.
//
// now must not be after the moment when the leases were read.
func (s *share) take(ready []seen, now time.Time) (free, steal []checkpoint.Lease) {
	counts := map[string]int{s.owner: 0}
	all := 0
	var neglected, waiting []checkpoint.Lease
	for _, x := range ready {
		if x.lease.Position.Ended() {
			continue
		}
		all++
		switch {
		case x.held && (s.exclusive || x.lease.Owner == s.owner):
			counts[s.owner]++
		case x.held && x.lease.Owner == "": // its reader lets go of it
		case x.lease.Owner == "" && x.lease.CheckpointOwner != "" && !s.free(x, now): // who asked for it is no more
		case x.held, !s.free(x, now):
			counts[x.lease.Owner]++
		case s.exclusive || now.Sub(x.since) >= neglect*s.duration:
			neglected = append(neglected, x.lease)
		default:
			waiting = append(waiting, x.lease)
		}
	}
	have := counts[s.owner]
	room := all
	if s.maxLeases > 0 {
		room = s.maxLeases - have
	}
	target := (all + len(counts) - 1) / len(counts)
	free = slices.Concat(neglected, waiting[:max(0, min(len(waiting), target-have-len(neglected)))])
	free = free[:max(0, min(len(free), room))]
	if len(free) == 0 && room > 0 {
		steal = s.richest(ready, counts, now)
	}
	return free, steal
}

// free reports whether a lease that is not held may be taken.
func (s *share) free(x seen, now time.Time) bool {
	owner, quiet := x.lease.Owner, now.Sub(x.since)
	switch {
	case s.exclusive:
		return true
	case x.lease.CheckpointOwner == "":
		return owner == "" || owner == s.owner || s.former[owner] || quiet >= s.duration
	case owner == s.owner:
		return quiet >= s.duration || now.Sub(x.asked) >= s.handover+s.duration
	default:
		return quiet >= s.duration+s.duration // whoever has asked comes first
	}
}

// richest returns the leases of the worker that has most, in the order of ready,
// if it has at least two more than this worker.
func (s *share) richest(ready []seen, counts map[string]int, now time.Time) []checkpoint.Lease {
	owners := make([]string, 0, len(counts))
	for owner := range counts {
		owners = append(owners, owner)
	}
	richest := slices.MaxFunc(owners, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[a], counts[b]), cmp.Compare(b, a))
	})
	if counts[richest] < counts[s.owner]+2 {
		return nil
	}
	var all []checkpoint.Lease
	for _, x := range ready {
		if x.lease.Owner == richest && x.lease.CheckpointOwner == "" && !x.held && !x.lease.Position.Ended() && !s.free(x, now) {
			all = append(all, x.lease)
		}
	}
	return all
}
