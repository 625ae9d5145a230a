package eventjson

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/openesm/openesm/sources"
)

// RabbitMQMessage is what the event document tells of one message (MQ-72..79). The empty
// string, 0 and nil are written as null: not set (MQ-73).
type RabbitMQMessage struct {
	ContentType, ContentEncoding   string
	Headers                        map[string]any
	DeliveryMode, Priority         uint8
	CorrelationID, ReplyTo         string
	Expiration, MessageID          string
	Timestamp                      time.Time
	Type, UserID, AppID, ClusterID string
	Redelivered                    bool
	Body                           []byte
}

// RabbitMQForeign is a header value of a type that is the client library's own: a table,
// or a decimal of so many digits behind the point.
type RabbitMQForeign struct {
	IsTable  bool
	Table    map[string]any
	Scale    uint8
	Unscaled int32
}

// RabbitMQ is the encoder of the event documents of one queue (MQ-70..85). It is
// immutable.
type RabbitMQ struct {
	open    string
	foreign func(value any) (RabbitMQForeign, bool)
}

const (
	closeRabbitMQ = `]}}`
	rmqContent    = `{"basicProperties":{"contentType":`
	rmqEncoding   = `,"contentEncoding":`
	rmqHeaders    = `,"headers":`
	rmqMode       = `,"deliveryMode":`
	rmqPriority   = `,"priority":`
	rmqCorrelate  = `,"correlationId":`
	rmqReplyTo    = `,"replyTo":`
	rmqExpiration = `,"expiration":`
	rmqMessageID  = `,"messageId":`
	rmqTimestamp  = `,"timestamp":`
	rmqType       = `,"type":`
	rmqUserID     = `,"userId":`
	rmqAppID      = `,"appId":`
	rmqClusterID  = `,"clusterId":`
	rmqBodySize   = `,"bodySize":`
	rmqRedeliver  = `},"redelivered":`
	rmqData       = `,"data":`
	null          = `null`

	// rmqFrame is what a message takes besides the values.
	rmqFrame = len(rmqContent + rmqEncoding + rmqHeaders + rmqMode + rmqPriority + rmqCorrelate + rmqReplyTo + rmqExpiration +
		rmqMessageID + rmqTimestamp + rmqType + rmqUserID + rmqAppID + rmqClusterID + rmqBodySize + rmqRedeliver + rmqData + `}`)
)

// NewRabbitMQ returns the encoder of a queue: eventSource is "aws:rmq", arn the broker's;
// foreign reads what types of header values the client library has besides Go's.
func NewRabbitMQ(eventSource, arn, queue, virtualHost string, foreign func(value any) (RabbitMQForeign, bool)) *RabbitMQ {
	open := AppendString([]byte(`{"eventSource":`), eventSource)
	open = AppendString(append(open, `,"eventSourceArn":`...), arn)
	open = AppendString(append(open, `,"rmqMessagesByQueue":{`...), queue+"::"+virtualHost)
	return &RabbitMQ{open: string(append(open, `:[`...)), foreign: foreign}
}

// Overhead returns how many bytes a document takes besides its messages, and the commas
// between them.
func (q *RabbitMQ) Overhead() int { return len(q.open) + len(closeRabbitMQ) }

// Begin appends what stands before the first message, which a comma parts from the next.
func (q *RabbitMQ) Begin(dst []byte) []byte { return append(dst, q.open...) }

// End appends what stands behind the last message.
func (*RabbitMQ) End(dst []byte) []byte { return append(dst, closeRabbitMQ...) }

// Append appends m as one JSON object. If dst has room for Size(m) bytes nothing is
// allocated, but for headers of more than some dozens of names.
func (q *RabbitMQ) Append(dst []byte, m *RabbitMQMessage) []byte {
	dst = q.appendProperties(dst, m)
	dst = strconv.AppendBool(append(dst, rmqRedeliver...), m.Redelivered)
	dst = AppendBase64(append(dst, rmqData...), m.Body)
	return append(dst, '}')
}

