package sqstest

import (
	"context"
	"time"
)

const maxWait = 20 // seconds

type receiveMessage struct {
	onQueue

	Max            *int     `json:"MaxNumberOfMessages"`
	Wait           *int     `json:"WaitTimeSeconds"`
	Visibility     *int     `json:"VisibilityTimeout"`
	SystemNames    []string `json:"MessageSystemAttributeNames"`
	OldNames       []string `json:"AttributeNames"`
	AttributeNames []string `json:"MessageAttributeNames"`
	Attempt        string   `json:"ReceiveRequestAttemptId"`

	waiter *waiter // nil if there is nothing to wait for
}

// delivery is a message as one receive handed it out.
type delivery struct {
	*payload

	handle   handle
	receives int
	first    time.Time
	source   string
}

// run looks for messages. If there are none and the receive waits, it leaves a
// waiter, which brings the answer.
func (r *receiveMessage) run(ctx context.Context, x exchange) ([]byte, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	s, now := x.server, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.open(r.QueueURL, now)
	if err != nil {
		return nil, err
	}
	if r.Attempt != "" && !q.settings.fifo {
		return nil, invalidParameter("Value for parameter ReceiveRequestAttemptId is invalid. Reason: " + reasonNotThisQueue)
	}
	messages, err := s.receive(q, r, x, now)
	if wait := r.wait(q); err == nil && len(messages) == 0 && wait > 0 {
		r.waiter = s.wait(ctx, q, r, x, wait)
	}
	s.notify(q, now)
	return r.answer(messages, err)
}

// await waits for the end of the wait.
func (r *receiveMessage) await(s *Server) ([]byte, error) {
	w := r.waiter
	select {
	case <-w.served:
		return r.answer(w.messages, w.err)
	case <-w.ctx.Done():
		s.giveUp(w)
		return nil, w.ctx.Err()
	case <-s.wire.Closed():
		s.giveUp(w)
		return nil, ServiceUnavailable()
	}
}

func (r *receiveMessage) answer(messages []delivery, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return appendMessages(nil, messages, r.selection()), nil
}

// receive takes the next messages. The mutex is held.
func (s *Server) receive(q *queue, r *receiveMessage, x exchange, now time.Time) ([]delivery, error) {
	hidden := r.visibility(q)
	if before := q.again(r.Attempt, now, hidden); before != nil {
		return q.handOut(before, x), nil
	}
	n := min(r.limit(), s.room(q))
	if n <= 0 {
		if r.wait(q) == 0 && !q.settings.fifo {
			return nil, OverLimit() // long polls and FIFO queues just find nothing
		}
		return nil, nil
	}
	var taken []*message
	q.line.take(n, func(m *message) bool {
		if s.redrive(q, m, now) {
			return false
		}
		m.receive(now)
		q.hide(m, now.Add(hidden))
		taken = append(taken, m)
		return true
	})
	q.remember(r.Attempt, taken, now)
	return q.handOut(taken, x), nil
}

// handOut makes the answer of messages that were taken.
func (q *queue) handOut(taken []*message, x exchange) []delivery {
	messages := make([]delivery, len(taken))
	for i, m := range taken {
		messages[i] = q.deliver(m)
		q.tell(Received, x, m)
		if i < x.fault.Duplicates {
			q.reveal(m)
		}
	}
	return messages
}

// redrive moves a message whose receives are used up to the dead-letter queue
// (SQS-51). The mutex is held.
func (s *Server) redrive(q *queue, m *message, now time.Time) bool {
	policy := q.settings.redrive
	if policy.target == "" || m.tries < policy.maxReceives {
		return false
	}
	dead, err := s.open(policy.target, now)
	if err != nil {
		return false
	}
	q.drop(m)
	q.tell(Redriven, exchange{}, m)
	s.messages++
	m.seq = s.messages
	m.source = q.arn
	m.tries = 0
	if q.settings.fifo {
		m.enqueued = now // standard queues keep the age
	}
	dead.put(m, now, 0)
	s.notify(dead, now)
	return true
}

func (m *message) receive(now time.Time) {
	m.receives++
	m.tries++
	m.received = now
	if m.first.IsZero() {
		m.first = now
	}
}

func (q *queue) deliver(m *message) delivery {
	return delivery{
		payload: m.payload, receives: m.receives, first: m.first, source: m.source,
		handle: handle{queue: q.number, seq: m.seq, receive: uint64(m.receives)}, //nolint:gosec // a count
	}
}

// check tells what SQS would not accept.
func (r *receiveMessage) check() error {
	switch {
	case r.Max != nil && (*r.Max < 1 || *r.Max > maxBatch):
		return invalidParameter("Value for parameter MaxNumberOfMessages is invalid. " +
			"Reason: Must be between 1 and 10, if provided.")
	case r.Wait != nil && (*r.Wait < 0 || *r.Wait > maxWait):
		return invalidParameter("Value for parameter WaitTimeSeconds is invalid. " +
			"Reason: Must be >= 0 and <= 20, if provided.")
	case r.Visibility != nil && (*r.Visibility < 0 || *r.Visibility > maxVisibility):
		return invalidParameter("Value for parameter VisibilityTimeout is invalid. " +
			"Reason: Must be >= 0 and <= 43200, if provided.")
	}
	for _, name := range r.SystemNames {
		if !isSystemName(name) {
			return unknownAttribute(name)
		}
	}
	for _, name := range r.OldNames { // may be those of a queue too
		if !isSystemName(name) && !isSettable(name) {
			return unknownAttribute(name)
		}
	}
	return checkIdentifier("ReceiveRequestAttemptId", r.Attempt)
}

// isSystemName says whether a receive may ask for the system attribute.
func isSystemName(name string) bool {
	switch name {
	case "All", "SenderId", "SentTimestamp", "ApproximateReceiveCount", "ApproximateFirstReceiveTimestamp",
		"SequenceNumber", "MessageDeduplicationId", "MessageGroupId", "AWSTraceHeader", "DeadLetterQueueSourceArn":
		return true
	default:
		return false
	}
}

func (r *receiveMessage) limit() int {
	if r.Max == nil {
		return 1
	}
	return *r.Max
}

func (r *receiveMessage) wait(q *queue) time.Duration {
	if r.Wait == nil {
		return q.settings.wait
	}
	return time.Duration(*r.Wait) * time.Second
}

func (r *receiveMessage) visibility(q *queue) time.Duration {
	if r.Visibility == nil {
		return q.settings.visibility
	}
	return time.Duration(*r.Visibility) * time.Second
}
