package eventjson_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// table and decimal stand for the types of a client library.
type (
	table   map[string]any
	decimal struct {
		scale    uint8
		unscaled int32
	}
)

func foreign(value any) (eventjson.RabbitMQForeign, bool) {
	switch v := value.(type) {
	case table:
		return eventjson.RabbitMQForeign{IsTable: true, Table: v}, true
	case decimal:
		return eventjson.RabbitMQForeign{Scale: v.scale, Unscaled: v.unscaled}, true
	default:
		return eventjson.RabbitMQForeign{}, false
	}
}

func warehouse() *eventjson.RabbitMQ {
	return eventjson.NewRabbitMQ("aws:rmq",
		"arn:aws:mq:eu-west-1:123456789012:broker:warehouse:b-66666666-7777-8888-9999-000000000000", "stock", "/", foreign)
}

func stock() eventjson.RabbitMQMessage {
	return eventjson.RabbitMQMessage{
		ContentType: "application/json", DeliveryMode: 2, CorrelationID: "job-5", Expiration: "30000",
		Headers:   map[string]any{"site": "north", "attempt": int32(2)},
		Timestamp: time.Date(2025, time.November, 23, 12, 13, 20, 0, time.UTC).In(time.FixedZone("elsewhere", 3600)),
		Body:      []byte(`{"sku":"A1","qty":3}`),
	}
}

// appendRabbitMQ returns the document of messages, and checks what it is said to take.
func appendRabbitMQ(t *testing.T, q *eventjson.RabbitMQ, messages ...eventjson.RabbitMQMessage) []byte {
	t.Helper()
	size := q.Overhead()
	room := make([]byte, 0, 1<<16)
	got := q.Begin(room)
	for i := range messages {
		if i > 0 {
			got = append(got, ',')
			size++
		}
		got = q.Append(got, &messages[i])
		size += q.Size(&messages[i])
	}
	got = q.End(got)
	if len(got) != size {
		t.Errorf("size is %d, the document has %d: %s", size, len(got), got)
	}
	return got
}

