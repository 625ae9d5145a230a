package sqstest

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
	// Action is the API action, such as "ReceiveMessage".
	Action string
	// Queue is the name of the queue, "" if the call names none.
	Queue string
	// Host is the host that the call was made to. Every host name reaches the
	// server, so that it can tell callers apart.
	Host string
	// Number counts the calls of this action, from 1, over all queues.
	Number int
	// Max and Wait are how many messages a ReceiveMessage asks for, and how many
	// seconds it waits for them; 0 if it does not say.
	Max, Wait int
	// Entries are the messages that the call names: those of a batch in their
	// order, or the one of a single call. Nil for other actions.
	Entries []Entry
}

// Entry is one message that a call names.
type Entry struct {
	// ID is the batch entry's ID, "" in a call that is no batch.
	ID string
	// MessageID is the message that the receipt handle belongs to, "" if it
	// is gone, and in sends.
	MessageID string
	// Stale says that the receipt handle is worth nothing: the message was
	// received again since, or, in a FIFO queue, its visibility timeout ended.
	Stale bool
	// Visibility is the new visibility timeout in seconds, in calls that
	// change it.
	Visibility int
	// Body is the body in sends.
	Body string

	handle string
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
	// Entries are errors of single batch entries, by entry ID; these entries
	// have no effect, the others do.
	Entries map[string]*Error
	// Stale has deletes from a standard queue take effect with the receipt
	// handles of earlier receives too, which SQS does not promise to refuse.
	Stale bool
	// Duplicates is how many of the messages that a ReceiveMessage hands out
	// stay visible, so that the next receive hands them out again.
	Duplicates int
}

// FailEntries returns the fault that fails the entries of call at the given
// indices with err. Indices that the call does not have are left out.
func FailEntries(call Call, err *Error, indices ...int) Fault {
	failed := make(map[string]*Error, len(indices))
	for _, i := range indices {
		if i >= 0 && i < len(call.Entries) {
			failed[call.Entries[i].ID] = err
		}
	}
	return Fault{Entries: failed}
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
	return wirefake.Plan{Err: wirefake.ErrorOrNil(f.Err), Cut: wirefake.Cut(f.Cut), Delay: f.Delay}
}

// describe tells what the call is. The mutex is held.
func (s *Server) describe(from wirefake.Origin, req request) Call {
	call := Call{Action: from.Action, Host: from.Host, Number: from.Number, Entries: req.entries()}
	if r, ok := req.(*receiveMessage); ok {
		call.Max, call.Wait = given(r.Max), given(r.Wait)
	}
	if q, ok := s.queues[queueKey(req.target())]; ok {
		call.Queue = q.name
		q.identify(call.Entries, time.Now())
	}
	return call
}
