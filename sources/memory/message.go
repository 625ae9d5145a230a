package memory

import (
	"crypto/md5" //nolint:gosec // the event document has it (SQS-101)
	"encoding/hex"
	"strconv"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// Message is one receive of a message: what [sources.Record.Native] points at
// for records of a [Queue]. It must not be modified.
type Message struct {
	// ID is the message ID, the same at every receive.
	ID string

	// ReceiptHandle differs at every receive (SQS-91).
	ReceiptHandle string

	// Body is the text that was sent.
	Body string

	// Group is the message group; "" for none.
	Group string

	// ReceiveCount is how often the message has been received, this time
	// included.
	ReceiveCount int

	// Sent is when the message was sent, FirstReceived when it was received
	// first; zero if it was not received yet.
	Sent, FirstReceived time.Time

	event eventjson.Message
	entry *entry
}

type state int

const (
	isVisible state = iota
	isInFlight
	isDeleted
	isBuried // moved to the dead-letter queue
)

// entry is a message in its queue. Its record and its first receive are made
// when it is sent, so that receiving it allocates nothing.
type entry struct {
	queue     *Queue
	record    sources.Record
	message   *Message
	first     Message
	sequence  uint64
	receives  int
	state     state
	received  time.Time // last
	failed    bool      // in flight, and nobody is at work on it
	visibleAt time.Time
	group     *group
	links     [lists]links
}

// newEntry returns a message that was never received. The caller holds q.mu.
func newEntry(q *Queue, id, group, body string, now time.Time) *entry {
	sum := md5.Sum([]byte(body)) //nolint:gosec // not for security
	sent := formatMillis(now)
	handle := id + "#1"
	e := &entry{queue: q}
	e.message = &e.first
	e.first = Message{
		ID: handle[:len(id)], ReceiptHandle: handle, Body: body, Group: group, Sent: now, entry: e,
		event: eventjson.Message{
			MessageID:                        id,
			ReceiptHandle:                    handle,
			Body:                             body,
			ApproximateReceiveCount:          "1",
			SentTimestamp:                    sent,
			SenderID:                         account,
			MessageGroupID:                   group,
			ApproximateFirstReceiveTimestamp: sent,
			MD5OfBody:                        hex.EncodeToString(sum[:]),
		},
	}
	if q.options.FIFO {
		e.first.event.MessageDeduplicationID = id
		e.first.event.SequenceNumber = strconv.FormatUint(firstSequence+q.order, 10)
	}
	e.record = sources.Record{
		ID: e.first.ID, Key: group, Data: []byte(body), Native: e.message, Time: now,
		Size: q.encoder.Size(&e.first.event) + 1,
	}
	return e
}

// firstSequence makes sequence numbers as long as those of SQS (SQS-94).
const firstSequence = 10_000_000_000_000_000_000

// receive returns the record of the next receive, which hides it for so long;
// millis is now as text.
func (e *entry) receive(now time.Time, millis string, hidden time.Duration) sources.Record {
	e.receives++
	if e.receives == 1 {
		e.message.FirstReceived = now
		e.record.Size += len(millis) - len(e.message.event.ApproximateFirstReceiveTimestamp)
		e.message.event.ApproximateFirstReceiveTimestamp = millis
	} else {
		e.renew()
	}
	e.message.ReceiveCount = e.receives
	e.state = isInFlight
	e.received, e.visibleAt = now, now.Add(hidden)
	e.record.Expires = e.visibleAt
	return e.record
}

// renew gives the entry a new Message, as the old one belongs to whoever
// received it before.
func (e *entry) renew() {
	m := *e.message
	m.event.ApproximateReceiveCount = strconv.Itoa(e.receives)
	m.ReceiptHandle = m.ID + "#" + m.event.ApproximateReceiveCount
	m.event.ReceiptHandle = m.ReceiptHandle
	e.message = &m
	e.record.Native = e.message
	e.record.Size = e.queue.encoder.Size(&m.event) + 1
}
