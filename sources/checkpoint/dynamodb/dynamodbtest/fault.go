package dynamodbtest

import (
	"context"
	"time"
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
	// Cut cuts the connection; it goes before Err.
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
func (s *Server) Inject(action string, list ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script[action] = append(s.script[action], list...)
}

// SetFault has hook asked about every call; nil asks nobody. Hook is called
// from the goroutines of the calls, several at a time, with no lock held.
func (s *Server) SetFault(hook func(Call) Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = hook
}

// Calls returns how many calls of action there were, those with a fault too.
func (s *Server) Calls(action string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[action]
}

// choose counts the call and returns the fault for it.
func (s *Server) choose(action string, req request) Fault {
	s.mu.Lock()
	s.calls[action]++
	call := Call{Action: action, Table: req.table(), Number: s.calls[action]}
	if script := s.script[action]; len(script) > 0 {
		s.script[action] = script[1:]
		s.mu.Unlock()
		return script[0]
	}
	hook := s.hook
	s.mu.Unlock()
	if hook == nil {
		return Fault{}
	}
	if r, ok := req.(*scan); ok {
		call.Consistent = r.ConsistentRead
	}
	return hook(call)
}

// pause waits for d, or until the caller or the server is gone.
func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
