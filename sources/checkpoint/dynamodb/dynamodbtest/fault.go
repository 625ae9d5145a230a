package dynamodbtest

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
	// Action is the API action, such as "UpdateItem".
	Action string
	// Table is the name of the table.
	Table string
	// Number counts the calls of this action, from 1, over all tables.
	Number int
	// Consistent says that a Scan asks for a consistent read.
	Consistent bool
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
