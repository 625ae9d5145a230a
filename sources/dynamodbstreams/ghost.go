package dynamodbstreams

import (
	"slices"
	"sync"
	"time"

	"github.com/openesm/openesm/sources/internal/lease"
	"github.com/openesm/openesm/sources/internal/shard"
)

// ghosts are shards that are listed, but of which the service says for a while already
// that they do not exist (DDB-26). They are left out of lists, and so taken for ended.
type ghosts struct {
	mu    sync.Mutex
	since map[string]time.Time // when a shard was first said not to exist
}

// ghostAfter is how long the service must say so: longer than a list may lag behind.
const ghostAfter = time.Minute

// note takes note of what the service said when it was asked for an iterator.
func (g *ghosts) note(shardID string, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch _, known := g.since[shardID]; {
	case err == nil:
		delete(g.since, shardID)
	case shard.IsMissing(err) && !known:
		if g.since == nil {
			g.since = make(map[string]time.Time)
		}
		g.since[shardID] = time.Now()
	}
}

// without returns the shards that are none.
func (g *ghosts) without(shards []lease.Shard) []lease.Shard {
	g.mu.Lock()
	defer g.mu.Unlock()
	listed := make(map[string]bool, len(shards))
	for i := range shards {
		listed[shards[i].ID] = true
	}
	for id := range g.since {
		if !listed[id] {
			delete(g.since, id)
		}
	}
	return slices.DeleteFunc(shards, func(of lease.Shard) bool {
		since, said := g.since[of.ID]
		return said && time.Since(since) >= ghostAfter
	})
}
