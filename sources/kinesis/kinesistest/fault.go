package kinesistest

import (
	"time"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

// Cut says when the connection of a call is cut.
type Cut int

// The values of [Fault.Cut].
const (
	// CutNone leaves the connection alone.
	CutNone Cut = iota
	// CutBefore cuts it before the call takes effect.
	CutBefore
	// CutAfter cuts it after the call took effect: the answer is lost.
	CutAfter
)

// Call is a call that is about to be done.
type Call struct {
	// Action is the API action, such as "GetRecords".
	Action string
	// Stream is the name of the stream, "" if the call names none that exists.
	Stream string
	// Shard is the ID of the shard, "" if the call names none. A GetRecords
	// names that of its iterator, a MergeShards the first one.
	Shard string
	// Consumer is the name of the consumer, "" if the call names none.
	Consumer string
	// Host is the host that the call was made to. Every host name reaches the
	// server, so that it can tell callers apart.
	Host string
	// Number counts the calls of this action, from 1, over all streams.
	Number int
	// Limit is how many records a GetRecords asks for at most, 0 if it does
	// not say.
	Limit int
	// Type is the iterator type of a GetShardIterator or SubscribeToShard, and
	// After the sequence number that it names, "" for none.
	Type, After string
	// Records is how many records the call puts.
	Records int
}

// Fault is what goes wrong with a call. The zero value is nothing.
type Fault struct {
	// Err is answered instead of doing the call.
	Err *Error
	// Cut cuts the connection. CutBefore goes before Err, and Err before CutAfter.
	Cut Cut
	// Delay is how long the answer, or the cut, is held back. The call took
	// effect before, if it does at all.
	Delay time.Duration
	// Records are errors of single records of a PutRecords, by index; these
	// records are not put, the others are.
	Records map[int]*Error
	// Empty has a GetRecords return no records although some are there; its
	// next iterator stands where this one did (KIN-27).
	Empty bool
	// AtMost is how many records a GetRecords returns at most, whatever it asks
	// for; 0 for no such bound.
	AtMost int
	// LateEnd has a GetRecords that reads a closed shard to its end give a next
	// iterator nevertheless; the call with that one has no records and null.
	LateEnd bool
	// Answer is the body of a 200 that is sent instead of doing the call, whatever
	// it says; nil does the call. Not for SubscribeToShard.
	Answer *string
	// Stream breaks the event stream of a SubscribeToShard.
	Stream *Break
}

// Break is how the event stream of a subscription breaks.
type Break struct {
	// After is how many events come through before.
	After int
	// Event is the JSON of an event that comes then, whatever it says; the stream
	// goes on after it. nil breaks the stream.
	Event *string
	// Err is the exception that ends the stream; nil cuts the connection.
	Err *Error
}

// Inject gives the next calls of action these faults, one each, in order and
// after those injected before. The hook of SetFault is not asked for them. A
// zero Fault lets a call pass.
func (s *Server) Inject(action string, list ...Fault) { s.wire.Inject(action, list...) }

// SetFault has hook asked about every call; nil asks nobody. Hook is called
// from the goroutines of the calls, several at a time, with no lock held.
func (s *Server) SetFault(hook func(Call) Fault) { s.wire.SetHook(hook) }

// Calls returns how many calls of action there were, those with a fault too.
func (s *Server) Calls(action string) int { return s.wire.Calls(action) }

// plan is what the fault has the server do.
func (f Fault) plan() wirefake.Plan {
	return wirefake.Plan{
		Err: wirefake.ErrorOrNil(f.Err), Cut: wirefake.Cut(f.Cut), Delay: f.Delay, Answer: f.Answer,
	}
}
