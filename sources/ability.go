package sources

import (
	"context"
	"time"
)

// Settings is what a source may need to know of its mapping.
type Settings struct {
	// BatchSize is the most records of one invocation.
	BatchSize int
	// BatchBytes is the most bytes of its event document.
	BatchBytes int
	// Window is the longest time a batch may gather.
	Window time.Duration
	// Timeout is the handler's time limit.
	Timeout time.Duration
}

// Starter is a [Source] that prepares itself and checks that it can work.
type Starter interface {
	// Start is called once, before Accept. An error that wraps ErrUnusable
	// (the queue does not exist, access is denied, the settings do not suit
	// it) ends the mapping with that error; after any other error the engine
	// backs off and calls Start again.
	Start(ctx context.Context, settings Settings) error
}

// EventAppender is a [Source] that writes the event documents for handlers
// that take bytes. A source without it serves handlers that take records only.
type EventAppender interface {
	// AppendEvent appends to dst the event document of records, which are one
	// batch of the partition with the given ID, and returns the longer slice.
	// The document is at most Traits.EventOverhead plus the Size of each
	// record long. It may be called concurrently, allocates nothing but dst,
	// and keeps nothing.
	AppendEvent(dst []byte, partition string, records []Record) []byte
}

// Releaser is a [Partition] that can give back records that were never
// started, so that others may have them at once.
type Releaser interface {
	// Release gives records back. One attempt, no retry: what is not given
	// back returns to the source by itself, later. May be called concurrently
	// with Fetch and Ack.
	Release(ctx context.Context, records []Record) error
}

// Loser is a [Partition] that may get another owner while it is read, and
// learns of it by itself: its lease was not renewed in time, or its consumer
// group was rebalanced. Without it the engine learns of a loss from the next
// Fetch or Ack only, and until then goes on to invoke the handler with records
// that the new owner may be handling already.
type Loser interface {
	// Lost returns a channel, always the same, that is closed when the
	// partition is owned by somebody else. The engine reacts as to ErrLost.
	Lost() <-chan struct{}
}

// Failer is a [Partition] of a source that redelivers and wants to know which
// records failed, for instance to choose when they come back.
type Failer interface {
	// Fail tells that the handler failed records. One attempt, no retry. May
	// be called concurrently with Fetch and Ack.
	Fail(ctx context.Context, records []Record) error
}

// BatchDescriber is a [Partition] that describes a batch in failure records.
type BatchDescriber interface {
	// AppendBatchInfo appends one JSON object member, name and value, such as
	// "KinesisBatchInfo":{...} (DST-19a), for records that were given up.
	AppendBatchInfo(dst []byte, records []Record) []byte
}
