package sqstest

import (
	"slices"
	"time"
)

// wait adds a receive that waits and returns the channel that is closed when
// it should look again; it is no longer among the waiters then.
func (q *queue) wait() chan struct{} {
	w := make(chan struct{})
	q.waiters = append(q.waiters, w)
	return w
}

// forget removes a waiter, if it still is one.
func (q *queue) forget(w chan struct{}) {
	if i := slices.Index(q.waiters, w); i >= 0 {
		q.waiters = slices.Delete(q.waiters, i, i+1)
	}
}

// notify ends every operation on a queue. It wakes one waiter if there is a
// message for it; that one does the same when it is done, so no message and no
// waiter is forgotten. For those that go on waiting it sets the timer.
func (s *Server) notify(q *queue, now time.Time) {
	if len(q.waiters) == 0 {
		return
	}
	if q.line.ready() && s.room(q) > 0 {
		close(q.waiters[0])
		q.waiters = slices.Delete(q.waiters, 0, 1)
	}
	s.arm(q, now)
}

// room is how many more messages may be in flight.
func (s *Server) room(q *queue) int { return s.limit - q.counts[inFlight] }

// arm sets the timer to the next moment at which a hidden message is due.
func (s *Server) arm(q *queue, now time.Time) {
	if q.gone || len(q.waiters) == 0 || q.hidden.len() == 0 {
		return
	}
	due := q.hidden.top().due
	if !q.armed.IsZero() && !due.Before(q.armed) {
		return
	}
	q.armed = due
	if q.timer == nil {
		q.timer = time.AfterFunc(due.Sub(now), func() { s.ring(q) })
		return
	}
	q.timer.Reset(due.Sub(now))
}

// ring is what the timer does.
func (s *Server) ring(q *queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	q.armed = time.Time{}
	q.settle(now)
	s.notify(q, now)
}

// wakeAll has every waiter look again.
func (q *queue) wakeAll() {
	for _, w := range q.waiters {
		close(w)
	}
	q.waiters = nil
}

// stop ends the queue's life.
func (q *queue) stop() {
	q.gone = true
	q.wakeAll()
	if q.timer != nil {
		q.timer.Stop()
	}
}

// stopTimers ends the life of every queue's timer.
func (s *Server) stopTimers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, q := range s.queues {
		if q.timer != nil {
			q.timer.Stop()
		}
	}
}
