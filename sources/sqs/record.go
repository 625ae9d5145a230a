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

	if s.queue.fifo {
		// The group of a standard (fair) queue orders nothing.
		r.Key = m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
	}

	const separator = 1

	scratch.read(m)
	r.Size = s.setup.encoder.Size(&scratch.message) + separator

	return r
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
