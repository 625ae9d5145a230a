package memory

import (
	"time"

	"github.com/openesm/openesm/sources"
)

// receive fills buf with visible messages and hides them for so long. If there are none, end tells that
// none will come, and finished closes when that becomes so.
func (q *Queue) receive(buf []sources.Record, hidden time.Duration) (n int, end bool, finished <-chan struct{}) {
	now := time.Now()
	q.mu.Lock()
	defer q.mu.Unlock()
	q.expire(now)
	if q.options.FIFO {
		n = q.takeGroups(buf, now, hidden)
	} else {
		n = q.takeReady(buf, now, hidden)
	}
	q.arm(now)
	q.signal()
	return n, q.over, q.finished
}

func (q *Queue) takeReady(buf []sources.Record, now time.Time, hidden time.Duration) int {
	n, millis := 0, ""
	for n < len(buf) && q.ready.head != nil {
		e := q.ready.head
		q.ready.remove(e)
		if q.spent(e) {
			q.bury(e)
			continue
		}
		if n == 0 {
			millis = formatMillis(now)
		}
		buf[n] = e.receive(now, millis, hidden)
		q.hide(e)
		n++
	}
	return n
}

func (q *Queue) takeGroups(buf []sources.Record, now time.Time, hidden time.Duration) int {
	n, millis := 0, formatMillis(now)
	for n < len(buf) {
		g := q.open.pop()
		if g == nil {
			break
		}
		for e := g.line.head; e != nil && n < len(buf); {
			next := g.line.next(e)
			if q.spent(e) {
				g.line.remove(e)
				q.bury(e)
			} else {
				buf[n] = e.receive(now, millis, hidden)
				q.hide(e)
				g.inflight++
				n++
			}
			e = next
		}
		q.openGroup(g)
	}
	return n
}

// spent tells whether the dead-letter rule ends a message at this receive.
func (q *Queue) spent(e *entry) bool {
	return q.options.DeadLetter != nil && q.options.MaxReceiveCount > 0 && e.receives >= q.options.MaxReceiveCount
}

// bury moves a message, out of its line already, to the dead-letter queue,
// with ID, body and time unchanged (SQS-52).
func (q *Queue) bury(e *entry) {
	e.state = isBuried
	q.length--
	q.buried++
	q.options.DeadLetter.inter(e, q.arn)
	q.finishIfOver()
}

// inter takes over a message of another queue, which calls it with its own
// lock held. A queue's dead-letter queue is older than itself, so the locks
// are always taken in the same order.
func (q *Queue) inter(other *entry, arn string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.order++
	group := other.record.Key
	if group == "" && q.options.FIFO {
		group = defaultGroup
	}
	e := newEntry(q, other.record.ID, group, other.message.Body, other.message.Sent)
	e.first.event.DeadLetterQueueSourceARN = arn
	e.record.Size = q.encoder.Size(&e.first.event) + 1
	q.add(e)
}

// expire makes messages visible whose time in flight is over.
func (q *Queue) expire(now time.Time) {
	for e := q.soonest(); e != nil && !now.Before(e.visibleAt); e = q.soonest() {
		q.land(e)
		if e.group == nil {
			q.ready.pushBack(e)
		}
	}
}

// land takes a message out of flight.
func (q *Queue) land(e *entry) {
	q.unhide(e)
	e.state, e.failed = isVisible, false
	if e.group != nil {
		e.group.inflight--
		q.openGroup(e.group)
	}
}

// hide puts a message among those in flight. It nearly always is the last to become
// visible of those that failed, or of those that did not.
func (q *Queue) hide(e *entry) {
	l := q.hiding(e)
	at := l.tail
	for at != nil && at.visibleAt.After(e.visibleAt) {
		at = l.previous(at)
	}
	l.insertAfter(at, e)
}

func (q *Queue) unhide(e *entry) { q.hiding(e).remove(e) }

func (q *Queue) hiding(e *entry) *list {
	if e.failed {
		return &q.failed
	}
	return &q.inflight
}

// soonest is the first message in flight to become visible; nil for none.
func (q *Queue) soonest() *entry {
	a, b := q.inflight.head, q.failed.head
	if a == nil || b != nil && b.visibleAt.Before(a.visibleAt) {
		return b
	}
	return a
}

// arm has visible tick when the first message in flight becomes visible. A
// tick that comes too early, because that message was settled, only has it
// armed again.
func (q *Queue) arm(now time.Time) {
	e := q.soonest()
	if e == nil || q.armed && !e.visibleAt.Before(q.tick) {
		return
	}
	q.armed, q.tick = true, e.visibleAt
	q.visible.Reset(q.tick.Sub(now))
}

// disarm notes that the tick of visible was taken.
func (q *Queue) disarm() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.armed = false
}
