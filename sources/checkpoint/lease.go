package checkpoint

import "time"

// Lease is what a store knows of one shard. Its texts are valid UTF-8. A slice
// that is empty is the same as nil, and may come back as either.
type Lease struct {
	// Shard is the shard's ID, the lease's key. Never empty.
	Shard string

	// Stream names the stream that the shard is of, as its adapter does; "" for one
	// that was not told. Shards of different streams bear the same IDs, so that a
	// store that two streams were given is known by it.
	Stream string

	// Owner is the worker that reads the shard, or that is to read it once CheckpointOwner
	// has let go of it; "" for nobody.
	Owner string

	// CheckpointOwner is the worker that was asked to hand the shard over to Owner: it
	// finishes what it has begun, and moves the position until then. "" if nobody was.
	CheckpointOwner string

	// Counter grows by one with every write. A reader that sees it unchanged for
	// the time of a lease knows that the owner is gone.
	Counter int64

	// Position is how far the shard is settled, or where it is to begin.
	Position Position

	// Parents are the shards that this one continues: none, one after a split,
	// two after a merge. They are settled to their end before it is read. A set:
	// no name twice, and a store may change the order.
	Parents []string

	// Children are the shards that continue this one. Known once it was read to
	// its end. A set, as Parents.
	Children []string

	// StartingHashKey and EndingHashKey are the shard's range of hash keys, as
	// decimal numbers; "" where the service tells none.
	StartingHashKey, EndingHashKey string

	// Window is the state of the shard's open tumbling window, for the engine
	// alone; nil for none. It is as new as Position.
	Window []byte
}

// Position is a place in a shard: right behind a record, or one of the marks
// below.
type Position struct {
	// Sequence is the sequence number of the last settled record, or TrimHorizon,
	// Latest, AtTimestamp or ShardEnd.
	Sequence string

	// SubSequence is the last settled one of the records that are aggregated in
	// the record Sequence, counted from 0 (KIN-213); 0 if nothing is aggregated.
	SubSequence int64

	// Timestamp is where AtTimestamp begins, to the nanosecond, in the years 1 to
	// 9999; zero for none. Stores give it back in UTC. Beside a sequence number it
	// is the time of that record, and says that more of those aggregated in it
	// follow SubSequence.
	Timestamp time.Time
}

// Marks that stand for a Sequence, spelled as the Kinesis Client Library does.
const (
	// TrimHorizon begins with the oldest record.
	TrimHorizon = "TRIM_HORIZON"
	// Latest begins behind the newest record.
	Latest = "LATEST"
	// AtTimestamp begins with the first record that is not older than Timestamp.
	AtTimestamp = "AT_TIMESTAMP"
	// ShardEnd: every record is settled, and the shard takes no more.
	ShardEnd = "SHARD_END"
)

// Ended reports whether the shard is settled to its end.
func (p Position) Ended() bool { return p.Sequence == ShardEnd }
