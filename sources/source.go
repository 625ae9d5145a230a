package sources

import (
	"context"
	"time"
)

// Source is a queue, stream or topic as one mapping reads it. It is used by
// one mapping at a time and is spent once closed.
type Source interface {
	// Traits tells what kind of source this is. It makes no call, gives the
	// same answer always, and may be called concurrently with everything.
	Traits() Traits

	// Accept blocks until a partition is there to be read and returns it, each
	// once until that partition is closed. It is called from one goroutine.
	//
	// A child partition is handed out only after the parents it continues were
	// closed with everything acked.
	//
	// When ctx is done it returns promptly with ctx's error. ErrEnd says that
	// no partition will come any more: the mapping ends once the open ones
	// have. ErrUnusable ends the mapping at once. After any other error the
	// engine backs off and calls again.
	Accept(ctx context.Context) (Partition, error)

	// Close lets go of what the source holds. It is called once, after all its
	// partitions were closed. ctx bounds how long it may take.
	Close(ctx context.Context) error
}

// Partition is an independently read part of a source: a shard, a Kafka
// partition, a whole queue.
//
// The methods of an ordered partition are called by one goroutine each (Fetch
// by one, Ack by one at a time); those of an unordered partition by any number
// of goroutines at once. Close comes after every other call has returned.
type Partition interface {
	// ID names the partition within its source, unchanged over its life.
	ID() string

	// Fetch fills buf with the next records and returns how many. It blocks
	// until there is at least one, until wait has passed, or until ctx is
	// done; it may return 0 and nil earlier, but then not so often that an
	// empty source costs work. The longest Duration there is means for ever. A
	// wait of 0 takes what is at hand with at most one short call.
	//
	// Fetch returns when wait has passed, whatever a call to the service does
	// that it made: what that call still brings is returned by a later Fetch.
	// (A batch waits no longer than its window, P8.) An unordered partition asks
	// the service for no more records than the Fetches that wait have places for.
	//
	// buf has at least one place and belongs to the caller; the adapter must
	// not keep it. What the records point at belongs to the caller too and is
	// not reused by the adapter.
	//
	// When ctx is done Fetch returns promptly: with the records it has, or
	// with 0 and ctx's error. Records that a call under way still brings are
	// given back by Close, never dropped from the source.
	//
	// Records and an error may come together; the records count. ErrEnd says
	// that the partition was read to its end. ErrLost says that it is owned by
	// somebody else now. After any other error the engine backs off and calls
	// again.
	Fetch(ctx context.Context, buf []Record, wait time.Duration) (int, error)

	// Ack settles records: deletes, acknowledges, commits or checkpoints them.
	//
	// Unordered: exactly these records, any subset of those fetched. Ordered:
	// the position moves past the last of them; everything fetched before it
	// is finished, and the engine never goes backwards.
	//
	// One attempt; the engine retries. An [*AckError] tells which of the
	// records are still unsettled; any other error means all of them.
	// Settling twice is harmless. records belongs to the caller.
	Ack(ctx context.Context, records []Record) error

	// Close ends the reading: it waits for calls under way, gives back what
	// they bring and what the adapter still holds, and lets the partition go.
	// It moves no position and settles nothing. ctx bounds how long that may
	// take; past it the adapter cuts its calls off and leaves the rest to the
	// service. Close is called once and leaves no goroutine behind.
	Close(ctx context.Context) error
}
