package eventjson_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

const mqARN = "arn:aws:mq:eu-west-1:123456789012:broker:warehouse:b-11111111-2222-3333-4444-555555555555"

func activeMQ() *eventjson.ActiveMQ { return eventjson.NewActiveMQ("aws:mq", mqARN) }

func activeMQMessage() eventjson.ActiveMQMessage {
	return eventjson.ActiveMQMessage{
		MessageID: "ID:sender-1-40000-1763900000000-4:1:1:1:1", Text: true, Timestamp: 1763900000123, Persistent: true,
		Destination: "stock", Priority: 4, Data: []byte(`{"sku":"A1","qty":3}`),
		BrokerInTime: 1763900000125, BrokerOutTime: 1763900000126,
		Properties: []eventjson.Attribute{{Name: "site", Value: "north"}, {Name: "attempt", Value: "1"}},
	}
}

// appendActiveMQ returns the document of messages, behind something else, and checks
// what it is said to take, and that it takes no more.
func appendActiveMQ(t *testing.T, messages ...eventjson.ActiveMQMessage) []byte {
	t.Helper()
	itself := func(m *eventjson.ActiveMQMessage) *eventjson.ActiveMQMessage { return m }
	size := activeMQ().Overhead()
	if len(messages) == 0 {
		size++ // no message, no comma that it lacks
	}
	for i := range messages {
		size += messages[i].Size()
	}
	array := bytes.Repeat([]byte("#"), size+2)
	got := eventjson.AppendActiveMQ(activeMQ(), array[:1:size+1], messages, itself)
	if len(got) != size+1 || &got[0] != &array[0] || array[0] != '#' || array[size+1] != '#' {
		t.Fatalf("document of %d bytes, sizes add up to %d: %s", len(got)-1, size, got)
	}
	return got[1:]
}

// ActiveMQ document (MQ-50, MQ-51, MQ-52, MQ-54, MQ-55, MQ-56, MQ-57, MQ-58, MQ-59, MQ-60, MQ-61, MQ-62, MQ-63, MQ-64, MQ-65, MQ-90).
func TestActiveMQDocument(t *testing.T) {
	t.Parallel()
	checkDocument(t, appendActiveMQ(t, activeMQMessage()), "activemq")
}

// TestActiveMQMembers has every member take its other value (MQ-51, MQ-53, MQ-57, MQ-59, MQ-61).
func TestActiveMQMembers(t *testing.T) {
	t.Parallel()
	got := appendActiveMQ(t, eventjson.ActiveMQMessage{
		MessageID: "ID:1", CorrelationID: "c", Type: "order", ReplyTo: "queue://answers", Destination: `a"b`, Redelivered: true,
		Expiration: 1763900000999, Priority: 9, Data: []byte{0xff, 0}, Timestamp: -1,
	}, eventjson.ActiveMQMessage{})
	want := fmt.Sprintf(`{"eventSource":"aws:mq","eventSourceArn":"%s","messages":[`+
		`{"messageID":"ID:1","messageType":"jms/bytes-message","timestamp":-1,"deliveryMode":1,"correlationID":"c",`+
		`"replyTo":"queue://answers","destination":{"physicalName":"a\"b"},"redelivered":true,"type":"order",`+
		`"expiration":1763900000999,"priority":9,"data":"/wA=","brokerInTime":0,"brokerOutTime":0,"properties":{}},`+
		`{"messageID":"","messageType":"jms/bytes-message","timestamp":0,"deliveryMode":1,"correlationID":"",`+
		`"replyTo":"null","destination":{"physicalName":""},"redelivered":false,"type":"",`+
		`"expiration":0,"priority":0,"data":"","brokerInTime":0,"brokerOutTime":0,"properties":{}}]}`, mqARN)
	if string(got) != want {
		t.Errorf("document\n got %s\nwant %s", got, want)
	}
	if got := appendActiveMQ(t); string(got) != fmt.Sprintf(`{"eventSource":"aws:mq","eventSourceArn":"%s","messages":[]}`, mqARN) {
		t.Errorf("without messages: %s", got)
	}
}

// activeMQEvent is what AWS's own package has of the same messages.
func activeMQEvent(messages []eventjson.ActiveMQMessage) events.ActiveMQEvent {
	event := events.ActiveMQEvent{EventSource: "aws:mq", EventSourceARN: mqARN, Messages: []events.ActiveMQMessage{}}
	for i := range messages {
		m := &messages[i]
		to := events.ActiveMQMessage{
			MessageID: m.MessageID, MessageType: "jms/bytes-message", Timestamp: m.Timestamp, DeliveryMode: 1,
			CorrelationID: m.CorrelationID, ReplyTo: m.ReplyTo, Destination: events.ActiveMQDestination{PhysicalName: m.Destination},
			Redelivered: m.Redelivered, Type: m.Type, Expiration: m.Expiration, Priority: m.Priority,
			Data: base64.StdEncoding.EncodeToString(m.Data), BrokerInTime: m.BrokerInTime, BrokerOutTime: m.BrokerOutTime,
			Properties: map[string]string{},
		}
		if m.Text {
			to.MessageType = "jms/text-message"
		}
		if m.Persistent {
			to.DeliveryMode = 2
		}
		if m.ReplyTo == "" {
			to.ReplyTo = "null"
		}
		for _, p := range m.Properties {
			to.Properties[p.Name] = p.Value
		}
		event.Messages = append(event.Messages, to)
	}
	return event
}

