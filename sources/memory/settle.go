package memory

import (
	"errors"
	"time"

	"github.com/openesm/openesm/sources"
)

var errStale = errors.New("receipt handle is not valid any more")

// remove deletes messages. Those that are no longer in flight by this receive
// are stale (SQS-63); those deleted before are no concern.
func (q *Queue) remove(records []sources.Record) (stale []sources.Record) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	for i := range records {
		m := messageOf(&records[i])
		switch {
		case q.holds(m):
			q.removeEntry(m.entry)
		case m.entry == nil || m.entry.queue != q || m.entry.state != isDeleted:
			stale = append(stale, records[i])
		}
	}
	q.signal()
	return stale
}

func (q *Queue) removeEntry(e *entry) {
	if e.group != nil {
		e.group.line.remove(e)
	}
	q.land(e)
	e.state = isDeleted
	q.length--
	q.deleted++
	q.finishIfOver()
}

// release makes messages visible at once. They come first again, in order.
func (q *Queue) release(records []sources.Record) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	for i := len(records) - 1; i >= 0; i-- {
		m := messageOf(&records[i])
		if !q.holds(m) {
			continue
		}
		q.land(m.entry)
		if m.entry.group == nil {
			q.ready.pushFront(m.entry)
		}
	}
	q.signal()
}

// fail has messages come back when the queue's own visibility timeout is over, also
// if they were hidden for longer: nobody is at work on them any more.
func (q *Queue) fail(records []sources.Record) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	for i := range records {
		m := messageOf(&records[i])
		if !q.holds(m) {
			continue
		}
		q.unhide(m.entry)
		m.entry.failed, m.entry.visibleAt = true, m.entry.received.Add(q.options.VisibilityTimeout)
		q.hide(m.entry)
	}
	q.expire(now)
	q.arm(now)
	q.signal()
}

// extend hides messages for so long from now on, and reports whether all of them
// were in flight by these receives.
func (q *Queue) extend(records []sources.Record, hidden time.Duration) bool {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	held := true
	for i := range records {
		m := messageOf(&records[i])
		if !q.holds(m) {
			held = false
			continue
		}
		q.unhide(m.entry)
		m.entry.failed, m.entry.visibleAt = false, now.Add(hidden)
		records[i].Expires = m.entry.visibleAt
		q.hide(m.entry)
	}
	q.signal()
	return held
}

// holds tells whether m is the receive by which its message is in flight.
func (q *Queue) holds(m *Message) bool {
	e := m.entry
	return e != nil && e.queue == q && e.state == isInFlight && e.receives == m.ReceiveCount
}

// messageOf returns the Message of a record, an empty one if it has none.
func messageOf(r *sources.Record) *Message {
	if m, ok := r.Native.(*Message); ok && m != nil {
		return m
	}
	return &Message{}
}
