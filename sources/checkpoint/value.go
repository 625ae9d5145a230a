package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

var errNoShard = errors.New("lease: Shard is empty, but it is the lease's key")

// Check returns an error if no store could keep the lease. A Store asks it
// before it creates one.
func (l Lease) Check() error {
	if l.Shard == "" {
		return errNoShard
	}
	if year := l.Position.Timestamp.UTC().Year(); year < 1 || year > 9999 {
		return fmt.Errorf("lease %q: Position.Timestamp is in the year %d, but must be in 1 to 9999", l.Shard, year)
	}
	return nil
}

// CheckNext returns an error if next may not take the place of l, whatever is
// stored. A Store asks it before an update.
func (l Lease) CheckNext(next Lease) error {
	if l.Shard != next.Shard {
		return fmt.Errorf("lease %q: cannot be replaced by a lease of shard %q", l.Shard, next.Shard)
	}
	return next.Check()
}

// Matches reports whether both leases have the same Owner and Counter: whether
// a write that names other as the last one is let through.
func (l Lease) Matches(other Lease) bool {
	return l.Owner == other.Owner && l.Counter == other.Counter
}

// Clone returns a copy as a Store gives it back: it shares no slice with l, and
// its time is in UTC.
func (l Lease) Clone() Lease {
	l.Position.Timestamp = l.Position.Timestamp.UTC().Round(0)
	l.Parents = slices.Clone(l.Parents)
	l.Children = slices.Clone(l.Children)
	l.Window = slices.Clone(l.Window)
	return l
}

// Equal reports whether both leases say the same. Parents and Children are
// compared as sets, nil and empty slices are the same, and so are times of the
// same instant.
func (l Lease) Equal(other Lease) bool {
	return l.Shard == other.Shard && l.Stream == other.Stream && l.Matches(other) &&
		l.CheckpointOwner == other.CheckpointOwner &&
		l.Position.Equal(other.Position) &&
		sameSet(l.Parents, other.Parents) && sameSet(l.Children, other.Children) &&
		l.StartingHashKey == other.StartingHashKey && l.EndingHashKey == other.EndingHashKey &&
		bytes.Equal(l.Window, other.Window)
}

// Equal reports whether both are the same place.
func (p Position) Equal(other Position) bool {
	return p.Sequence == other.Sequence && p.SubSequence == other.SubSequence && p.Timestamp.Equal(other.Timestamp)
}

func sameSet(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	for _, name := range a {
		if !slices.Contains(b, name) {
			return false
		}
	}
	for _, name := range b {
		if !slices.Contains(a, name) {
			return false
		}
	}
	return true
}
