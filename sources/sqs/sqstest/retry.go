package sqstest

import "time"

// retryInterval is how long a receive may be tried again by its ReceiveRequestAttemptId.
const retryInterval = 5 * time.Minute

// received is what a receive with a ReceiveRequestAttemptId handed out.
type received struct {
	at       time.Time
	messages []*message
	receives []int // of each message, so far
	changes  []int // as above
}

// remember keeps what a receive handed out.
func (q *queue) remember(id string, messages []*message, now time.Time) {
	if id == "" || len(messages) == 0 {
		return
	}
	for id, r := range q.attempts {
		if now.Sub(r.at) >= retryInterval {
			delete(q.attempts, id)
		}
	}
	r := received{at: now, messages: messages}
	for _, m := range messages {
		r.receives, r.changes = append(r.receives, m.receives), append(r.changes, m.changes)
	}
	q.attempts[id] = r
}

// again returns what the receive that is tried again handed out, and hides it anew. It
// returns nil if there is none, or if one of its messages is not as it was.
func (q *queue) again(id string, now time.Time, hidden time.Duration) []*message {
	r, ok := q.attempts[id]
	if !ok || now.Sub(r.at) >= retryInterval {
		return nil
	}
	for i, m := range r.messages {
		if q.messages[m.seq] != m || m.state != inFlight || m.receives != r.receives[i] || m.changes != r.changes[i] {
			return nil
		}
	}
	for _, m := range r.messages {
		q.unshelve(m)
		m.due = now.Add(hidden)
		q.shelve(m, inFlight)
	}
	return r.messages
}
