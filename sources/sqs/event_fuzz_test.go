package sqs_test

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

// feed cuts fuzzed bytes into what a message is made of.
type feed struct{ data []byte }

func (f *feed) number() int {
	if len(f.data) == 0 {
		return 0
	}
	n := int(f.data[0])
	f.data = f.data[1:]
	return n
}

// text is nil now and then, as fields of the SDK may be.
func (f *feed) text() *string {
	n := f.number() % 40
	if n == 39 {
		return nil
	}
	n = min(n, len(f.data))
	text := string(f.data[:n])
	f.data = f.data[n:]
	return &text
}

func (f *feed) message() *types.Message {
	m := &types.Message{
		MessageId: f.text(), ReceiptHandle: f.text(), Body: f.text(), MD5OfBody: f.text(), MD5OfMessageAttributes: f.text(),
		Attributes: map[string]string{}, MessageAttributes: map[string]types.MessageAttributeValue{},
	}
	for _, name := range types.MessageSystemAttributeName("").Values() {
		if f.number()%3 > 0 {
			m.Attributes[string(name)] = deref(f.text())
		}
	}
	for range f.number() % 3 {
		m.Attributes["x"+legal(deref(f.text()))] = deref(f.text())
	}
	for range f.number() % 4 {
		value := types.MessageAttributeValue{DataType: f.text()}
		switch f.number() % 3 {
		case 0:
			value.DataType = aws.String("Binary" + legal(deref(value.DataType)))
			value.BinaryValue = []byte("b" + deref(f.text()))
		case 1:
			value.StringValue = f.text()
		default:
			value.DataType, value.StringValue = aws.String("Number"), f.text()
		}
		m.MessageAttributes[legal(deref(f.text()))] = value
	}
	return m
}

func deref(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// legal is text as it comes back from JSON, so that no two names become one.
func legal(text string) string { return strings.ToValidUTF8(text, "") }

// reference is m as the events package has it. SQS-93..99 say what is left out.
func reference(m *types.Message) events.SQSMessage {
	r := events.SQSMessage{
		MessageId: deref(m.MessageId), ReceiptHandle: deref(m.ReceiptHandle), Body: deref(m.Body),
		Md5OfBody: deref(m.MD5OfBody), Md5OfMessageAttributes: deref(m.MD5OfMessageAttributes),
		Attributes: map[string]string{}, MessageAttributes: map[string]events.SQSMessageAttribute{},
		EventSource: "aws:sqs", EventSourceARN: standardARN, AWSRegion: "eu-west-1",
	}
	for name, value := range m.Attributes {
		if value != "" && name != "All" || strings.HasPrefix(name, "x") {
			r.Attributes[name] = value
		}
	}
	for name, value := range m.MessageAttributes {
		a := events.SQSMessageAttribute{
			DataType: deref(value.DataType), StringListValues: []string{}, BinaryListValues: [][]byte{},
		}
		if a.DataType == "Binary" || strings.HasPrefix(a.DataType, "Binary.") {
			a.BinaryValue = value.BinaryValue
		} else {
			a.StringValue = aws.String(deref(value.StringValue))
		}
		r.MessageAttributes[name] = a
	}
	return r
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzEvent holds the event document of any messages to what encoding/json makes
// of the same in the events package, and each record's size to the truth (P8).
func FuzzEvent(f *testing.F) {
	source := startedFuzz(f)
	f.Add([]byte{1, 2, 'i', 'd', 1, 'h', 4, '{', '"', 0xff, '}', 39, 39})
	f.Add([]byte{2, 39, 39, 39, 39, 3, 'm', 'd', '5', 1, 1, 'a', 1, 1, 'b', 1, 0, 2, 1, 'c', 0, 0, 0, 0, 0, 2, 1, 'y', 1, 'z'})
	f.Add([]byte(strings.Repeat("\x01a\x02\x00\xc3\x03b", 40)))
	for seed := range byte(16) {
		f.Add(noise(seed, 400))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		in := feed{data}
		records := make([]sources.Record, in.number()%4)
		var want events.SQSEvent
		for i := range records {
			m := in.message()
			records[i].Native = m
			want.Records = append(want.Records, reference(m))
		}
		std, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var mine, theirs map[string][]map[string]any
		if err := json.Unmarshal(source.AppendEvent(nil, "", records), &mine); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(std, &theirs); err != nil {
			t.Fatal(err)
		}
		for _, record := range theirs["Records"] {
			if record["md5OfMessageAttributes"] == "" {
				delete(record, "md5OfMessageAttributes") // SQS-100
			}
		}
		if len(mine) != 1 || len(mine["Records"]) != len(records) ||
			len(records) > 0 && !reflect.DeepEqual(mine["Records"], theirs["Records"]) {
			t.Errorf("document\n got %v\nwant %v", mine, theirs)
		}
	})
}

func startedFuzz(f *testing.F) *sqs.Source {
	f.Helper()
	source, err := sqs.New(newStub(standardARN), "orders", sqs.Options{})
	if err != nil {
		f.Fatal(err)
	}
	err = source.Start(f.Context(), settings)
	if err != nil {
		f.Fatal(err)
	}
	return source
}
