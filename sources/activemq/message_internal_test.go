package activemq

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/Azure/go-amqp"
	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

const at = 1763900000999 // when messages of these tests came

// readAt reads a message as one that came then.
func readAt(m *amqp.Message) *Message {
	read := &Message{Message: m}
	read.read(time.UnixMilli(at), "stock", func() string { return "ID:made" })
	return read
}

// eventOf is the event document of a message.
func eventOf(t *testing.T, m *Message) events.ActiveMQMessage {
	t.Helper()
	text := eventjson.AppendActiveMQ(eventjson.NewActiveMQ(eventSource, "arn"), nil, []sources.Record{m.record()}, document)
	var event events.ActiveMQEvent
	if err := json.Unmarshal(text, &event); err != nil || len(event.Messages) != 1 {
		t.Fatalf("%v: %s", err, text)
	}
	return event.Messages[0]
}

// What a JMS client sent, as ActiveMQ Classic hands it out over AMQP: every member of the
// event (MQ-51, MQ-53, MQ-54, MQ-56, MQ-57, MQ-58, MQ-59, MQ-60, MQ-61, MQ-62, MQ-63, MQ-64, MQ-65).
func TestMembersOfAJMSMessage(t *testing.T) {
	t.Parallel()
	m := readAt(&amqp.Message{
		Header:      &amqp.MessageHeader{Durable: true, Priority: 7, TTL: 59 * time.Minute, DeliveryCount: 2},
		Annotations: amqp.Annotations{"x-opt-jms-dest": int8(0), "x-opt-jms-reply-to": int8(0)},
		Properties: &amqp.MessageProperties{
			MessageID: "ID:vm-1:3:-1:1:1", CorrelationID: "c1", To: new("queue://stock"), Subject: new("order"), ReplyTo: new("queue://answers"),
			CreationTime: new(time.UnixMilli(at - 10)), AbsoluteExpiryTime: new(time.UnixMilli(at + 3_600_000)), GroupID: new("g1"),
		},
		ApplicationProperties: map[string]any{"site": "north", "attempt": int32(1)},
		Value:                 "text",
	})
	want := events.ActiveMQMessage{
		MessageID: "ID:vm-1:3:-1:1:1", MessageType: "jms/text-message", Timestamp: at - 10, DeliveryMode: 2, CorrelationID: "c1",
		ReplyTo: "queue://answers", Destination: events.ActiveMQDestination{PhysicalName: "stock"}, Redelivered: true, Type: "order",
		Expiration: at + 3_600_000, Priority: 7, Data: "dGV4dA==", BrokerInTime: at - 10, BrokerOutTime: at,
		Properties: map[string]string{"site": "north", "attempt": "1"},
	}
	if got := eventOf(t, m); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("event\n got %+v\nwant %+v", got, want)
	}
	r := m.record()
	if r.Key != "g1" || !r.Time.Equal(time.UnixMilli(at-10)) || !r.Expires.Equal(time.UnixMilli(at).Add(59*time.Minute)) ||
		r.ID != want.MessageID || string(r.Data) != "text" || r.Native != m {
		t.Errorf("record %+v", r)
	}
}

// A message without anything has the defaults of AMQP, and an ID that was made for it (MQ-54, MQ-57, MQ-59, MQ-64).
func TestMembersOfABareMessage(t *testing.T) {
	t.Parallel()
	want := events.ActiveMQMessage{
		MessageID: "ID:made", MessageType: "jms/bytes-message", DeliveryMode: 1, ReplyTo: "null", Priority: 4,
		Destination: events.ActiveMQDestination{PhysicalName: "stock"}, BrokerInTime: at, BrokerOutTime: at, Properties: map[string]string{},
	}
	m := readAt(&amqp.Message{})
	if got := eventOf(t, m); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("event\n got %+v\nwant %+v", got, want)
	}
	if r := m.record(); r.Data == nil || !r.Time.IsZero() || !r.Expires.IsZero() || r.Key != "" {
		t.Errorf("record %+v", r)
	}
}

