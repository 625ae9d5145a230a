package sqstest

import (
	"context"
	"fmt"
	"time"
)

const (
	maxVisibility = 43_200 // seconds
	maxHidden     = maxVisibility * time.Second
)

// extension is a batch entry that changes a visibility timeout.
type extension struct {
	receipt

	Seconds *int `json:"VisibilityTimeout"`
}

type changeVisibility struct {
	onQueue
	extension
}

func (r *changeVisibility) entries() []Entry {
	return []Entry{{handle: r.Handle, Visibility: given(r.Seconds)}}
}

func (r *changeVisibility) run(_ context.Context, x exchange) ([]byte, error) {
	s, now := x.server, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.open(r.QueueURL, now)
	if err != nil {
		return nil, err
	}
	if err := q.change(&r.extension, x, now); err != nil {
		return nil, err
	}
	s.notify(q, now)
	return []byte("{}"), nil
}

type changeVisibilityBatch struct {
	onQueue

	Entries []extension `json:"Entries"`
}

func (r *changeVisibilityBatch) entries() []Entry {
	list := make([]Entry, len(r.Entries))
	for i, e := range r.Entries {
		list[i] = Entry{ID: e.ID, handle: e.Handle, Visibility: given(e.Seconds)}
	}
	return list
}

func (r *changeVisibilityBatch) run(_ context.Context, x exchange) ([]byte, error) {
	return runBatch(x, r.QueueURL, r.Entries, func(q *queue, e *extension, now time.Time) (done, error) {
		return done{ID: e.ID}, q.change(e, x, now)
	})
}

// change sets when a message in flight becomes visible.
func (q *queue) change(e *extension, x exchange, now time.Time) error {
	if e.Seconds == nil || *e.Seconds < 0 || *e.Seconds > maxVisibility {
		return invalidParameter("Value for parameter VisibilityTimeout is invalid. " +
			"Reason: VisibilityTimeout must be an integer between 0 and 43200.")
	}
	m, latest, err := q.find(e.Handle)
	switch {
	case err != nil:
		return err
	case !latest:
		return invalidParameter("Value " + e.Handle + " for parameter ReceiptHandle is invalid. " +
			"Reason: Message does not exist or is not available for visibility timeout change.")
	case m.state != inFlight:
		return batchError("MessageNotInflight", "The specified message isn't in flight.")
	}
	due := now.Add(time.Duration(*e.Seconds) * time.Second)
	if due.After(m.received.Add(maxHidden)) {
		return invalidParameter(fmt.Sprintf("Value %d for parameter VisibilityTimeout is invalid. "+
			"Reason: Total VisibilityTimeout for the message is beyond the limit [%d seconds].", *e.Seconds, maxVisibility))
	}
	m.changes++
	q.unshelve(m)
	if !due.After(now) {
		q.tell(Returned, x, m)
		q.show(m)
		return nil
	}
	m.due = due
	q.shelve(m, inFlight)
	q.tell(Hidden, x, m)
	return nil
}
