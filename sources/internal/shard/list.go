package shard

import (
	"errors"

	"github.com/openesm/openesm/sources/internal/lease"
)

// Errors of a list that cannot be right.
var (
	errNoShards   = errors.New("the answer has no shards")
	errNamelessID = errors.New("the answer has a shard without an ID")

	// ErrEndlessList is of a list whose pages do not end.
	ErrEndlessList = errors.New("the list does not end")
)

// List is the pages of a list of shards so far.
type List struct {
	// Shards are all that the pages have, each once.
	Shards []lease.Shard

	known map[string]bool // by ID
	idle  int             // pages in a row that brought no new shard
}

// Add adds a page, nil for one without a list, and returns an error for one that says
// nothing or is of a list that does not come to an end. A list that ends has a shard.
func (l *List) Add(page []lease.Shard, last bool) error {
	const maxIdle = 10
	if l.known == nil {
		l.known = make(map[string]bool)
	}
	before := len(l.known)
	for _, shard := range page {
		switch {
		case shard.ID == "":
			return errNamelessID
		case !l.known[shard.ID]:
			l.known[shard.ID] = true
			l.Shards = append(l.Shards, shard)
		}
	}
	l.idle++
	if len(l.known) > before {
		l.idle = 0
	}
	switch {
	case page == nil, len(l.Shards) == 0 && last:
		return errNoShards
	case l.idle > maxIdle:
		return ErrEndlessList
	default:
		return nil
	}
}