// Byte for byte, without the white space (MQ-70..80, MQ-82).
func TestRabbitMQExample_MQ70(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/rabbitmq.json")
	var want bytes.Buffer
	if err == nil {
		err = json.Compact(&want, text)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got := appendRabbitMQ(t, warehouse(), stock()); string(got) != want.String() {
		t.Errorf("got  %s\nwant %s", got, want.String())
	}
}

func TestRabbitMQQueueName_MQ91(t *testing.T) {
	t.Parallel()
	q := eventjson.NewRabbitMQ("aws:rmq", `a"b`, `st"ock`, "shop", foreign)
	if got, want := string(q.End(q.Begin(nil))), `{"eventSource":"aws:rmq","eventSourceArn":"a\"b","rmqMessagesByQueue":{"st\"ock::shop":[]}}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// What is not set is null, each member of it, headers included.
func TestRabbitMQUnset_MQ73(t *testing.T) {
	t.Parallel()
	m := eventjson.RabbitMQMessage{Redelivered: true}
	const want = `{"basicProperties":{"contentType":null,"contentEncoding":null,"headers":null,"deliveryMode":null,"priority":null,` +
		`"correlationId":null,"replyTo":null,"expiration":null,"messageId":null,"timestamp":null,"type":null,"userId":null,` +
		`"appId":null,"clusterId":null,"bodySize":0},"redelivered":true,"data":""}`
	if got := string(warehouse().Append(nil, &m)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// Headers of every AMQP type (MQ-80..85).
func TestRabbitMQHeaders_MQ80(t *testing.T) {
	t.Parallel()
	at := time.Date(1970, time.January, 1, 0, 33, 41, 0, time.UTC)
	for want, value := range map[string]any{
		`{"bytes":[118,49]}`:                   "v1",
		`{"bytes":[]}`:                         "",
		`{"bytes":[-61,-74,-1]}`:               "ö\xff", // MQ-81
		`[1,-2,127,-128]`:                      []byte{1, 254, 127, 128},
		`[]`:                                   []byte{},
		`10`:                                   int32(10),
		`-7`:                                   int8(-7),
		`200`:                                  uint8(200),
		`-300`:                                 int16(-300),
		`60000`:                                uint16(60000),
		`4000000000`:                           uint32(4_000_000_000),
		`-9223372036854775808`:                 int64(math.MinInt64),
		`9`:                                    9,
		`true`:                                 true,
		`false`:                                false,
		`1.5`:                                  1.5,
		`0.1`:                                  float32(0.1),
		`1e+21`:                                1e21,
		`null`:                                 nil,
		`123.45`:                               decimal{2, 12345},
		`-0.005`:                               decimal{3, -5},
		`2147483648`:                           decimal{0, math.MinInt32}, // see below
		`"Jan 1, 1970, 12:33:41 AM"`:           at,
		`[1,{"bytes":[97]},[null],{"b":true}]`: []any{int64(1), "a", []any{nil}, table{"b": true}},
		`{"a":1,"b":{"c":{"bytes":[120]}},"z":2}`: map[string]any{"z": int64(2), "b": table{"c": "x"}, "a": int64(1)},
		`{}`: table{},
	} {
		if d, ok := value.(decimal); ok && d.unscaled == math.MinInt32 {
			want = "-" + want
		}
		m := eventjson.RabbitMQMessage{Headers: map[string]any{"h": value}}
		got := warehouse().Append(nil, &m)
		if !strings.Contains(string(got), `"headers":{"h":`+want+`},"deliveryMode"`) || !json.Valid(got) {
			t.Errorf("%T %v: got %s, want %s", value, value, got, want)
		}
		if size := warehouse().Size(&m); size != len(got) {
			t.Errorf("%T %v: size %d, want %d", value, value, size, len(got))
		}
	}
	for _, value := range []any{math.NaN(), math.Inf(1), float32(math.Inf(-1)), struct{}{}, table(nil)} {
		m := eventjson.RabbitMQMessage{Headers: map[string]any{"h": value}}
		if got := warehouse().Append(nil, &m); !strings.Contains(string(got), `"headers":{"h":null}`) || len(got) != warehouse().Size(&m) {
			t.Errorf("%v: got %s", value, got)
		}
	}
}

// Tables as deep as a client can read them, and with more names than fit on the stack.
func TestRabbitMQDeepHeaders_MQ84(t *testing.T) {
	t.Parallel()
	deep, wide := any("end"), table{}
	for range 500 {
		deep = table{"x": []any{deep}}
	}
	for i := range 100 {
		wide[strings.Repeat("n", i+1)] = int64(i)
	}
	m := eventjson.RabbitMQMessage{Headers: map[string]any{"deep": deep, "wide": wide}}
	got := warehouse().Append(nil, &m)
	if !json.Valid(got) || len(got) != warehouse().Size(&m) {
		t.Errorf("%d bytes, size %d", len(got), warehouse().Size(&m))
	}
}

func TestRabbitMQMetadata(t *testing.T) {
	t.Parallel()
	m := stock()
	var got struct {
		BasicProperties events.RabbitMQBasicProperties `json:"basicProperties"`
		Redelivered     *bool                          `json:"redelivered"`
		Data            *string                        `json:"data"`
	}
	document := warehouse().AppendMetadata(nil, &m)
	if err := json.Unmarshal(document, &got); err != nil || got.BasicProperties.ContentType != "application/json" || got.Redelivered == nil || got.Data != nil {
		t.Errorf("%s: %v", document, err)
	}
}

// header is a header value of any kind.
func (f *feed) header(depth int) any {
	switch f.number() % 14 {
	case 0:
		return f.text()
	case 1:
		return []byte(f.text())
	case 2:
		return int64(f.number()) - 100
	case 3:
		return int32(f.number()) * -70_000
	case 4:
		return f.number()%2 == 0
	case 5:
		return float64(f.number()) / 7
	case 6:
		return float32(f.number()) / 3
	case 7:
		return decimal{uint8(f.number()), int32(f.number()) * 1_000_003}
	case 8:
		return f.time()
	case 9:
		return uint8(f.number())
	case 10, 11:
		if depth == 0 {
			return nil
		}
		return f.headers(depth - 1)
	case 12:
		list := []any{}
		for range f.number() % 4 {
			if depth > 0 {
				list = append(list, f.header(depth-1))
			}
		}
		return list
	default:
		return nil
	}
}

func (f *feed) headers(depth int) table {
	t := table{}
	for range f.number() % 5 {
		t[f.text()] = f.header(depth)
	}
	return t
}

func (f *feed) rabbitMQ() eventjson.RabbitMQMessage {
	m := eventjson.RabbitMQMessage{
		ContentType: f.text(), ContentEncoding: f.text(), DeliveryMode: uint8(f.number() % 4), Priority: uint8(f.number() % 12),
		CorrelationID: f.text(), ReplyTo: f.text(), Expiration: f.text(), MessageID: f.text(), Type: f.text(),
		UserID: f.text(), AppID: f.text(), ClusterID: f.text(), Redelivered: f.number()%2 == 0, Body: f.blob(),
	}
	if f.number()%2 == 0 {
		m.Timestamp = f.time()
	}
	if f.number()%4 > 0 {
		m.Headers = f.headers(3)
	}
	return m
}

// plain is what a header value is in the events package, as package json would have it.
func plain(value any) any {
	list := func(b []byte) []any {
		all := make([]any, len(b))
		for i := range b {
			all[i] = int8(b[i])
		}
		return all
	}
	switch v := value.(type) {
	case string:
		return map[string]any{"bytes": list([]byte(v))}
	case []byte:
		return list(v)
	case table:
		all := map[string]any{}
		for name, value := range v {
			all[name] = plain(value)
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i := range v {
			all[i] = plain(v[i])
		}
		return all
	case time.Time:
		return v.UTC().Format("Jan 2, 2006, 3:04:05 PM")
	case decimal:
		return json.Number(strings.TrimSuffix(v.reference(), "."))
	default:
		return v
	}
}

// reference writes a decimal by another way.
func (d decimal) reference() string {
	digits, negative := strings.CutPrefix(strconv.Itoa(int(d.unscaled)), "-")
	if missing := int(d.scale) + 1 - len(digits); missing > 0 {
		digits = strings.Repeat("0", missing) + digits
	}
	at := len(digits) - int(d.scale)
	if negative {
		digits, at = "-"+digits, at+1
	}
	return digits[:at] + "." + digits[at:]
}

// viaRabbitMQEvents builds the events type, as one does by hand.
func viaRabbitMQEvents(m *eventjson.RabbitMQMessage) events.RabbitMQMessage {
	text := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	e := events.RabbitMQMessage{
		Data: base64.StdEncoding.EncodeToString(m.Body), Redelivered: m.Redelivered,
		BasicProperties: events.RabbitMQBasicProperties{
			ContentType: m.ContentType, ContentEncoding: text(m.ContentEncoding), DeliveryMode: m.DeliveryMode, Priority: m.Priority,
			CorrelationID: text(m.CorrelationID), ReplyTo: text(m.ReplyTo), Expiration: m.Expiration, MessageID: text(m.MessageID),
			Type: text(m.Type), UserID: m.UserID, AppID: text(m.AppID), ClusterID: text(m.ClusterID), BodySize: uint64(len(m.Body)),
		},
	}
	if !m.Timestamp.IsZero() {
		e.BasicProperties.Timestamp = m.Timestamp.UTC().Format("Jan 2, 2006, 3:04:05 PM")
	}
	if m.Headers != nil {
		e.BasicProperties.Headers, _ = plain(table(m.Headers)).(map[string]any)
	}
	return e
}

func marshal(t *testing.T, messages []events.RabbitMQMessage) []byte {
	t.Helper()
	if len(messages) == 0 {
		return []byte("[]")
	}
	text, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// FuzzRabbitMQ holds documents against what encoding/json makes of the events package's
// type: members that are not set are null, and not empty, and all else is the same.
func FuzzRabbitMQ(f *testing.F) {
	f.Add([]byte{})
	for seed := range byte(32) {
		f.Add(noise(seed, 900))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := feed{data}
		rows := make([]eventjson.RabbitMQMessage, in.number()%6)
		want := make([]events.RabbitMQMessage, len(rows))
		for i := range rows {
			rows[i] = in.rabbitMQ()
			want[i] = viaRabbitMQEvents(&rows[i])
		}
		document := appendRabbitMQ(t, warehouse(), rows...)
		var got events.RabbitMQEvent
		decoder := json.NewDecoder(bytes.NewReader(document))
		if err := decoder.Decode(&got); err != nil {
			t.Fatalf("%v: %s", err, document)
		}
		var normal []events.RabbitMQMessage // numbers and odd text as package json reads them
		if err := json.Unmarshal(marshal(t, want), &normal); err != nil {
			t.Fatal(err)
		}
		one, expected := marshal(t, got.MessagesByQueue["stock::/"]), marshal(t, normal)
		if !bytes.Equal(one, expected) {
			t.Errorf("got  %s\nwant %s", one, expected)
		}
	})
}

func TestRabbitMQNoAllocation(t *testing.T) { //nolint:paralleltest // counts allocations
	q, m := warehouse(), stock()
	m.Headers["x-death"] = []any{table{"reason": "expired", "count": int64(3), "time": m.Timestamp}}
	room := make([]byte, 0, 1<<12)
	if n := testing.AllocsPerRun(100, func() {
		if len(q.Append(room, &m)) != q.Size(&m) {
			t.Error("size")
		}
	}); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkRabbitMQ prints how much faster than the events package a document of a hundred
// messages is, its size included.
func BenchmarkRabbitMQ(b *testing.B) {
	for name, headers := range map[string]map[string]any{
		"no headers": nil, "headers": {"site": "north", "attempt": int32(2), "trace": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
	} {
		b.Run(name, func(b *testing.B) {
			q, all := warehouse(), make([]eventjson.RabbitMQMessage, 100)
			for i := range all {
				all[i] = stock()
				all[i].Headers, all[i].Body = headers, []byte(body(300))
			}
			room := make([]byte, 0, 1<<18)
			compare(b, map[string]func(){
				"append": func() {
					dst := q.Begin(room)
					for i := range all {
						_ = q.Size(&all[i])
						dst = append(q.Append(dst, &all[i]), ',')
					}
					_ = q.End(dst)
				},
				baseline: func() {
					e := events.RabbitMQEvent{EventSource: "aws:rmq", EventSourceARN: "arn", MessagesByQueue: map[string][]events.RabbitMQMessage{}}
					for i := range all {
						e.MessagesByQueue["stock::/"] = append(e.MessagesByQueue["stock::/"], viaRabbitMQEvents(&all[i]))
					}
					_, _ = json.Marshal(e)
				},
			})
		})
	}
}
