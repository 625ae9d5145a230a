package checkpoint

import (
	"context"
	"errors"
	"time"
)

// ErrConflict from a Store: the lease is not as the caller said it is: somebody
// else has written, created or deleted it. The reaction is to read the leases
// again, and to stop using the shard if it was the caller's.
var ErrConflict = errors.New("lease was changed by somebody else")

// Store keeps the leases of one stream for one consumer: shards of different streams
// bear the same IDs, so that two of them cannot share a store, and refuse to. Its methods may be
// called concurrently, from any number of processes unless it is [Exclusive].
//
// An error that wraps sources.ErrUnusable says that the store cannot work as it is
// configured, and ends the mapping.
//
// One attempt a call, no retry: callers retry. After an error other than
// ErrConflict a write may or may not have taken effect; the caller reads again.
// Slices in leases belong to the caller on both ways. With a context that is
// done a method does nothing and returns an error that wraps the context's. One that is
// under way returns when its context ends: if it does not within 200 ms it is left
// behind, and the mapping told of an error; while a hundred calls are left behind no
// other is made. A write that is left behind may take effect yet.
type Store interface {
	// Leases returns every lease, in no order. What it returns was written
	// before the call began, or later.
	Leases(ctx context.Context) ([]Lease, error)

	// Create adds a lease, with the Counter that it has. ErrConflict says that
	// its shard has one.
	Create(ctx context.Context, lease Lease) error

	// Update puts next in the place of last, a lease of the same shard.
	// ErrConflict says that the stored lease has another Owner or Counter than
	// last, or that there is none; other fields are not compared. Writers give
	// every next a Counter of its own, one above last's.
	Update(ctx context.Context, last, next Lease) error

	// Delete removes a lease. ErrConflict says that the stored one has another
	// Owner or Counter. That there is none is no error.
	Delete(ctx context.Context, last Lease) error
}

// Paced is a [Store] whose writes cost money or time. The position of a shard is written
// no more often than once in Interval, which is 0 or more, and besides when its lease is
// renewed, given back or ended. What a process had not written when it was killed is
// handled again. An [Exclusive] store is not paced.
type Paced interface {
	// Interval is the least time between two writes of a shard's position. It is asked
	// once.
	Interval() time.Duration
}

// Exclusive is a [Store] that only one process can use at a time, which it makes
// sure of by a lock. Leases of such a store are the process's for as long as it
// lives: they are taken at once, whoever owned them, and need no renewal.
type Exclusive interface {
	// Exclusive does nothing; to have it is the statement.
	Exclusive()
}
