package sqstest

import (
	"container/list"
	"time"
)

// maxInFlight is how many messages of a queue may be in flight.
const maxInFlight = 120_000

// queue is one queue. The server's mutex guards it.
type queue struct {
	number   uint64 // within the server, part of the receipt handles
	arn      string
	path     string // of its URL: /account/name
	name     string
	settings settings
	created  time.Time
	modified time.Time
	purged   time.Time
	gone     bool
	server   *Server

	messages map[uint64]*message // by seq
	arrivals *list.List          // of *message, by enqueued
	hidden   heap[*message]      // delayed and in flight, by due
	line     line
	counts   [3]int // by state
	deleted  []string
	dedups   dedups
	attempts map[string]received // by ReceiveRequestAttemptId

	waiters []*waiter   // receives that wait, longest first
	serving bool        // the gate is to serve one of them
	timer   *time.Timer // serves them when a hidden message is due
	armed   time.Time   // what timer is set to, zero if it is not
}

func newQueue(s *Server, name name, set settings, now time.Time) *queue {
	q := &queue{
		server: s, number: s.created, arn: name.arn(), path: name.path(), name: name.name,
		settings: set, created: now, modified: now,
		messages: make(map[uint64]*message),
		arrivals: list.New(),
		hidden:   heap[*message]{less: byDue},
		dedups:   newDedups(),
		attempts: make(map[string]received),
	}
	if set.fifo {
		q.line = newFIFOLine()
	} else {
		q.line = newStandardLine()
	}
	return q
}

// put adds a message that becomes visible after delay.
func (q *queue) put(m *message, now time.Time, delay time.Duration) {
	q.messages[m.seq] = m
	q.arrive(m)
	q.line.enter(m)
	if delay <= 0 {
		q.show(m)
		return
	}
	m.due = now.Add(delay)
	q.shelve(m, delayed)
}

// arrive keeps the arrivals in the order of their age, which a message that
// was moved here brings along.
func (q *queue) arrive(m *message) {
	before := q.arrivals.Back()
	for before != nil && messageAt(before).enqueued.After(m.enqueued) {
		before = before.Prev()
	}
	if before == nil {
		m.arrival = q.arrivals.PushFront(m)
		return
	}
	m.arrival = q.arrivals.InsertAfter(m, before)
}

// show makes a message visible that is in no heap.
func (q *queue) show(m *message) {
	m.state = visible
	q.counts[visible]++
	q.line.show(m)
}

// shelve makes a message wait for its due time.
func (q *queue) shelve(m *message, to state) {
	m.state = to
	q.counts[to]++
	q.hidden.push(m)
}

// unshelve takes a hidden message out of its heap.
func (q *queue) unshelve(m *message) {
	q.hidden.remove(m)
	q.counts[m.state]--
}

// hide puts a visible message in flight.
func (q *queue) hide(m *message, due time.Time) {
	q.line.hide(m)
	q.counts[visible]--
	m.due = due
	q.shelve(m, inFlight)
}

// reveal makes a hidden message visible.
func (q *queue) reveal(m *message) {
	q.unshelve(m)
	if m.state == inFlight {
		q.tell(Returned, exchange{}, m)
	}
	q.show(m)
}

// drop removes a message, whatever its state.
func (q *queue) drop(m *message) {
	if m.state == visible {
		q.counts[visible]--
	} else {
		q.unshelve(m)
	}
	q.line.leave(m)
	q.arrivals.Remove(m.arrival)
	delete(q.messages, m.seq)
}

// settle brings the queue up to now: what is too old goes, what is due becomes
// visible.
func (q *queue) settle(now time.Time) {
	for e := q.arrivals.Front(); e != nil; e = q.arrivals.Front() {
		m := messageAt(e)
		if now.Before(m.enqueued.Add(q.settings.retention)) {
			break
		}
		q.drop(m)
	}
	for q.hidden.len() > 0 && !q.hidden.top().due.After(now) {
		q.reveal(q.hidden.top())
	}
	q.dedups.expire(now)
}

// purge removes everything.
func (q *queue) purge() {
	for e := q.arrivals.Front(); e != nil; e = q.arrivals.Front() {
		q.drop(messageAt(e))
	}
}
