package dynamodbstreamstest

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
	// Stream is the ARN of the stream, "" if the call names none that exists.
	Stream string
	// Shard is the ID of the shard, "" if the call names none. A GetRecords
	// names that of its iterator, a DescribeStream the parent of its filter.
	Shard string
	// Host is the host that the call was made to. Every host name reaches the
	// server, so that it can tell callers apart.
	Host string
	// Number counts the calls of this action, from 1, over all streams.
	Number int
	// Limit is how much a GetRecords or a DescribeStream asks for at most, 0 if
	// it does not say.
	Limit int
	// Type is the iterator type of a GetShardIterator, and After the sequence
	// number that it names, or where a DescribeStream goes on, "" for none.
	Type, After string
	// Children says that a DescribeStream asks for the children of Shard only.
	Children bool
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
	// Answer is the body of a 200 that is sent instead of doing the call, whatever
	// it says; nil does the call.
	Answer *string
	// Empty has a GetRecords return no records although some are there; its next
	// iterator stands where this one did (DDB-45). It has a DescribeStream return
	// a page without shards, after which the list goes on where it would have
	// (DDB-21).
	Empty bool
	// AtMost is how many records a GetRecords, or shards a DescribeStream,
	// returns at most, whatever it asks for; 0 for no such bound.
	AtMost int
	// LateEnd has a GetRecords that reads a closed shard to its end give a next
	// iterator nevertheless; the call with that one has no records and null.
	LateEnd bool
	// LateTrim has a GetShardIterator for records that were dropped give an
	// iterator; the GetRecords with that one is refused (DDB-24).
	LateTrim bool
	// Hidden are IDs of shards that a DescribeStream leaves out.
	Hidden []string
	// Unended has a DescribeStream tell closed shards without the number they end
	// with, as if they were open (DDB-29).
	Unended bool
	// Unfiltered has a DescribeStream ignore its filter, as servers do that do
	// not know it.
	Unfiltered bool
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
