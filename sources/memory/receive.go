package memory

import (
	"time"

	"github.com/openesm/openesm/sources"
)

// receive fills buf with visible messages. If there are none, end tells that
// none will come, and finished closes when that becomes so.
func (q *Queue) receive(buf []sources.Record) (n int, end bool, finished <-chan struct{}) {
	now := time.Now()

	q.mu.Lock()
	defer q.mu.Unlock()

	q.expire(now)

	if q.options.FIFO {
		n = q.takeGroups(buf, now)
	} else {
		n = q.takeReady(buf, now)
	}

	q.arm(now)
	q.signal()

	return n, q.over, q.finished
}

func (q *Queue) takeReady(buf []sources.Record, now time.Time) int {
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

		buf[n] = e.receive(now, millis)
		q.inflight.pushBack(e)
		n++
	}

	return n
}

func (q *Queue) takeGroups(buf []sources.Record, now time.Time) int {
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
				buf[n] = e.receive(now, millis)
				q.inflight.pushBack(e)
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
	for e := q.inflight.head; e != nil && !now.Before(e.visibleAt); e = q.inflight.head {
		q.land(e)

		if e.group == nil {
			q.ready.pushBack(e)
		}
	}
}

// land takes a message out of flight.
func (q *Queue) land(e *entry) {
	q.inflight.remove(e)
	e.state = isVisible

	if e.group != nil {
		e.group.inflight--
		q.openGroup(e.group)
	}
}

// arm has visible tick when the oldest message in flight becomes visible. A
// tick that comes too early, because that message was settled, only has it
// armed again.
func (q *Queue) arm(now time.Time) {
	if !q.armed && q.inflight.head != nil {
		q.armed = true
		q.visible.Reset(q.inflight.head.visibleAt.Sub(now))
	}
}

// disarm notes that the tick of visible was taken.
func (q *Queue) disarm() {
	q.mu.Lock()
	defer q.mu.Unlock()

	q.armed = false
}