func TestBody_MQ52(t *testing.T) {
	t.Parallel()
	typed := func(kind string, data ...string) *amqp.Message {
		m := &amqp.Message{Properties: &amqp.MessageProperties{ContentType: &kind}}
		for _, d := range data {
			m.Data = append(m.Data, []byte(d))
		}
		return m
	}
	for name, test := range map[string]struct {
		message *amqp.Message
		text    bool
		body    string
	}{
		"string":          {&amqp.Message{Value: "a\x00b"}, true, "a\x00b"},
		"empty string":    {&amqp.Message{Value: ""}, true, ""},
		"binary":          {&amqp.Message{Value: []byte{0xff}}, false, "\xff"},
		"data":            {typed("application/octet-stream", "d"), false, "d"},
		"data in parts":   {typed("application/octet-stream", "a", "b"), false, "ab"},
		"said to be text": {typed("Text/Plain; charset=utf-8", "a"), true, "a"},
		"JSON":            {typed("application/json", "{}"), true, "{}"},
		"kind of JSON":    {typed("application/problem+json", "{}"), true, "{}"},
		"image":           {typed("image/svg+xml", "<svg/>"), false, "<svg/>"},
		"JMS text":        {&amqp.Message{Annotations: amqp.Annotations{jmsType: int8(5)}, Data: [][]byte{[]byte("a")}}, true, "a"},
		"JMS bytes": {&amqp.Message{
			Annotations: amqp.Annotations{jmsType: int8(3)}, Data: [][]byte{[]byte("a")}, Properties: &amqp.MessageProperties{ContentType: new("text/plain")},
		}, false, "a"},
		"map":        {&amqp.Message{Value: map[string]any{"b": int32(1), "a": []any{true, nil}}}, true, `{"a":[true,null],"b":1}`},
		"odd map":    {&amqp.Message{Value: map[any]any{int64(7): math.NaN(), "u": amqp.UUID{1}}}, true, `{"7":"NaN","u":"01000000-0000-0000-0000-000000000000"}`},
		"number":     {&amqp.Message{Value: int64(7)}, true, "7"},
		"sequence":   {&amqp.Message{Sequence: [][]any{{"a"}, {int32(1)}}}, true, `["a",1]`},
		"not JSON":   {&amqp.Message{Value: complex(1, 2)}, true, "(1+2i)"},
		"single inf": {&amqp.Message{Value: float32(math.Inf(-1))}, true, `"-Infinity"`},
	} {
		m := readAt(test.message)
		if m.document.Text != test.text || string(m.document.Data) != test.body || m.document.Data == nil {
			t.Errorf("%s: text %t, %q", name, m.document.Text, m.document.Data)
		}
	}
}

// Properties are strings, as Java makes them of values.
func TestProperties_MQ53(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		value any
		text  string
	}{
		{"a", "a"}, {true, "true"}, {int8(-3), "-3"}, {uint64(1) << 63, "9223372036854775808"}, {nil, "null"}, {amqp.Symbol("s"), "s"},
		{1.0, "1.0"}, {1.5, "1.5"}, {-0.001, "-0.001"}, {1e7, "1.0E7"}, {1.25e-4, "1.25E-4"}, {9999999.0, "9999999.0"}, {0.0, "0.0"},
		{float32(2.1), "2.1"}, {math.NaN(), "NaN"}, {math.Inf(1), "Infinity"}, {math.Inf(-1), "-Infinity"}, {1.2345678912e100, "1.2345678912E100"},
		{[]byte("b"), "b"}, {time.UnixMilli(5), "5"}, {amqp.UUID{1}, "01000000-0000-0000-0000-000000000000"},
	} {
		m := readAt(&amqp.Message{ApplicationProperties: map[string]any{"p": test.value}})
		if got := m.document.Properties[0].Value; got != test.text {
			t.Errorf("%#v is %q, want %q", test.value, got, test.text)
		}
	}
	all := make(map[string]any)
	for i := range 50 {
		all[fmt.Sprintf("p%02d", i)] = i
	}
	for i, p := range readAt(&amqp.Message{ApplicationProperties: all}).document.Properties {
		if p.Name != fmt.Sprintf("p%02d", i) {
			t.Fatalf("property %d is %s", i, p.Name)
		}
	}
}

