package eventjson

// How the system attributes begin, each with the comma before it.
const (
	openReceiveCount  = `,"ApproximateReceiveCount":"`
	openSent          = `,"SentTimestamp":"`
	openSequence      = `,"SequenceNumber":"`
	openGroup         = `,"MessageGroupId":"`
	openSender        = `,"SenderId":"`
	openDeduplication = `,"MessageDeduplicationId":"`
	openFirstReceive  = `,"ApproximateFirstReceiveTimestamp":"`
	openTrace         = `,"AWSTraceHeader":"`
	openDeadLetter    = `,"DeadLetterQueueSourceArn":"`
)

// appendSystem appends the object of system attributes (SQS-93..95).
func (m *Message) appendSystem(dst []byte) []byte {
	mark := len(dst)
	dst = appendMember(dst, openReceiveCount, m.ApproximateReceiveCount)
	dst = appendMember(dst, openSent, m.SentTimestamp)
	dst = appendMember(dst, openSequence, m.SequenceNumber)
	dst = appendMember(dst, openGroup, m.MessageGroupID)
	dst = appendMember(dst, openSender, m.SenderID)
	dst = appendMember(dst, openDeduplication, m.MessageDeduplicationID)
	dst = appendMember(dst, openFirstReceive, m.ApproximateFirstReceiveTimestamp)
	dst = appendMember(dst, openTrace, m.AWSTraceHeader)
	dst = appendMember(dst, openDeadLetter, m.DeadLetterQueueSourceARN)
	for i := range m.Extra {
		dst = AppendString(append(dst, ','), m.Extra[i].Name)
		dst = AppendString(append(dst, ':'), m.Extra[i].Value)
	}
	if len(dst) == mark {
		return append(dst, "{}"...)
	}
	dst[mark] = '{' // in place of the first comma
	return append(dst, '}')
}

// systemSize returns how many bytes appendSystem appends.
func (m *Message) systemSize() int {
	n := memberSize(openReceiveCount, m.ApproximateReceiveCount) +
		memberSize(openSent, m.SentTimestamp) +
		memberSize(openSequence, m.SequenceNumber) +
		memberSize(openGroup, m.MessageGroupID) +
		memberSize(openSender, m.SenderID) +
		memberSize(openDeduplication, m.MessageDeduplicationID) +
		memberSize(openFirstReceive, m.ApproximateFirstReceiveTimestamp) +
		memberSize(openTrace, m.AWSTraceHeader) +
		memberSize(openDeadLetter, m.DeadLetterQueueSourceARN)
	for i := range m.Extra {
		n += len(",:") + StringSize(m.Extra[i].Name) + StringSize(m.Extra[i].Value)
	}
	if n == 0 {
		return len("{}")
	}
	return n + len("}")
}

func appendMember(dst []byte, open, value string) []byte {
	if value == "" {
		return dst
	}
	return append(appendContent(append(dst, open...), value), '"')
}

func memberSize(open, value string) int {
	if value == "" {
		return 0
	}
	return len(open) + contentSize(value) + 1
}
