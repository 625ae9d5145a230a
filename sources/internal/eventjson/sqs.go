package eventjson

import "github.com/openesm/openesm/sources"

// SQS appends the records of an SQS event document (SQS-90..105). It is
// immutable.
type SQS struct {
	// tail is everything from the end of md5OfBody on.
	tail string
	// noAttributesMD5 stands for md5OfMessageAttributes of a message without
	// attributes.
	noAttributesMD5 string
}

// The constant stretches of a record.
const (
	openMessage       = `{"messageId":"`
	openHandle        = `","receiptHandle":"`
	openBody          = `","body":"`
	openSystem        = `","attributes":`
	openAttributes    = `,"messageAttributes":{`
	openAttributesMD5 = `},"md5OfMessageAttributes":"`
	openBodyMD5       = `,"md5OfBody":"`

	nullAttributesMD5 = `,"md5OfMessageAttributes":null`
)

// NewSQS returns the encoder of a queue: eventSource is "aws:sqs" (SQS-102),
// arn the queue's (SQS-103), region the part of AWS that it is in (SQS-104).
func NewSQS(eventSource, arn, region string) *SQS {
	tail := AppendString([]byte(`","eventSource":`), eventSource)
	tail = AppendString(append(tail, `,"eventSourceARN":`...), arn)
	tail = AppendString(append(tail, `,"awsRegion":`...), region)
	return &SQS{tail: string(append(tail, '}'))}
}

// SQSMembers are the members of a record besides its body.
func SQSMembers() []sources.Member {
	return []sources.Member{
		{Name: "messageId", Kind: sources.Text},
		{Name: "receiptHandle", Kind: sources.Text},
		{Name: "attributes", Kind: sources.Object, Members: texts(
			"ApproximateReceiveCount", "SentTimestamp", "SequenceNumber", "MessageGroupId", "SenderId",
			"MessageDeduplicationId", "ApproximateFirstReceiveTimestamp", "AWSTraceHeader", "DeadLetterQueueSourceArn",
		)},
		{Name: "messageAttributes", Kind: sources.Object, Members: []sources.Member{
			{Kind: sources.Object, Members: append(texts("stringValue", "binaryValue", "dataType"),
				sources.Member{Name: "stringListValues"}, sources.Member{Name: "binaryListValues"})},
		}},
		{Name: "md5OfMessageAttributes"}, // a text, or null (SQS-100)
		{Name: "md5OfBody", Kind: sources.Text},
		{Name: "eventSource", Kind: sources.Text},
		{Name: "eventSourceARN", Kind: sources.Text},
		{Name: "awsRegion", Kind: sources.Text},
	}
}

// texts are members that are texts.
func texts(names ...string) []sources.Member {
	all := make([]sources.Member, len(names))
	for i, name := range names {
		all[i] = sources.Member{Name: name, Kind: sources.Text}
	}
	return all
}

// WithNullMD5 returns an encoder that differs in how it writes a message
// without attributes: null true writes its md5OfMessageAttributes as null, as
// Lambda does for a batching window of a second or more; false, the default,
// leaves the member out (SQS-100).
func (q *SQS) WithNullMD5(null bool) *SQS {
	other := &SQS{tail: q.tail}
	if null {
		other.noAttributesMD5 = nullAttributesMD5
	}
	return other
}

// Append appends the record of m, one JSON object. If dst has room for
// Size(m) bytes nothing is allocated.
func (q *SQS) Append(dst []byte, m *Message) []byte {
	dst = appendContent(append(dst, openMessage...), m.MessageID)
	dst = appendContent(append(dst, openHandle...), m.ReceiptHandle)
	dst = appendContent(append(dst, openBody...), m.Body)
	dst = m.appendSystem(append(dst, openSystem...))
	dst = appendAttributes(append(dst, openAttributes...), m.MessageAttributes)
	if m.MD5OfMessageAttributes != "" {
		dst = appendContent(append(dst, openAttributesMD5...), m.MD5OfMessageAttributes)
		dst = append(dst, '"')
	} else {
		dst = append(dst, '}')
		if len(m.MessageAttributes) == 0 {
			dst = append(dst, q.noAttributesMD5...)
		}
	}
	dst = appendContent(append(dst, openBodyMD5...), m.MD5OfBody)
	return append(dst, q.tail...)
}

// Size returns how many bytes Append appends for m.
func (q *SQS) Size(m *Message) int {
	n := len(openMessage) + contentSize(m.MessageID) +
		len(openHandle) + contentSize(m.ReceiptHandle) +
		len(openBody) + contentSize(m.Body) +
		len(openSystem) + m.systemSize() +
		len(openAttributes) + attributesSize(m.MessageAttributes) + 1
	if m.MD5OfMessageAttributes != "" {
		n += len(openAttributesMD5) + contentSize(m.MD5OfMessageAttributes)
	} else if len(m.MessageAttributes) == 0 {
		n += len(q.noAttributesMD5)
	}
	return n + len(openBodyMD5) + contentSize(m.MD5OfBody) + len(q.tail)
}