func (f *feed) activeMQMessage() eventjson.ActiveMQMessage {
	m := eventjson.ActiveMQMessage{
		MessageID: f.text(), Text: f.number()%2 == 0, Timestamp: f.time().UnixMilli(), Persistent: f.number()%2 == 0,
		CorrelationID: f.text(), Type: f.text(), ReplyTo: f.text(), Destination: f.text(), Redelivered: f.number()%2 == 0,
		Expiration: f.time().UnixMilli(), Priority: f.number() - 100, Data: f.blob(),
		BrokerInTime: math.MinInt64 + int64(f.number()), BrokerOutTime: math.MaxInt64 - int64(f.number()),
	}
	for i := range f.number() % 4 {
		m.Properties = append(m.Properties, eventjson.Attribute{Name: strconv.Itoa(i) + f.text(), Value: f.text()})
	}
	return m
}

// FuzzActiveMQDocument holds documents against what encoding/json makes of the same in
// the events package.
func FuzzActiveMQDocument(f *testing.F) {
	f.Add([]byte{2, 2, 'i', 'd', 1, 0, 0, 0, 0, 0, 0, 1, 1, 'k', 0})
	f.Add(bytes.Repeat([]byte{1, 'a', 0x80, 255}, 100))
	f.Add([]byte{})
	for seed := range byte(32) {
		f.Add(noise(seed, 600))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := feed{data}
		messages := make([]eventjson.ActiveMQMessage, in.number()%5)
		for i := range messages {
			messages[i] = in.activeMQMessage()
		}
		std, err := json.Marshal(activeMQEvent(messages))
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := decodeNumbers(t, appendActiveMQ(t, messages...)), decodeNumbers(t, std)
		if !reflect.DeepEqual(mine, theirs) {
			t.Errorf("document\n got %v\nwant %v", mine, theirs)
		}
	})
}

// TestActiveMQRoundTrip reads a document with AWS's own type (MQ-50, MQ-65).
func TestActiveMQRoundTrip(t *testing.T) {
	t.Parallel()
	messages := []eventjson.ActiveMQMessage{activeMQMessage(), {MessageID: "é\"\n", Data: []byte{0xff, 0xfe}, Priority: 9}}
	var got events.ActiveMQEvent
	if err := json.Unmarshal(appendActiveMQ(t, messages...), &got); err != nil {
		t.Fatal(err)
	}
	if want := activeMQEvent(messages); !reflect.DeepEqual(got, want) {
		t.Errorf("event\n got %+v\nwant %+v", got, want)
	}
}

//nolint:paralleltest // AllocsPerRun does not allow it
func TestActiveMQAllocatesNothing(t *testing.T) {
	messages := []eventjson.ActiveMQMessage{activeMQMessage(), activeMQMessage()}
	dst := make([]byte, 0, 4096)
	itself := func(m *eventjson.ActiveMQMessage) *eventjson.ActiveMQMessage { return m }
	a := activeMQ()
	if n := testing.AllocsPerRun(10, func() { dst = eventjson.AppendActiveMQ(a, dst[:0], messages, itself) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkActiveMQ is BenchmarkSQS for ActiveMQ.
func BenchmarkActiveMQ(b *testing.B) {
	for _, batch := range []struct{ count, size int }{{10, 256}, {100, 1 << 10}} {
		messages := make([]eventjson.ActiveMQMessage, batch.count)
		for i := range messages {
			messages[i] = activeMQMessage()
			messages[i].Data = []byte(body(batch.size))
		}
		a := activeMQ()
		itself := func(m *eventjson.ActiveMQMessage) *eventjson.ActiveMQMessage { return m }
		dst := eventjson.AppendActiveMQ(a, nil, messages, itself)
		b.Run(fmt.Sprintf("%dx%d/ratio", batch.count, batch.size), func(b *testing.B) {
			compare(b, map[string]func(){
				baseline: func() {
					if _, err := json.Marshal(activeMQEvent(messages)); err != nil {
						b.Fatal(err)
					}
				},
				"x-faster": func() { dst = eventjson.AppendActiveMQ(a, dst[:0], messages, itself) },
			})
		})
	}
}
