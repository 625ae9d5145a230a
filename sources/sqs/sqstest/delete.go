package sqstest

import (
	"context"
	"time"
)

// receipt is a batch entry that names a message by its receipt handle.
type receipt struct {
	ID     string `json:"Id"`
	Handle string `json:"ReceiptHandle"`
}

func (e *receipt) entryID() string { return e.ID }

// done is the answer to a batch entry that needs no words.
type done struct {
	ID string `json:"Id"`
}

type deleteMessage struct {
	onQueue
	receipt
}

func (r *deleteMessage) entries() []Entry { return []Entry{{handle: r.Handle}} }

func (r *deleteMessage) run(_ context.Context, x exchange) ([]byte, error) {
	s, now := x.server, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.open(r.QueueURL, now)
	if err != nil {
		return nil, err
	}
	if err := q.delete(r.Handle, x); err != nil {
		return nil, err
	}
	s.notify(q, now)
	return []byte("{}"), nil
}

type deleteMessageBatch struct {
	onQueue

	Entries []receipt `json:"Entries"`
}

func (r *deleteMessageBatch) entries() []Entry {
	list := make([]Entry, len(r.Entries))
	for i, e := range r.Entries {
		list[i] = Entry{ID: e.ID, handle: e.Handle}
	}
	return list
}

func (r *deleteMessageBatch) run(_ context.Context, x exchange) ([]byte, error) {
	return runBatch(x, r.QueueURL, r.Entries, func(q *queue, e *receipt, _ time.Time) (done, error) {
		return done{ID: e.ID}, q.delete(e.Handle, x)
	})
}

// find returns the message that a handle means, nil if it is gone, and whether
// the handle is that of its last receive.
func (q *queue) find(text string) (m *message, latest bool, err error) {
	if text == "" {
		return nil, false, missingParameter("ReceiptHandle")
	}
	h, ok := parseHandle(text)
	if !ok || h.queue != q.number {
		return nil, false, ReceiptHandleIsInvalid()
	}
	m = q.messages[h.seq]
	return m, m != nil && h.receive == uint64(m.receives), nil //nolint:gosec // a count
}

// delete removes the message that the handle means. A message that is gone is
// no error (SQS-64). A handle that is stale (SQS-63) does nothing in a standard
// queue; in a FIFO queue it fails, from the end of the visibility timeout on.
func (q *queue) delete(text string, x exchange) error {
	m, latest, err := q.find(text)
	switch {
	case err != nil:
		return err
	case m == nil:
		return nil
	case q.settings.fifo && (!latest || m.state != inFlight):
		return invalidParameter("Value " + text + " for parameter ReceiptHandle is invalid. " +
			"Reason: The receipt handle has expired.")
	case !latest && !x.fault.Stale:
		return nil
	}
	q.tell(Deleted, x, m)
	q.deleted = append(q.deleted, m.id)
	q.drop(m)
	return nil
}

// identify fills in the messages that the entries' handles mean.
func (q *queue) identify(entries []Entry, now time.Time) {
	for i := range entries {
		if m, latest, err := q.find(entries[i].handle); err == nil && m != nil {
			ended := m.state != inFlight || !m.due.After(now)
			entries[i].MessageID, entries[i].Stale = m.id, !latest || q.settings.fifo && ended
		}
	}
}
