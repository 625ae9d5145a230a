package sqstest

import "time"

// What is what happened to a message.
type What int

// The values of [Event.What].
const (
	// Received is a message that a receive hands out.
	Received What = iota
	// Deleted is a message that is gone because a call deleted it.
	Deleted
	// Redriven is a message that moved to the dead-letter queue.
	Redriven
	// Returned is a message that was received and is visible again: because its
	// visibility timeout ended, because a call ended that, or because the
	// receive's fault leaves it visible.
	Returned
	// Hidden is a message in flight whose visibility timeout a call changed.
	Hidden
)

// Event is something that happened to a message.
type Event struct {
	What What
	// Queue is the name of the queue, for Redriven that of the one it left.
	Queue string
	// Host is the host of the call that did it, "" for what a queue does by
	// itself.
	Host string
	// ID and Body are the message's.
	ID, Body string
	// Lost says that the fault of the call cuts its answer off.
	Lost bool
	// Due is when a message that is Received or Hidden becomes visible.
	Due time.Time
}

// SetWatch has hook told of what happens to messages, at the moment and in the
// order in which it does; nil tells nobody. Hook is called with the server's
// mutex held: it must return at once and call no method of the server.
func (s *Server) SetWatch(hook func(Event)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = hook
}

// tell tells the hook. The mutex is held.
func (q *queue) tell(what What, x exchange, m *message) {
	if hook := q.server.watch; hook != nil {
		e := Event{What: what, Queue: q.name, Host: x.host, ID: m.id, Body: m.body, Lost: x.fault.Cut == CutAfter}
		if what == Received || what == Hidden {
			e.Due = m.due
		}
		hook(e)
	}
}