// appendProperties appends m up to the end of the properties, without the bracket.
func (q *RabbitMQ) appendProperties(dst []byte, m *RabbitMQMessage) []byte {
	const decimal = 10
	dst = appendNullable(append(dst, rmqContent...), m.ContentType)
	dst = appendNullable(append(dst, rmqEncoding...), m.ContentEncoding)
	dst = append(dst, rmqHeaders...)
	if m.Headers == nil {
		dst = append(dst, null...)
	} else {
		dst = q.appendTable(dst, m.Headers)
	}
	dst = appendSmall(append(dst, rmqMode...), m.DeliveryMode)
	dst = appendSmall(append(dst, rmqPriority...), m.Priority)
	dst = appendNullable(append(dst, rmqCorrelate...), m.CorrelationID)
	dst = appendNullable(append(dst, rmqReplyTo...), m.ReplyTo)
	dst = appendNullable(append(dst, rmqExpiration...), m.Expiration)
	dst = appendNullable(append(dst, rmqMessageID...), m.MessageID)
	dst = append(dst, rmqTimestamp...)
	if m.Timestamp.IsZero() {
		dst = append(dst, null...)
	} else {
		dst = appendJavaDate(dst, m.Timestamp)
	}
	dst = appendNullable(append(dst, rmqType...), m.Type)
	dst = appendNullable(append(dst, rmqUserID...), m.UserID)
	dst = appendNullable(append(dst, rmqAppID...), m.AppID)
	dst = appendNullable(append(dst, rmqClusterID...), m.ClusterID)
	return strconv.AppendInt(append(dst, rmqBodySize...), int64(len(m.Body)), decimal)
}

// Size returns how many bytes Append appends for m.
func (q *RabbitMQ) Size(m *RabbitMQMessage) int {
	n := rmqFrame + nullableSize(m.ContentType) + nullableSize(m.ContentEncoding) +
		smallSize(m.DeliveryMode) + smallSize(m.Priority) + nullableSize(m.CorrelationID) + nullableSize(m.ReplyTo) +
		nullableSize(m.Expiration) + nullableSize(m.MessageID) +
		nullableSize(m.Type) + nullableSize(m.UserID) + nullableSize(m.AppID) + nullableSize(m.ClusterID) +
		intSize(int64(len(m.Body))) + Base64Size(len(m.Body))
	if m.Headers == nil {
		n += len(null)
	} else {
		n += q.tableSize(m.Headers)
	}
	if m.Timestamp.IsZero() {
		n += len(null)
	} else {
		n += javaDateSize(m.Timestamp)
	}
	if m.Redelivered {
		return n + len("true")
	}
	return n + len("false")
}

// RabbitMQMembers are the members of a message besides its body, as filter patterns see
// them (FILT-56).
func RabbitMQMembers() []sources.Member {
	properties := append(texts(
		"contentType", "contentEncoding", "correlationId", "replyTo", "expiration", "messageId", "timestamp",
		"type", "userId", "appId", "clusterId",
		"headers", "deliveryMode", "priority",
	), sources.Member{Name: "bodySize", Kind: sources.Number})
	for i := range properties[:len(properties)-1] {
		properties[i].Kind = sources.Anything // for it may be null
	}
	return []sources.Member{
		{Name: "basicProperties", Kind: sources.Object, Members: properties},
		{Name: "redelivered"},
	}
}

// AppendMetadata appends what filter patterns see of m besides its body, as one JSON
// object.
func (q *RabbitMQ) AppendMetadata(dst []byte, m *RabbitMQMessage) []byte {
	dst = q.appendProperties(dst, m)
	return append(strconv.AppendBool(append(dst, rmqRedeliver...), m.Redelivered), '}')
}

func appendNullable(dst []byte, s string) []byte {
	if s == "" {
		return append(dst, null...)
	}
	return AppendString(dst, s)
}

func nullableSize(s string) int {
	if s == "" {
		return len(null)
	}
	return StringSize(s)
}

func appendSmall(dst []byte, n uint8) []byte {
	if n == 0 {
		return append(dst, null...)
	}
	const decimal = 10
	return strconv.AppendUint(dst, uint64(n), decimal)
}

func smallSize(n uint8) int {
	if n == 0 {
		return len(null)
	}
	return intSize(int64(n))
}

// javaDate is Java's default text of a date, in UTC (MQ-78), with its quotes.
const javaDate = `"Jan 2, 2006, 3:04:05 PM"`

func appendJavaDate(dst []byte, t time.Time) []byte { return t.UTC().AppendFormat(dst, javaDate) }

func javaDateSize(t time.Time) int {
	const longest = 64
	var room [longest]byte
	return len(appendJavaDate(room[:0], t))
}

// fewHeaders is how many names of a table are sorted without an allocation.
const fewHeaders = 32

// appendTable appends a table as an object, its names in order.
func (q *RabbitMQ) appendTable(dst []byte, table map[string]any) []byte {
	var room [fewHeaders]string
	names := room[:0]
	for name := range table {
		names = append(names, name)
	}
	slices.Sort(names)
	dst = append(dst, '{')
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(AppendString(dst, name), ':')
		dst = q.appendValue(dst, table[name])
	}
	return append(dst, '}')
}

func (q *RabbitMQ) tableSize(table map[string]any) int {
	n := len(`{}`)
	if len(table) > 0 {
		n += len(table)*len(`,:`) - len(`,`)
	}
	for name, value := range table {
		n += StringSize(name) + q.valueSize(value)
	}
	return n
}

