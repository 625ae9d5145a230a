package sqstest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

const (
	maxBatchBytes      = 1_048_576
	maxDelay           = 900 // seconds
	maxAttributes      = 10
	senderID           = "AIDAEXAMPLE000000001"
	sequencePrefix     = "1889" // makes 20 digits, which are more than a uint64 holds
	reasonNotThisQueue = "The request include parameter that is not valid for this queue type."
)

// entry is the message of a send.
type entry struct {
	ID               string                    `json:"Id"`
	Body             string                    `json:"MessageBody"`
	DelaySeconds     *int                      `json:"DelaySeconds"`
	Attributes       map[string]attributeValue `json:"MessageAttributes"`
	SystemAttributes map[string]attributeValue `json:"MessageSystemAttributes"`
	Group            string                    `json:"MessageGroupId"`
	Dedup            string                    `json:"MessageDeduplicationId"`
}

// sent is the answer to one sent message.
type sent struct {
	ID               string `json:"Id,omitempty"`
	MessageID        string `json:"MessageId"`
	BodyDigest       string `json:"MD5OfMessageBody"`
	AttributesDigest string `json:"MD5OfMessageAttributes,omitempty"`
	SystemDigest     string `json:"MD5OfMessageSystemAttributes,omitempty"`
	Sequence         string `json:"SequenceNumber,omitempty"`
}

type sendMessage struct {
	onQueue
	entry
}

func (r *sendMessage) entries() []Entry { return []Entry{{Body: r.Body}} }

func (r *sendMessage) run(_ context.Context, x exchange) ([]byte, error) {
	s, now := x.server, time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.open(r.QueueURL, now)
	if err != nil {
		return nil, err
	}
	answer, err := s.send(q, &r.entry, now)
	if err != nil {
		return nil, err
	}
	s.notify(q, now)
	return json.Marshal(answer)
}

type sendMessageBatch struct {
	onQueue

	Entries []entry `json:"Entries"`
}

func (r *sendMessageBatch) entries() []Entry {
	list := make([]Entry, len(r.Entries))
	for i, e := range r.Entries {
		list[i] = Entry{ID: e.ID, Body: e.Body}
	}
	return list
}

func (r *sendMessageBatch) run(_ context.Context, x exchange) ([]byte, error) {
	total := 0
	for i := range r.Entries {
		total += r.Entries[i].size()
	}
	if total > maxBatchBytes {
		return nil, batchError("BatchRequestTooLong",
			fmt.Sprintf("Batch requests cannot be longer than %d bytes. You have sent %d bytes.", maxBatchBytes, total))
	}
	return runBatch(x, r.QueueURL, r.Entries, func(q *queue, e *entry, now time.Time) (sent, error) {
		return x.server.send(q, e, now)
	})
}

// Send puts messages into a standard queue, named by name, ARN or URL, and
// returns their IDs. It is no call: it is not counted and meets no fault.
func (s *Server) Send(queue string, bodies ...string) ([]string, error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.open(queue, now)
	if err != nil {
		return nil, err
	}
	ids := make([]string, 0, len(bodies))
	for _, body := range bodies {
		answer, err := s.send(q, &entry{Body: body}, now)
		if err != nil {
			return ids, err
		}
		s.notify(q, now)
		ids = append(ids, answer.MessageID)
	}
	return ids, nil
}

// SendFIFO puts a message into a FIFO queue, as Send does.
func (s *Server) SendFIFO(queue, group, dedup, body string) (string, error) {
	now := time.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.open(queue, now)
	if err != nil {
		return "", err
	}
	answer, err := s.send(q, &entry{Body: body, Group: group, Dedup: dedup}, now)
	if err != nil {
		return "", err
	}
	s.notify(q, now)
	return answer.MessageID, nil
}

