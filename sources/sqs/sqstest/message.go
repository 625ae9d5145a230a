package sqstest

import (
	"container/list"
	"time"
)

// state is where a message of a queue is.
type state int

const (
	delayed state = iota
	visible
	inFlight
)

// payload is what a message is made of; it never changes.
type payload struct {
	id         string
	body       string
	digest     string // MD5 of the body
	attributes []attribute
	attrDigest string // MD5 of all attributes, "" without
	group      string
	dedup      string
	sequence   string // of FIFO queues
	trace      string
	sent       time.Time
}

// message is a payload on its way through a queue.
type message struct {
	*payload

	seq      uint64    // arrival in its queue
	enqueued time.Time // retention counts from here
	source   string    // ARN of the queue that it was moved from
	receives int       // all of them, those before a move too
	changes  int       // of its visibility timeout
	tries    int       // those in this queue, which the redrive policy counts
	first    time.Time // first receive
	received time.Time // last receive
	due      time.Time // when a delayed or in-flight message becomes visible

	state   state
	held    bool          // in flight, as its group counts it
	index   int           // in the heap of its state
	arrival *list.Element // in the queue's arrivals
	element *list.Element // in its group
}

func (m *message) place() *int { return &m.index }

func byArrival(a, b *message) bool { return a.seq < b.seq }

func byDue(a, b *message) bool {
	if !a.due.Equal(b.due) {
		return a.due.Before(b.due)
	}
	return a.seq < b.seq
}
