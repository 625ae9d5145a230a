package activemq

import (
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// Message is what sources.Record.Native points at: a message as the client library has
// it. It must not be settled.
type Message struct {
	*amqp.Message

	document eventjson.ActiveMQMessage
	expires  time.Time
	group    *group // nil for none
	size     int

	life   *life
	number uint64 // in the order of arrival
	// out says that it was handed out and is not given back; guarded by the mutex of its
	// partition.
	out bool
	// settled says that nothing is to be settled any more, dropped that the engine
	// forgot it when its link was lost.
	settled, dropped atomic.Bool
}

const (
	// The priority of messages that have none.
	usualPriority = 4

	// What a JMS client says of the kind of its messages.
	jmsType      = "x-opt-jms-msg-type"
	jmsBytesType = 3
	jmsTextType  = 5
	// When the broker got a message: Artemis says so where it is told to.
	ingressTime = "x-opt-ingress-time"
)

// read reads a message that came at that moment. unnamed makes an ID for one that has none.
func (m *Message) read(came time.Time, queue string, unnamed func() string) {
	a, d := m.Message, &m.document
	*d = eventjson.ActiveMQMessage{Priority: usualPriority, Destination: queue, BrokerOutTime: came.UnixMilli()}
	if h := a.Header; h != nil {
		d.Persistent, d.Redelivered, d.Priority = h.Durable, h.DeliveryCount > 0, int(h.Priority)
	}
	if p := a.Properties; p != nil {
		d.MessageID, d.CorrelationID = identifier(p.MessageID), identifier(p.CorrelationID)
		d.Type, d.ReplyTo = deref(p.Subject), deref(p.ReplyTo)
		d.Timestamp = millis(deref(p.CreationTime))
	}
	if d.MessageID == "" {
		d.MessageID = unnamed()
	}
	d.BrokerInTime = m.brokerIn(came)
	m.readExpiry(came)
	m.readBody()
	m.readProperties()
	m.size = d.Size()
}

func deref[T any](p *T) T {
	if p == nil {
		var none T
		return none
	}
	return *p
}

// millis is a moment as JMS has it, 0 for none.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// brokerIn is when the broker got the message. Only Artemis says it, and only if asked to;
// otherwise it is when the sender says that it sent it, unless that is later than we got
// it; then it is that.
func (m *Message) brokerIn(came time.Time) int64 {
	const limit = math.MaxInt64 / 2
	in := m.document.Timestamp
	switch at := m.Annotations[ingressTime].(type) {
	case int64:
		in = at
	case uint64:
		in = int64(min(at, limit))
	case time.Time:
		in = at.UnixMilli()
	}
	if in <= 0 || in > came.UnixMilli() {
		return came.UnixMilli()
	}
	return in
}

// readExpiry finds out when the message expires. The broker counts down a time to live
// for JMS messages, so that it is what was left when they came; of others it has what the
// sender gave, and so it counts from when they were sent, where they say it.
func (m *Message) readExpiry(came time.Time) {
	var ttl time.Duration
	if m.Header != nil {
		ttl = m.Header.TTL
	}
	var absolute, sent time.Time
	if p := m.Properties; p != nil {
		absolute, sent = deref(p.AbsoluteExpiryTime), deref(p.CreationTime)
	}
	switch {
	case ttl > 0 && absolute.IsZero() && sent.Add(ttl).After(came) && sent.Before(came):
		m.expires = sent.Add(ttl)
	case ttl > 0:
		m.expires = came.Add(ttl)
	case !absolute.IsZero():
		m.expires = absolute
	}
	m.document.Expiration = millis(m.expires)
	if !absolute.IsZero() {
		m.document.Expiration = millis(absolute)
	}
}

// readBody takes the body as a JMS consumer would: text or bytes (MQ-51, MQ-52). What is
// neither in AMQP, such as a map, is handed over as the JSON of it.
func (m *Message) readBody() {
	d := &m.document
	switch value := m.Value.(type) {
	case string:
		d.Text, d.Data = true, bytesOf(value)
		return
	case []byte:
		d.Data = value
		return
	case nil:
	default:
		d.Text, d.Data = true, asJSON(value)
		return
	}
	switch {
	case len(m.Sequence) > 0:
		d.Text, d.Data = true, asJSON(slices.Concat(m.Sequence...))
	case len(m.Data) == 1:
		d.Data = m.Data[0]
	default:
		d.Data = slices.Concat(m.Data...)
	}
	if d.Data == nil {
		d.Data = []byte{}
	}
	d.Text = d.Text || m.saysText()
}

// bytesOf is a text without a copy of it. Nobody writes to it.
func bytesOf(text string) []byte {
	if text == "" {
		return []byte{}
	}
	return unsafe.Slice(unsafe.StringData(text), len(text))
}

// saysText reports whether a body of bytes is said to be text.
func (m *Message) saysText() bool {
	switch m.Annotations[jmsType] {
	case int8(jmsTextType):
		return true
	case int8(jmsBytesType):
		return false
	}
	if m.Properties == nil {
		return false
	}
	kind, _, _ := strings.Cut(strings.ToLower(deref(m.Properties.ContentType)), ";")
	kind = strings.TrimSpace(kind)
	return strings.HasPrefix(kind, "text/") || slices.ContainsFunc([]string{"json", "xml", "javascript"}, func(form string) bool {
		return kind == "application/"+form || strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+"+form)
	})
}

// asJSON writes a value of AMQP.
func asJSON(value any) []byte {
	text, err := json.Marshal(plain(value))
	if err != nil {
		return fmt.Append(nil, value)
	}
	return text
}

// plain is a value of which JSON can be made.
func plain(value any) any {
	switch v := value.(type) {
	case map[any]any:
		object := make(map[string]any, len(v))
		for name, member := range v {
			object[text(name)] = plain(member)
		}
		return object
	case map[string]any:
		object := make(map[string]any, len(v))
		for name, member := range v {
			object[name] = plain(member)
		}
		return object
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case float64, float32, amqp.UUID:
		return jsonNumber(v)
	default:
		return v
	}
}

// jsonNumber is what JSON has no word for, as text.
func jsonNumber(value any) any {
	switch v := value.(type) {
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return text(v)
		}
	case float32:
		return jsonNumber(float64(v))
	case amqp.UUID:
		return v.String()
	}
	return value
}

