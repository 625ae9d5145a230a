package sqs

import (
	"strconv"
	"time"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
)

// record makes the engine's record of a message. Expires is left to the caller.
func (s *Source) record(m *types.Message, scratch *scratch) sources.Record {
	r := sources.Record{
		ID:     deref(m.MessageId),
		Data:   body(m),
		Native: m,
		Time:   sent(m),
	}
	if s.queue.FIFO {
		// The group of a standard (fair) queue orders nothing.
		r.Key = m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
	}
	const separator = 1
	r.Size = atMost(m)
	if r.Size == 0 || r.Size > s.setup.slight {
		scratch.read(m)
		r.Size = s.setup.encoder.Size(&scratch.message) + separator
	}
	return r
}

// atMost bounds the size of a message in the event document without a look at
// its text; 0 if it has something whose size is not known.
func atMost(m *types.Message) int {
	const (
		escaped = 6        // bytes a byte of text may become
		usual   = 7        // system attributes of a message that is not traced
		rest    = 16 << 10 // for them and for all that is constant
	)
	_, traced := m.Attributes[string(types.MessageSystemAttributeNameAWSTraceHeader)]
	if traced || len(m.MessageAttributes) > 0 || len(m.Attributes) > usual {
		return 0
	}
	return escaped*(len(deref(m.Body))+len(deref(m.ReceiptHandle))) + rest
}

// body is the message's text without a copy: a record's Data is never modified.
func body(m *types.Message) []byte {
	if m.Body == nil || *m.Body == "" {
		return nil
	}
	return unsafe.Slice(unsafe.StringData(*m.Body), len(*m.Body))
}

func sent(m *types.Message) time.Time {
	ms, err := strconv.ParseInt(m.Attributes[string(types.MessageSystemAttributeNameSentTimestamp)], 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// receives is how often a message was received, at least 1.
func receives(m *types.Message) int {
	n, err := strconv.Atoi(m.Attributes[string(types.MessageSystemAttributeNameApproximateReceiveCount)])
	if err != nil {
		return 1
	}
	return max(n, 1)
}

// message is the SDK's message of a record that Fetch returned.
func message(r *sources.Record) *types.Message {
	if m, ok := r.Native.(*types.Message); ok && m != nil {
		return m
	}
	return new(types.Message)
}
