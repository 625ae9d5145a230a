package eventjson_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

const (
	queueARN = "arn:aws:sqs:eu-west-1:123456789012:invoices"
	region   = "eu-west-1"
)

func standardMessage() eventjson.Message {
	return eventjson.Message{
		MessageID:                        "8d0f5c1e-2b7a-4d53-9a61-7c1f0e9b4a10",
		ReceiptHandle:                    "AQEB-first-handle",
		Body:                             `{"kind":"invoice","number":1204}`,
		ApproximateReceiveCount:          "1",
		SentTimestamp:                    "1763900000123",
		SenderID:                         "AROAEXAMPLE000000001:billing",
		ApproximateFirstReceiveTimestamp: "1763900000130",
		MessageAttributes: []eventjson.MessageAttribute{
			{Name: "tenant", DataType: "String", StringValue: "north"},
			{Name: "weight", DataType: "Number", StringValue: "7"},
			{Name: "stamp", DataType: "Binary", BinaryValue: []byte{0, 1, 2}, Binary: true},
		},
		MD5OfMessageAttributes: "11112222333344445555666677778888",
		MD5OfBody:              "00001111222233334444555566667777",
	}
}

func fifoMessage() eventjson.Message {
	return eventjson.Message{
		MessageID:                        "b1c9b6c0-51d4-4a3d-8f0e-2f6b7d8e9a01",
		ReceiptHandle:                    "AQEB-second-handle",
		Body:                             "step 1",
		ApproximateReceiveCount:          "2",
		SentTimestamp:                    "1763900100000",
		SequenceNumber:                   "18890000000000000001",
		MessageGroupID:                   "order-77",
		SenderID:                         "AIDAEXAMPLE000000002",
		MessageDeduplicationID:           "order-77-1",
		ApproximateFirstReceiveTimestamp: "1763900100050",
		MD5OfBody:                        "8888777766665555444433332222aaaa",
	}
}

func TestSQSDocuments_SQS90(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		arn     string
		message eventjson.Message
	}{
		"sqs_standard": {queueARN, standardMessage()},
		"sqs_fifo":     {"arn:aws:sqs:eu-west-1:123456789012:steps.fifo", fifoMessage()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			q := eventjson.NewSQS("aws:sqs", test.arn, region)
			got := eventjson.AppendEvent(nil, []eventjson.Message{test.message}, q.Append)
			checkDocument(t, got, name)
			if size := eventjson.Overhead + q.Size(&test.message); size != len(got) {
				t.Errorf("size = %d, want %d", size, len(got))
			}
		})
	}
}

// checkDocument compares byte for byte, but for white space between tokens.
func checkDocument(t *testing.T, got []byte, name string) {
	t.Helper()
	example, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := json.Compact(&want, example); err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("document\n got %s\nwant %s", got, &want)
	}
}

func TestSQSRoundTrip_SQS97(t *testing.T) {
	t.Parallel()
	messages := []eventjson.Message{standardMessage(), fifoMessage(), {}}
	q := eventjson.NewSQS("aws:sqs", queueARN, region)
	document := eventjson.AppendEvent(nil, messages, q.Append)
	var got events.SQSEvent
	if err := json.Unmarshal(document, &got); err != nil {
		t.Fatal(err)
	}
	size := eventjson.Overhead + len(messages) - 1
	for i := range messages {
		size += q.Size(&messages[i])
		want := reflectMessage(&messages[i], queueARN)
		if !reflect.DeepEqual(got.Records[i], want) {
			t.Errorf("record %d = %+v, want %+v", i, got.Records[i], want)
		}
	}
	if size != len(document) {
		t.Errorf("sizes add up to %d, document has %d bytes", size, len(document))
	}
}

// reflectMessage is m as the events package has it after decoding.
func reflectMessage(m *eventjson.Message, arn string) events.SQSMessage {
	system := map[string]string{
		"ApproximateReceiveCount":          m.ApproximateReceiveCount,
		"SentTimestamp":                    m.SentTimestamp,
		"SequenceNumber":                   m.SequenceNumber,
		"MessageGroupId":                   m.MessageGroupID,
		"SenderId":                         m.SenderID,
		"MessageDeduplicationId":           m.MessageDeduplicationID,
		"ApproximateFirstReceiveTimestamp": m.ApproximateFirstReceiveTimestamp,
		"AWSTraceHeader":                   m.AWSTraceHeader,
		"DeadLetterQueueSourceArn":         m.DeadLetterQueueSourceARN,
	}
	for name, value := range system {
		if value == "" {
			delete(system, name)
		}
	}
	for _, extra := range m.Extra {
		system[extra.Name] = extra.Value
	}
	attributes := map[string]events.SQSMessageAttribute{}
	for _, a := range m.MessageAttributes {
		attribute := events.SQSMessageAttribute{
			DataType: a.DataType, StringListValues: []string{}, BinaryListValues: [][]byte{},
		}
		if a.Binary {
			attribute.BinaryValue = a.BinaryValue
		} else {
			attribute.StringValue = &a.StringValue
		}
		attributes[a.Name] = attribute
	}
	return events.SQSMessage{
		MessageId: m.MessageID, ReceiptHandle: m.ReceiptHandle, Body: m.Body,
		Md5OfBody: m.MD5OfBody, Md5OfMessageAttributes: m.MD5OfMessageAttributes,
		Attributes: system, MessageAttributes: attributes,
		EventSourceARN: arn, EventSource: "aws:sqs", AWSRegion: region,
	}
}