// appendValue appends a header value (MQ-80..85). A long string is an object with its
// bytes, signed as Java's are; binary data is a list of the same; what JSON cannot say is
// null.
func (q *RabbitMQ) appendValue(dst []byte, value any) []byte {
	const decimal = 10
	switch v := value.(type) {
	case nil:
		return append(dst, null...)
	case string:
		dst = appendSignedList(append(dst, rmqBytes...), v)
		return append(dst, '}')
	case []byte:
		return appendSignedList(dst, view(v))
	case bool:
		return strconv.AppendBool(dst, v)
	case float32:
		return appendFloat(dst, float64(v), 32) //nolint:mnd // bits
	case float64:
		return appendFloat(dst, v, 64) //nolint:mnd // bits
	case time.Time:
		return appendJavaDate(dst, v)
	case []any:
		dst = append(dst, '[')
		for i := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = q.appendValue(dst, v[i])
		}
		return append(dst, ']')
	case map[string]any:
		return q.appendTable(dst, v)
	}
	if n, ok := integer(value); ok {
		return strconv.AppendInt(dst, n, decimal)
	}
	return q.appendForeign(dst, value)
}

func (q *RabbitMQ) appendForeign(dst []byte, value any) []byte {
	f, ok := q.foreign(value)
	switch {
	case !ok:
		return append(dst, null...)
	case !f.IsTable:
		return appendDecimal(dst, f.Scale, f.Unscaled)
	case f.Table == nil:
		return append(dst, null...)
	default:
		return q.appendTable(dst, f.Table)
	}
}

func (q *RabbitMQ) valueSize(value any) int {
	switch v := value.(type) {
	case nil:
		return len(null)
	case string:
		return len(rmqBytes) + signedListSize(v) + len(`}`)
	case []byte:
		return signedListSize(view(v))
	case []any:
		n := len(`[]`) + max(len(v)-1, 0)
		for i := range v {
			n += q.valueSize(v[i])
		}
		return n
	case map[string]any:
		return q.tableSize(v)
	}
	if n, ok := integer(value); ok {
		return intSize(n)
	}
	return q.oddSize(value)
}

// oddSize returns the size of a value of the kinds that are rare: it is written.
func (q *RabbitMQ) oddSize(value any) int {
	const longest = 320 // a decimal of 255 places
	var room [longest]byte
	switch v := value.(type) {
	case bool:
		return len(strconv.AppendBool(room[:0], v))
	case float32:
		return len(appendFloat(room[:0], float64(v), 32)) //nolint:mnd // bits
	case float64:
		return len(appendFloat(room[:0], v, 64)) //nolint:mnd // bits
	case time.Time:
		return javaDateSize(v)
	}
	f, ok := q.foreign(value)
	switch {
	case !ok, f.IsTable && f.Table == nil:
		return len(null)
	case f.IsTable:
		return q.tableSize(f.Table)
	default:
		return len(appendDecimal(room[:0], f.Scale, f.Unscaled))
	}
}

// integer is a header value that is a whole number (MQ-82).
func integer(value any) (int64, bool) {
	switch v := value.(type) {
	case int:
		return int64(v), true
	case int8:
		return int64(v), true
	case int16:
		return int64(v), true
	case int32:
		return int64(v), true
	case int64:
		return v, true
	case uint8:
		return int64(v), true
	case uint16:
		return int64(v), true
	case uint32:
		return int64(v), true
	default:
		return 0, false
	}
}

const rmqBytes = `{"bytes":`

// appendSignedList appends bytes as a list of signed numbers (MQ-81).
func appendSignedList(dst []byte, s string) []byte {
	dst = append(dst, '[')
	if s != "" {
		dst = appendSigned(dst, bytesOf(s))
		dst = dst[:len(dst)-1] // the comma
	}
	return append(dst, ']')
}

func signedListSize(s string) int {
	if s == "" {
		return len(`[]`)
	}
	return len(`[]`) + signedSize(bytesOf(s)) - len(`,`)
}

// appendFloat appends a number, and null for what is none.
func appendFloat(dst []byte, f float64, bits int) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, null...)
	}
	const low, high = 1e-6, 1e21 // as encoding/json does
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < low || a >= high) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, bits)
}

// appendDecimal appends a decimal with all its places.
func appendDecimal(dst []byte, scale uint8, unscaled int32) []byte {
	const decimal = 10
	n := int64(unscaled)
	if n < 0 {
		dst = append(dst, '-')
		n = -n
	}
	var room [24]byte
	digits := strconv.AppendInt(room[:0], n, decimal)
	whole := len(digits) - int(scale)
	if whole <= 0 {
		dst = append(dst, '0')
	} else {
		dst = append(dst, digits[:whole]...)
		digits = digits[whole:]
	}
	if scale == 0 {
		return dst
	}
	dst = append(dst, '.')
	for ; whole < 0; whole++ {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}