// send puts one message into the queue. The mutex is held.
func (s *Server) send(q *queue, e *entry, now time.Time) (sent, error) {
	if err := e.check(q.settings); err != nil {
		return sent{}, err
	}
	attributes := sortAttributes(e.Attributes)
	answer := sent{
		ID: e.ID, BodyDigest: digest(e.Body), AttributesDigest: attributesDigest(attributes),
		SystemDigest: attributesDigest(sortAttributes(e.SystemAttributes)),
	}
	key := e.dedupKey(q.settings)
	if before, ok := q.dedups.sends[key]; ok && q.settings.fifo {
		answer.MessageID, answer.Sequence = before.id, before.sequence
		return answer, nil
	}
	s.messages++
	p := &payload{
		id: wirefake.UUID(s.messages), body: e.Body, digest: answer.BodyDigest,
		attributes: attributes, attrDigest: answer.AttributesDigest,
		group: e.Group, dedup: e.dedup(q.settings), trace: e.trace(), sent: now,
	}
	if q.settings.fifo {
		p.sequence = sequencePrefix + fmt.Sprintf("%016d", s.messages)
		q.dedups.add(key, p, now)
	}
	q.put(&message{payload: p, seq: s.messages, enqueued: now, index: -1}, now, e.delay(q.settings))
	answer.MessageID, answer.Sequence = p.id, p.sequence
	return answer, nil
}

// size is what counts towards the limits.
func (e *entry) size() int {
	size := len(e.Body)
	for name, value := range e.Attributes {
		size += attribute{name: name, value: value}.size()
	}
	return size
}

// check tells what SQS would not accept.
func (e *entry) check(set settings) error {
	switch {
	case e.Body == "":
		return missingParameter("MessageBody")
	case e.size() > set.maxSize:
		return invalidParameter("One or more parameters are invalid. Reason: Message must be shorter than " +
			strconv.Itoa(set.maxSize) + " bytes.")
	case !legalText(e.Body):
		return invalidContents()
	case e.DelaySeconds != nil && (*e.DelaySeconds < 0 || *e.DelaySeconds > maxDelay):
		return invalidParameter("Value for parameter DelaySeconds is invalid. " +
			"Reason: DelaySeconds must be >= 0 and <= 900.")
	case len(e.Attributes) > maxAttributes:
		return invalidParameter("Number of message attributes exceeds the allowed maximum of 10.")
	}
	for _, a := range sortAttributes(e.Attributes) {
		if err := a.check(); err != nil {
			return err
		}
	}
	return cmp.Or(checkSystem(e.SystemAttributes), e.checkKind(set))
}

// checkKind holds the entry to the kind of the queue.
func (e *entry) checkKind(set settings) error {
	switch {
	case !set.fifo && e.Dedup != "":
		return invalidParameter("Value for parameter MessageDeduplicationId is invalid. Reason: " + reasonNotThisQueue)
	case set.fifo && e.Group == "":
		return missingParameter("MessageGroupId")
	case set.fifo && e.DelaySeconds != nil && *e.DelaySeconds > 0:
		return invalidParameter("Value for parameter DelaySeconds is invalid. Reason: " + reasonNotThisQueue)
	case set.fifo && e.Dedup == "" && !set.byContent:
		return invalidParameter("The queue should either have ContentBasedDeduplication enabled " +
			"or MessageDeduplicationId provided explicitly")
	default:
		return cmp.Or(checkIdentifier("MessageGroupId", e.Group), checkIdentifier("MessageDeduplicationId", e.Dedup))
	}
}

// dedup is the deduplication ID, which may come from the content.
func (e *entry) dedup(set settings) string {
	if !set.fifo || e.Dedup != "" {
		return e.Dedup
	}
	sum := sha256.Sum256([]byte(e.Body))
	return hex.EncodeToString(sum[:])
}

// dedupKey is the deduplication ID within its scope.
func (e *entry) dedupKey(set settings) string {
	if !set.fifo {
		return ""
	}
	if set.byGroup {
		return strconv.Quote(e.Group) + e.dedup(set)
	}
	return e.dedup(set)
}

func (e *entry) delay(set settings) time.Duration {
	if e.DelaySeconds == nil || set.fifo {
		return set.delay
	}
	return time.Duration(*e.DelaySeconds) * time.Second
}

// trace is the X-Ray header, the one system attribute that can be sent.
func (e *entry) trace() string {
	if header := e.SystemAttributes["AWSTraceHeader"].StringValue; header != nil {
		return *header
	}
	return ""
}

// legalText says whether a body holds only what XML allows.
func legalText(text string) bool {
	for _, r := range text {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
		case r < ' ' || r == 0xFFFE || r == 0xFFFF:
			return false
		}
	}
	return utf8.ValidString(text)
}