func TestMD5OfMessageAttributes_SQS100(t *testing.T) {
	t.Parallel()
	with, without := standardMessage(), fifoMessage()
	plain := eventjson.NewSQS("aws:sqs", queueARN, region)
	windowed := plain.WithNullMD5(true)
	for name, test := range map[string]struct {
		encoder *eventjson.SQS
		message *eventjson.Message
		want    string
	}{
		"value":                   {plain, &with, `},"md5OfMessageAttributes":"11112222333344445555666677778888","md5OfBody":`},
		"value with a window":     {windowed, &with, `},"md5OfMessageAttributes":"11112222333344445555666677778888","md5OfBody":`},
		"absent without a window": {plain, &without, `"messageAttributes":{},"md5OfBody":`},
		"null with a window":      {windowed, &without, `"messageAttributes":{},"md5OfMessageAttributes":null,"md5OfBody":`},
		"back to absent":          {windowed.WithNullMD5(false), &without, `"messageAttributes":{},"md5OfBody":`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := test.encoder.Append(nil, test.message)
			if !bytes.Contains(got, []byte(test.want)) {
				t.Errorf("record = %s, want in it %s", got, test.want)
			}
			if size := test.encoder.Size(test.message); size != len(got) {
				t.Errorf("size = %d, want %d", size, len(got))
			}
		})
	}
}

func TestOtherAttributes_SQS95(t *testing.T) {
	t.Parallel()
	m := eventjson.Message{
		AWSTraceHeader:           "Root=1-2-3",
		DeadLetterQueueSourceARN: queueARN,
		Extra:                    []eventjson.Attribute{{Name: "Later", Value: `a "new" one`}, {Name: "Void"}},
		MessageAttributes:        []eventjson.MessageAttribute{{Name: "none", DataType: "Binary.x", Binary: true}},
	}
	want := `"attributes":{"AWSTraceHeader":"Root=1-2-3","DeadLetterQueueSourceArn":"` + queueARN +
		`","Later":"a \"new\" one","Void":""},"messageAttributes":{"none":{"binaryValue":"",` +
		`"stringListValues":[],"binaryListValues":[],"dataType":"Binary.x"}},"md5OfBody":`
	q := eventjson.NewSQS("aws:sqs", queueARN, region)
	got := q.Append(nil, &m)
	if !bytes.Contains(got, []byte(want)) {
		t.Errorf("record = %s, want in it %s", got, want)
	}
	if size := q.Size(&m); size != len(got) {
		t.Errorf("size = %d, want %d", size, len(got))
	}
}

// What stands for the digest of the attributes: null only if there are none (SQS-100).
func TestNullMD5(t *testing.T) {
	t.Parallel()
	bare, unknown := fifoMessage(), standardMessage()
	unknown.MD5OfMessageAttributes = ""
	for _, test := range []struct {
		message *eventjson.Message
		null    bool
		want    int
	}{{&bare, true, 1}, {&bare, false, 0}, {&unknown, true, 0}, {&unknown, false, 0}} {
		q := eventjson.NewSQS("aws:sqs", queueARN, region).WithNullMD5(test.null)
		document := q.Append(nil, test.message)
		if got := bytes.Count(document, []byte(`"md5OfMessageAttributes":null`)); got != test.want || q.Size(test.message) != len(document) {
			t.Errorf("null %v, size %d: %s", test.null, q.Size(test.message), document)
		}
	}
}

func TestEmptyDocument_SQS105(t *testing.T) {
	t.Parallel()
	got := eventjson.AppendEvent(nil, nil, eventjson.NewSQS("", "", "").Append)
	if string(got) != `{"Records":[]}` || len(got) != eventjson.Overhead {
		t.Errorf("document = %s of %d bytes, Overhead = %d", got, len(got), eventjson.Overhead)
	}
}
