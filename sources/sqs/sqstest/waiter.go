package sqstest

import (
	"context"
	"slices"
	"time"
)

// waiter is a receive that waits for messages.
type waiter struct {
	ctx     context.Context //nolint:containedctx // of the call that waits
	queue   *queue
	request *receiveMessage
	x       exchange
	timer   *time.Timer   // of the end of the wait, nil if a gate has it
	served  chan struct{} // closed when the answer is there
	// The answer, guarded by the server's mutex until served is closed.
	messages []delivery
	err      error
}

// wait adds a receive that waits.
func (s *Server) wait(ctx context.Context, q *queue, r *receiveMessage, x exchange, d time.Duration) *waiter {
	w := &waiter{ctx: ctx, queue: q, request: r, x: x, served: make(chan struct{})}
	w.timer = s.wire.Later(d, "poll", func() { s.lapse(w) })
	q.waiters = append(q.waiters, w)
	return w
}

// forget removes a waiter and says whether it still was one.
func (q *queue) forget(w *waiter) bool {
	i := slices.Index(q.waiters, w)
	if i < 0 {
		return false
	}
	q.waiters = slices.Delete(q.waiters, i, i+1)
	if w.timer != nil {
		w.timer.Stop()
	}
	return true
}

// serve looks for messages for a waiter, and ends its wait if there are some.
func (s *Server) serve(w *waiter, now time.Time) {
	if w.ctx.Err() != nil {
		w.queue.forget(w) // whoever is gone gets no messages
		return
	}
	messages, err := s.receive(w.queue, w.request, w.x, now)
	if err != nil || len(messages) > 0 {
		w.queue.forget(w)
		w.end(messages, err)
	}
}

// end gives the waiter its answer; it is no waiter any more.
func (w *waiter) end(messages []delivery, err error) {
	w.messages, w.err = messages, err
	close(w.served)
}

// lapse ends a wait whose time is over, with a last look.
func (s *Server) lapse(w *waiter) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q := w.queue
	if !slices.Contains(q.waiters, w) {
		return
	}
	q.settle(now)
	s.serve(w, now)
	if q.forget(w) {
		w.end(nil, nil)
	}
	s.notify(q, now)
}

// giveUp ends a wait without an answer.
func (s *Server) giveUp(w *waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	w.queue.forget(w)
}

// notify ends every operation on a queue. It serves those that wait, the one
// that waits longest first, or has the gate serve one of them next. For those
// that go on waiting it sets the timer.
func (s *Server) notify(q *queue, now time.Time) {
	if s.wire.Gated() {
		s.serveLater(q)
	} else {
		for len(q.waiters) > 0 && s.offers(q) {
			s.serve(q.waiters[0], now)
		}
	}
	s.arm(q, now)
}

// offers says whether a receive would find something to look at.
func (s *Server) offers(q *queue) bool { return q.line.ready() && s.room(q) > 0 }

// serveLater has the gate serve the first that waits, if there is something.
func (s *Server) serveLater(q *queue) {
	if q.serving || len(q.waiters) == 0 || !s.offers(q) {
		return
	}
	q.serving = true
	s.wire.Later(0, "serve", func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		now := time.Now()
		q.serving = false
		q.settle(now)
		if len(q.waiters) > 0 {
			s.serve(q.waiters[0], now)
		}
		s.notify(q, now)
	})
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
	if q.timer != nil {
		q.timer.Stop()
	}
	q.timer = s.wire.Later(due.Sub(now), "due", func() { s.ring(q, due) })
}

// ring is what the timer does.
func (s *Server) ring(q *queue, due time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !q.armed.Equal(due) {
		return // set to another moment since
	}
	now := time.Now()
	q.armed = time.Time{}
	q.settle(now)
	s.notify(q, now)
}

// stop ends the queue's life, and every wait for its messages.
func (q *queue) stop() {
	q.gone = true
	for len(q.waiters) > 0 {
		w := q.waiters[0]
		q.forget(w)
		w.end(nil, QueueDoesNotExist())
	}
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
