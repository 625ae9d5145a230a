package sourcetest

import (
	"time"

	"github.com/openesm/openesm/sources"
)

// Kind is which call of a source or partition an [Op] is.
type Kind string

// The calls that [Faulty] can break.
const (
	OpStart       Kind = "Start"
	OpAccept      Kind = "Accept"
	OpSourceClose Kind = "Source.Close"
	OpFetch       Kind = "Fetch"
	OpAck         Kind = "Ack"
	OpRelease     Kind = "Release"
	OpFail        Kind = "Fail"
	OpClose       Kind = "Partition.Close"
)

// Op is one call that is about to be made.
type Op struct {
	Kind Kind

	// Partition is the ID of the partition; "" for calls of the source.
	Partition string

	// Call counts the calls of this kind on the whole source, from 1.
	Call int

	// Records are those given to Ack, Release and Fail. They must not be
	// modified.
	Records []sources.Record
}

// Fault is what goes wrong with a call. The zero value is no fault. Delay comes
// first, then Before, then the call with Unsettled, Stale and Repeat, then After.
type Fault struct {
	// Delay passes before the call, or less if the call's ctx is done.
	Delay time.Duration

	// Before is returned instead of making the call. The two Close are made
	// nevertheless, as they are called once only.
	Before error

	// After is returned although the call was made and had its effect. A Fetch
	// returns its records with it; what an Accept brought is kept for the next.
	After error

	// Unsettled are records of an Ack that are not passed on and named so in
	// the AckError. On an ordered source neither is any record behind the
	// first of them, as the position would pass it.
	Unsettled func(sources.Record) bool

	// Stale is the same for unordered sources that redeliver: named stale and
	// left to the source to deliver again.
	Stale func(sources.Record) bool

	// Repeat is how many of the records that this Fetch brings are brought
	// once more by the next, before others. Only for unordered sources.
	Repeat int
}
