package shard

import (
	"context"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/lease"
)

// Service is a service of sharded streams, whose records are of type R. Its methods may
// be called concurrently.
type Service[R any] interface {
	Format[R]

	// Traits tells of the service. It gives the same answer always.
	Traits() Traits

	// List lists the shards of the stream; see [lease.Lister]. A list is whole or an
	// error: what it lacks counts as gone.
	List(ctx context.Context, since time.Time) ([]lease.Shard, error)

	// Iterator asks for an iterator of a shard: at TrimHorizon, at AtTimestamp with a
	// time, or at the record whose sequence number the position has.
	Iterator(ctx context.Context, shard string, at checkpoint.Position) (string, error)

	// Read reads up to limit records from an iterator.
	Read(ctx context.Context, iterator string, limit int) (Answer[R], error)
}

// ChildLister is a [Service] that can be asked for the children of one shard, which costs
// less than the list of all.
type ChildLister interface {
	// Children returns the children of a shard that is read to its end. It may ask
	// several times: they may be late. None means that it is not known whether there are
	// any, and so does an error: the list of all shards tells then.
	Children(ctx context.Context, shard string) ([]lease.Shard, error)
}

// Traits is what a service of sharded streams is like.
type Traits struct {
	// Service is what errors call it: "kinesis".
	Service string
	// Needs says what a caller must be allowed, for errors.
	Needs string
	// Throttled are the codes of errors that say that a shard is read too often, and
	// Trimmed those that say that what an iterator asks for is not kept any more.
	Throttled, Trimmed []string
	// MaxRecords is how many records one call brings at most.
	MaxRecords int
	// NewLoss makes the adapter's own error of a loss.
	NewLoss func(Loss) error
}

// Format is what a service's records say.
type Format[R any] interface {
	// Sequence is the sequence number of a record; "" if it has none.
	Sequence(r *R) string
	// Arrival is when a record arrived; zero if it does not say.
	Arrival(r *R) time.Time
	// Size is how many bytes of a shard's throughput a record takes.
	Size(r *R) int

	// BehindAll is the position behind everything that is in a record.
	BehindAll(r *R) checkpoint.Position
	// Position is the position behind a record that a Decoder made.
	Position(r *sources.Record) checkpoint.Position
	// Resumed is the position to go on from, for one that was stored.
	Resumed(at checkpoint.Position) checkpoint.Position

	// NewDecoder returns the decoder of a partition of a shard.
	NewDecoder(shard string) Decoder[R]
}

// Decoder makes the engine's records of the service's. It is used by one goroutine.
type Decoder[R any] interface {
	// Decode fills buf with what is in the first of from, but for what lies at or before
	// the position after, and returns how many places it filled, and how many of from
	// are done with. One that is not comes first in the next call.
	Decode(buf []sources.Record, from []R, after checkpoint.Position) (filled, done int)
}

// Answer is what a reader brings at once.
type Answer[R any] struct {
	// Records are in the order of the shard. Nil means that the answer lacks them, as an
	// empty body does.
	Records []R
	// Next is the iterator to read on from; "" for none.
	Next string
	// Behind is how far the answer is from the newest record, if Told: 0 says that all
	// was read. A service that does not tell estimates it.
	Behind time.Duration
	Told   bool
	// Children are the shards that continue this one, if its end told them.
	Children []lease.Shard

	// Opened says that reading was begun anew at the partition's position, and Trimmed
	// that this position is not kept any more. Ended says that nothing comes after the
	// answer. A Reader sets them, a Service does not.
	Opened, Trimmed, Ended bool
}

// Reader reads a shard on and on. It is used by one goroutine.
type Reader[R any] interface {
	// Next returns what comes next, which may be nothing: after wait, or a little
	// later, it returns in any case. Its errors may pass; it goes on where it was.
	Next(ctx context.Context, wait time.Duration) (Answer[R], error)
	// Ahead reads on beside what was brought last, if it likes.
	Ahead()
	// Close lets go of what the reader holds.
	Close()
}
