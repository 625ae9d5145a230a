package eventjson

// Message is what the event document tells of one SQS message (SQS-90..101).
// Strings that are not valid UTF-8 are written as encoding/json writes them.
type Message struct {
	// MessageID is what batchItemFailures names (SQS-90).
	MessageID string

	// ReceiptHandle of this receive (SQS-91).
	ReceiptHandle string

	// Body is the message's text, written as a string even if it is JSON (SQS-92).
	Body string

	// System attributes (SQS-93..95), all as the service's text; times are
	// milliseconds since 1970. An empty one is left out.
	ApproximateReceiveCount          string
	SentTimestamp                    string
	SequenceNumber                   string
	MessageGroupID                   string
	SenderID                         string
	MessageDeduplicationID           string
	ApproximateFirstReceiveTimestamp string
	AWSTraceHeader                   string
	DeadLetterQueueSourceARN         string

	// Extra is the system attributes that have no field here, in the order in
	// which they are to be written, after those above. Names are unique.
	Extra []Attribute

	// MessageAttributes is the sender's attributes, in the order in which
	// they are to be written (SQS-96). Names are unique.
	MessageAttributes []MessageAttribute

	// MD5OfMessageAttributes in hex; "" if the message has none (SQS-100).
	MD5OfMessageAttributes string

	// MD5OfBody in hex (SQS-101).
	MD5OfBody string
}

// Attribute is a name with its text.
type Attribute struct {
	Name, Value string
}

// MessageAttribute is one attribute that the sender gave (SQS-97..99).
type MessageAttribute struct {
	// Name of the attribute.
	Name string

	// DataType with the custom suffix as sent, such as "Number.int" (SQS-99).
	DataType string

	// StringValue of a String or Number attribute; not written if Binary.
	StringValue string

	// BinaryValue of a Binary attribute; written only if Binary. An empty one
	// is written as "", so that one of the two values is always there.
	BinaryValue []byte

	// Binary says which of the two values the attribute has.
	Binary bool
}