// readProperties takes the properties of the sender, all as strings (MQ-53), by name.
func (m *Message) readProperties() {
	if len(m.ApplicationProperties) == 0 {
		return
	}
	all := make([]eventjson.Attribute, 0, len(m.ApplicationProperties))
	for name, value := range m.ApplicationProperties {
		all = append(all, eventjson.Attribute{Name: name, Value: text(value)})
	}
	slices.SortFunc(all, func(a, b eventjson.Attribute) int { return cmp.Compare(a.Name, b.Name) })
	m.document.Properties = all
}

// identifier is an ID as JMS clients write those that are no strings; "" for none.
func identifier(id any) string {
	switch v := id.(type) {
	case nil:
		return ""
	case string:
		return v
	case uint64:
		return "ID:AMQP_ULONG:" + strconv.FormatUint(v, 10)
	case amqp.UUID:
		return "ID:AMQP_UUID:" + v.String()
	case []byte:
		return "ID:AMQP_BINARY:" + strings.ToUpper(hex.EncodeToString(v))
	default:
		return fmt.Sprint(v)
	}
}

// text writes a simple value as Java does.
func text(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return v
	case amqp.Symbol:
		return string(v)
	case []byte:
		return string(v)
	case float32:
		return decimal(float64(v), 32)
	case float64:
		return decimal(v, 64)
	case time.Time:
		return strconv.FormatInt(v.UnixMilli(), 10)
	case fmt.Stringer:
		return v.String()
	default:
		return fmt.Sprint(v)
	}
}

// decimal writes a number as Java's Double.toString and Float.toString do.
func decimal(v float64, bits int) string {
	const smallest, largest = 1e-3, 1e7
	switch size := math.Abs(v); {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "Infinity"
	case math.IsInf(v, -1):
		return "-Infinity"
	case size == 0 || size >= smallest && size < largest:
		return withPoint(strconv.FormatFloat(v, 'f', -1, bits))
	}
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(v, 'e', -1, bits), "e")
	n, _ := strconv.Atoi(exponent)
	return withPoint(digits) + "E" + strconv.Itoa(n)
}

func withPoint(digits string) string {
	if strings.Contains(digits, ".") {
		return digits
	}
	return digits + ".0"
}
