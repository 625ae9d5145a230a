package dynamodbstreams

import (
	"time"

	"github.com/openesm/openesm/sources/internal/shard"
)

// LossError says that records of a shard may have been dropped before they were read:
// they were 24 hours old, and the mapping was slower than that, or was down for longer
// (DDB-24, DDB-25). The mapping goes on with the oldest record that is left. How many
// records are lost is not known: the service does not tell. The reaction is to make
// the mapping faster, and to read the table for what is missing.
type LossError struct {
	// Stream is the stream's name, and Partition the shard's ID.
	Stream, Partition string
	// After is the sequence number of the last record that was read, and is not kept any
	// more; "" if none was ever read since the mapping began at Since.
	After string
	// Since is when that record was made; zero if that is not known.
	Since time.Time
	// First is the sequence number of the record that the mapping goes on with, and Until
	// when that was made; "" and zero if none is left.
	First string
	Until time.Time
}

// Error tells shard, positions and times.
func (e *LossError) Error() string {
	loss := shard.Loss(*e)
	return loss.Text(serviceName)
}

func newLossError(loss shard.Loss) error { return new(LossError(loss)) }
