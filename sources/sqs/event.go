package sqs

import (
	"cmp"
	"slices"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// AppendEvent appends the event document of records (SQS-90..105). Message
// attributes are in the order of their names. See [sources.EventAppender].
func (s *Source) AppendEvent(dst []byte, _ string, records []sources.Record) []byte {
	scratch := s.scratch.get()
	defer s.scratch.put(scratch)
	encoder := s.setup.encoder
	return eventjson.AppendEvent(dst, records, func(dst []byte, r *sources.Record) []byte {
		scratch.read(message(r))
		return encoder.Append(dst, &scratch.message)
	})
}

// scratch holds one message in the encoder's form.
type scratch struct {
	message    eventjson.Message
	attributes []eventjson.MessageAttribute
	extra      []eventjson.Attribute
}

// scratches is a pool of scratch. The zero value is ready.
type scratches struct{ pool sync.Pool }

func (s *scratches) get() *scratch {
	if x, ok := s.pool.Get().(*scratch); ok {
		return x
	}
	return new(scratch)
}

// put takes x back without what it points at.
func (s *scratches) put(x *scratch) {
	x.message = eventjson.Message{}
	clear(x.attributes)
	clear(x.extra)
	s.pool.Put(x)
}

// read fills x with m. Nothing is copied but references.
func (x *scratch) read(m *types.Message) {
	clear(x.attributes)
	clear(x.extra)
	x.attributes, x.extra = x.attributes[:0], x.extra[:0]
	x.message = eventjson.Message{
		MessageID:              deref(m.MessageId),
		ReceiptHandle:          deref(m.ReceiptHandle),
		Body:                   deref(m.Body),
		MD5OfBody:              deref(m.MD5OfBody),
		MD5OfMessageAttributes: deref(m.MD5OfMessageAttributes),
	}
	for name, value := range m.Attributes {
		x.system(name, value)
	}
	if len(x.extra) > 1 {
		slices.SortFunc(x.extra, func(a, b eventjson.Attribute) int { return cmp.Compare(a.Name, b.Name) })
	}
	for name, value := range m.MessageAttributes {
		dataType := deref(value.DataType)
		x.attributes = append(x.attributes, eventjson.MessageAttribute{
			Name: name, DataType: dataType,
			StringValue: deref(value.StringValue), BinaryValue: value.BinaryValue,
			Binary: dataType == "Binary" || strings.HasPrefix(dataType, "Binary."),
		})
	}
	if len(x.attributes) > 1 {
		slices.SortFunc(x.attributes, func(a, b eventjson.MessageAttribute) int { return cmp.Compare(a.Name, b.Name) })
	}
	x.message.Extra, x.message.MessageAttributes = x.extra, x.attributes
}

// system files one system attribute (SQS-93..95).
func (x *scratch) system(name, value string) {
	switch types.MessageSystemAttributeName(name) {
	case types.MessageSystemAttributeNameApproximateReceiveCount:
		x.message.ApproximateReceiveCount = value
	case types.MessageSystemAttributeNameSentTimestamp:
		x.message.SentTimestamp = value
	case types.MessageSystemAttributeNameSequenceNumber:
		x.message.SequenceNumber = value
	case types.MessageSystemAttributeNameMessageGroupId:
		x.message.MessageGroupID = value
	case types.MessageSystemAttributeNameSenderId:
		x.message.SenderID = value
	case types.MessageSystemAttributeNameMessageDeduplicationId:
		x.message.MessageDeduplicationID = value
	case types.MessageSystemAttributeNameApproximateFirstReceiveTimestamp:
		x.message.ApproximateFirstReceiveTimestamp = value
	case types.MessageSystemAttributeNameAWSTraceHeader:
		x.message.AWSTraceHeader = value
	case types.MessageSystemAttributeNameDeadLetterQueueSourceArn:
		x.message.DeadLetterQueueSourceARN = value
	case types.MessageSystemAttributeNameAll:
		// The name of all in a request; in an answer, no name at all.
	default:
		x.extra = append(x.extra, eventjson.Attribute{Name: name, Value: value})
	}
}
