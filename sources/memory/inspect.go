package memory

import (
	"cmp"
	"slices"
	"time"
)

// Len returns how many messages are in the queue, visible or in flight.
func (q *Queue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.length
}

// Visible returns how many messages are not in flight. On a FIFO queue that
// includes those that are withheld because their group is.
func (q *Queue) Visible() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refresh()
	return q.length - q.inflight.length - q.failed.length
}

// InFlight returns how many messages are received and neither deleted nor
// visible again.
func (q *Queue) InFlight() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.refresh()
	return q.inflight.length + q.failed.length
}

// Deleted returns how many messages were deleted, that is handled or filtered
// out.
func (q *Queue) Deleted() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.deleted
}

// DeadLettered returns how many messages moved to the dead-letter queue.
func (q *Queue) DeadLettered() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.buried
}

// Messages returns a copy of what is in the queue, visible or in flight, in
// the order in which it came into the queue.
func (q *Queue) Messages() []Message {
	q.mu.Lock()
	defer q.mu.Unlock()
	entries := make([]*entry, 0, q.length)
	for e := q.ready.head; e != nil; e = q.ready.next(e) {
		entries = append(entries, e)
	}
	for _, l := range []*list{&q.inflight, &q.failed} {
		for e := l.head; e != nil && !q.options.FIFO; e = l.next(e) {
			entries = append(entries, e)
		}
	}
	for _, g := range q.groups {
		for e := g.line.head; e != nil; e = g.line.next(e) {
			entries = append(entries, e)
		}
	}
	slices.SortFunc(entries, func(a, b *entry) int { return cmp.Compare(a.sequence, b.sequence) })
	messages := make([]Message, len(entries))
	for i, e := range entries {
		messages[i] = *e.message
	}
	return messages
}

// Bodies returns the bodies of Messages.
func (q *Queue) Bodies() []string {
	messages := q.Messages()
	bodies := make([]string, len(messages))
	for i := range messages {
		bodies[i] = messages[i].Body
	}
	return bodies
}

// refresh makes visible what is due, for readers that look between receives.
func (q *Queue) refresh() {
	q.expire(time.Now())
	q.signal()
}
