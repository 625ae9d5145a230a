package eventjson

import "strconv"

// ActiveMQMessage is what the event document tells of one message of a queue of
// ActiveMQ (MQ-51..65). Times are milliseconds since 1970, 0 where there is none.
type ActiveMQMessage struct {
	// MessageID as the broker or the sender gave it.
	MessageID string
	// Text says that the body is text; otherwise it is bytes (MQ-51).
	Text bool
	// Timestamp is when the sender sent the message, by its clock.
	Timestamp int64
	// Persistent messages outlive a restart of the broker (MQ-57).
	Persistent bool
	// CorrelationID and Type are empty where they are unset (MQ-58, MQ-62).
	CorrelationID, Type string
	// ReplyTo is written as the text "null" where it is empty (MQ-59).
	ReplyTo string
	// Destination is the name of the queue (MQ-60).
	Destination string
	// Redelivered says that the message was delivered before (MQ-61).
	Redelivered bool
	// Expiration is when the message expires; 0 for never (MQ-63).
	Expiration int64
	// Priority is 0 to 9 (MQ-64).
	Priority int
	// Data is the body; base64 in the document (MQ-52).
	Data []byte
	// BrokerInTime and BrokerOutTime are when the broker got the message and handed
	// it out (MQ-56).
	BrokerInTime, BrokerOutTime int64
	// Properties are those of the sender, in the order in which they are to be
	// written (MQ-65). Names are unique.
	Properties []Attribute
}

// ActiveMQ is the encoder of the event documents of a broker (MQ-50). It is immutable.
type ActiveMQ struct {
	// open is everything before the first message.
	open string
}

// The constant stretches of a document.
const (
	closeActiveMQ = `]}`

	amqMessageID     = `{"messageID":`
	amqText          = `,"messageType":"jms/text-message","timestamp":`
	amqBytes         = `,"messageType":"jms/bytes-message","timestamp":`
	amqPersistent    = `,"deliveryMode":2,"correlationID":`
	amqNonPersistent = `,"deliveryMode":1,"correlationID":`
	amqReplyTo       = `,"replyTo":`
	amqNoReplyTo     = `null`
	amqDestination   = `,"destination":{"physicalName":`
	amqRedelivered   = `},"redelivered":true,"type":`
	amqDelivered     = `},"redelivered":false,"type":`
	amqExpiration    = `,"expiration":`
	amqPriority      = `,"priority":`
	amqData          = `,"data":`
	amqBrokerIn      = `,"brokerInTime":`
	amqBrokerOut     = `,"brokerOutTime":`
	amqProperties    = `,"properties":{`
	amqClose         = `}}`
)

// NewActiveMQ returns the encoder of a broker. eventSource is "aws:mq", arn that of the
// broker (MQ-50).
func NewActiveMQ(eventSource, arn string) *ActiveMQ {
	open := AppendString([]byte(`{"eventSource":`), eventSource)
	open = AppendString(append(open, `,"eventSourceArn":`...), arn)
	return &ActiveMQ{open: string(append(open, `,"messages":[`...))}
}

// Overhead returns how many bytes a document takes besides its messages.
// With the [ActiveMQMessage.Size] of each message it is the length of a document, for no
// comma is behind the last one.
func (a *ActiveMQ) Overhead() int { return len(a.open) + len(closeActiveMQ) - len(`,`) }

// AppendActiveMQ appends the event document of records, and allocates nothing
// besides what the growth of dst takes. view returns what a record says.
func AppendActiveMQ[R any](a *ActiveMQ, dst []byte, records []R, view func(record *R) *ActiveMQMessage) []byte {
	dst = append(dst, a.open...)
	for i := range records {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = view(&records[i]).append(dst)
	}
	return append(dst, closeActiveMQ...)
}

func (m *ActiveMQMessage) append(dst []byte) []byte {
	const decimal = 10
	dst = AppendString(append(dst, amqMessageID...), m.MessageID)
	dst = strconv.AppendInt(append(dst, m.kind()...), m.Timestamp, decimal)
	dst = AppendString(append(dst, m.mode()...), m.CorrelationID)
	dst = AppendString(append(dst, amqReplyTo...), m.replyTo())
	dst = AppendString(append(dst, amqDestination...), m.Destination)
	dst = AppendString(append(dst, m.delivery()...), m.Type)
	dst = strconv.AppendInt(append(dst, amqExpiration...), m.Expiration, decimal)
	dst = strconv.AppendInt(append(dst, amqPriority...), int64(m.Priority), decimal)
	dst = AppendBase64(append(dst, amqData...), m.Data)
	dst = strconv.AppendInt(append(dst, amqBrokerIn...), m.BrokerInTime, decimal)
	dst = strconv.AppendInt(append(dst, amqBrokerOut...), m.BrokerOutTime, decimal)
	dst = append(dst, amqProperties...)
	for i := range m.Properties {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, m.Properties[i].Name), ':')
		dst = AppendString(dst, m.Properties[i].Value)
	}
	return append(dst, amqClose...)
}

// Size returns how many bytes m takes in a document, the comma behind it included.
func (m *ActiveMQMessage) Size() int {
	n := len(amqMessageID) + StringSize(m.MessageID) +
		len(m.kind()) + intSize(m.Timestamp) +
		len(m.mode()) + StringSize(m.CorrelationID) +
		len(amqReplyTo) + StringSize(m.replyTo()) +
		len(amqDestination) + StringSize(m.Destination) +
		len(m.delivery()) + StringSize(m.Type) +
		len(amqExpiration) + intSize(m.Expiration) +
		len(amqPriority) + intSize(int64(m.Priority)) +
		len(amqData) + Base64Size(len(m.Data)) +
		len(amqBrokerIn) + intSize(m.BrokerInTime) +
		len(amqBrokerOut) + intSize(m.BrokerOutTime) +
		len(amqProperties) + len(amqClose) + len(`,`)
	for i := range m.Properties {
		n += StringSize(m.Properties[i].Name) + len(`:`) + StringSize(m.Properties[i].Value)
	}
	return n + max(len(m.Properties)-1, 0)
}

func (m *ActiveMQMessage) kind() string {
	if m.Text {
		return amqText
	}
	return amqBytes
}

func (m *ActiveMQMessage) mode() string {
	if m.Persistent {
		return amqPersistent
	}
	return amqNonPersistent
}

func (m *ActiveMQMessage) delivery() string {
	if m.Redelivered {
		return amqRedelivered
	}
	return amqDelivered
}

func (m *ActiveMQMessage) replyTo() string {
	if m.ReplyTo == "" {
		return amqNoReplyTo
	}
	return m.ReplyTo
}