func TestIdentifier_MQ54(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		id   any
		text string
	}{
		{"a", "a"}, {uint64(7), "ID:AMQP_ULONG:7"}, {[]byte{0xab, 1}, "ID:AMQP_BINARY:AB01"}, {int32(3), "3"},
		{amqp.UUID{1}, "ID:AMQP_UUID:01000000-0000-0000-0000-000000000000"}, {nil, "ID:made"}, {"", "ID:made"},
	} {
		if got := readAt(&amqp.Message{Properties: &amqp.MessageProperties{MessageID: test.id}}).document.MessageID; got != test.text {
			t.Errorf("%#v is %q, want %q", test.id, got, test.text)
		}
	}
}

// When a message expires is the broker's to say; a time to live that it does not count
// down begins when the message was sent, or came (MQ-41, MQ-63).
func TestExpiry(t *testing.T) {
	t.Parallel()
	moment := func(after int64) *time.Time { return new(time.UnixMilli(at + after)) }
	for name, test := range map[string]struct {
		ttl               time.Duration
		created, absolute *time.Time
		expires           int64 // after it came; 0 for never
		expiration        int64
	}{
		"never":                        {},
		"time to live":                 {ttl: time.Second, expires: 1000, expiration: at + 1000},
		"sent a while ago":             {ttl: time.Second, created: moment(-400), expires: 600, expiration: at + 600},
		"clock of the sender is late":  {ttl: time.Second, created: moment(-5000), expires: 1000, expiration: at + 1000},
		"clock of the sender is early": {ttl: time.Second, created: moment(5000), expires: 1000, expiration: at + 1000},
		"counted down for JMS":         {ttl: time.Second, created: moment(-400), absolute: moment(1007), expires: 1000, expiration: at + 1007},
		"a moment":                     {absolute: moment(300), expires: 300, expiration: at + 300},
	} {
		m := readAt(&amqp.Message{
			Header:     &amqp.MessageHeader{TTL: test.ttl},
			Properties: &amqp.MessageProperties{CreationTime: test.created, AbsoluteExpiryTime: test.absolute},
		})
		got := int64(0)
		if !m.expires.IsZero() {
			got = m.expires.UnixMilli() - at
		}
		if got != test.expires || m.document.Expiration != test.expiration {
			t.Errorf("%s: after %d, want %d; member %d, want %d", name, got, test.expires, m.document.Expiration, test.expiration)
		}
	}
}

// brokerInTime is what the broker says, else when the sender sent it, unless that cannot be (MQ-56).
func TestBrokerTimes(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		created *time.Time
		ingress any
		in      int64
	}{
		"nothing known":      {in: at},
		"sent":               {created: new(time.UnixMilli(at - 7)), in: at - 7},
		"sent in the future": {created: new(time.UnixMilli(at + 7)), in: at},
		"told by Artemis":    {created: new(time.UnixMilli(at - 7)), ingress: int64(at - 3), in: at - 3},
		"unsigned":           {ingress: uint64(at - 3), in: at - 3},
		"as a time":          {ingress: time.UnixMilli(at - 3), in: at - 3},
		"absurd":             {ingress: uint64(math.MaxUint64), in: at},
	} {
		m := readAt(&amqp.Message{
			Properties: &amqp.MessageProperties{CreationTime: test.created}, Annotations: amqp.Annotations{ingressTime: test.ingress},
		})
		if m.document.BrokerInTime != test.in || m.document.BrokerOutTime != at {
			t.Errorf("%s: in %d, want %d; out %d", name, m.document.BrokerInTime, test.in, m.document.BrokerOutTime)
		}
	}
}

//nolint:paralleltest // AllocsPerRun does not allow it
func TestReadingAllocatesNothing(t *testing.T) {
	raw := &amqp.Message{
		Header: &amqp.MessageHeader{Durable: true}, Value: "a text that is long enough not to be small",
		Properties: &amqp.MessageProperties{MessageID: "ID:1", CreationTime: new(time.UnixMilli(at))},
	}
	var m Message
	m.Message = raw
	came := time.UnixMilli(at)
	if n := testing.AllocsPerRun(100, func() { m.read(came, "stock", nil) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
