package sqstest

import (
	"slices"
	"time"
)

// Counts are how many messages of a queue are in which state.
type Counts struct {
	// Visible messages can be received now. In a FIFO queue those that are
	// withheld for their group count too.
	Visible int
	// InFlight messages were received and wait for their visibility timeout.
	InFlight int
	// Delayed messages were sent and are not visible yet.
	Delayed int
	// Deleted messages were deleted by a DeleteMessage or DeleteMessageBatch.
	Deleted int
}

// Message is a message as a test sees it.
type Message struct {
	// ID is the message ID.
	ID string
	// Body is the body.
	Body string
	// GroupID is the message group, "" for none.
	GroupID string
	// Receives is how often the message was received.
	Receives int
	// InFlight says that the message was received and is hidden.
	InFlight bool
	// Due is when a hidden message becomes visible, zero for a visible one.
	Due time.Time
}

// Counts returns how many messages the queue, named by name, ARN or URL, has.
// A queue that does not exist has none.
func (s *Server) Counts(queue string) Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.open(queue, time.Now())
	if err != nil {
		return Counts{}
	}
	return Counts{
		Visible: q.counts[visible], InFlight: q.counts[inFlight], Delayed: q.counts[delayed],
		Deleted: len(q.deleted),
	}
}

// Messages returns the messages that are in the queue, named by name, ARN or
// URL, in whatever state, oldest first.
func (s *Server) Messages(queue string) []Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.open(queue, time.Now())
	if err != nil {
		return nil
	}
	list := make([]Message, 0, q.arrivals.Len())
	for e := q.arrivals.Front(); e != nil; e = e.Next() {
		list = append(list, messageAt(e).inspect())
	}
	return list
}

func (m *message) inspect() Message {
	view := Message{
		ID: m.id, Body: m.body, GroupID: m.group,
		Receives: m.receives, InFlight: m.state == inFlight,
	}
	if m.state != visible {
		view.Due = m.due
	}
	return view
}

// Deleted returns the IDs of the messages that were deleted from the queue,
// named by name, ARN or URL, in the order in which they were.
func (s *Server) Deleted(queue string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.lookup(queue)
	if err != nil {
		return nil
	}
	return slices.Clone(q.deleted)
}

// SetInFlightLimit sets how many messages of each queue may be in flight. It
// is 120,000 as in SQS unless set.
func (s *Server) SetInFlightLimit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limit = n
	for _, q := range s.queues {
		s.notify(q, time.Now())
	}
}
