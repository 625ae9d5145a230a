package lease

import (
	"context"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// Shard is what the service tells about a shard.
type Shard struct {
	// ID is not empty and unique in the stream.
	ID string
	// Parents are the shards that this one continues (KIN-65); the service may
	// list them no more.
	Parents []string
	// Open says that the shard may still take records (KIN-63).
	Open bool
	// StartingHashKey and EndingHashKey are the first and last hash key, as
	// decimal numbers; "" where the service tells none.
	StartingHashKey, EndingHashKey string
}

// Lister lists all shards of the stream that the service still knows, open and
// closed, in any order; with a time, those that were open then or came later, and
// none or more of the others (KIN-62). It makes one attempt; the manager tries again
// after a while, unless the error wraps sources.ErrUnusable.
type Lister func(ctx context.Context, since time.Time) ([]Shard, error)

// lease is the first lease of the shard.
func (s *Shard) lease(position checkpoint.Position) checkpoint.Lease {
	return checkpoint.Lease{
		Shard: s.ID, Counter: 1, Position: position, Parents: s.Parents,
		StartingHashKey: s.StartingHashKey, EndingHashKey: s.EndingHashKey,
	}
}
