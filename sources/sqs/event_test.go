package sqs_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

func standardMessage() *types.Message {
	return &types.Message{
		MessageId:     aws.String("8d0f5c1e-2b7a-4d53-9a61-7c1f0e9b4a10"),
		ReceiptHandle: aws.String("AQEB-first-handle"),
		Body:          aws.String(`{"kind":"invoice","number":1204}`),
		Attributes: map[string]string{
			"ApproximateReceiveCount": "1", "SentTimestamp": "1763900000123",
			"SenderId": "AROAEXAMPLE000000001:billing", "ApproximateFirstReceiveTimestamp": "1763900000130",
		},
		MessageAttributes: map[string]types.MessageAttributeValue{
			"tenant": {StringValue: aws.String("north"), DataType: aws.String("String")},
			"weight": {StringValue: aws.String("7"), DataType: aws.String("Number")},
			"stamp":  {BinaryValue: []byte{0, 1, 2}, DataType: aws.String("Binary")},
		},
		MD5OfMessageAttributes: aws.String("11112222333344445555666677778888"),
		MD5OfBody:              aws.String("00001111222233334444555566667777"),
	}
}

func fifoMessage() *types.Message {
	return &types.Message{
		MessageId: aws.String("b1c9b6c0-51d4-4a3d-8f0e-2f6b7d8e9a01"), ReceiptHandle: aws.String("AQEB-second-handle"),
		Body: aws.String("step 1"), MD5OfBody: aws.String("8888777766665555444433332222aaaa"),
		Attributes: map[string]string{
			"ApproximateReceiveCount": "2", "SentTimestamp": "1763900100000", "SequenceNumber": "18890000000000000001",
			"MessageGroupId": "order-77", "SenderId": "AIDAEXAMPLE000000002", "MessageDeduplicationId": "order-77-1",
			"ApproximateFirstReceiveTimestamp": "1763900100050",
		},
	}
}

// The examples of the specification; message attributes in order of name.
const (
	standardEvent = `{"Records":[{"messageId":"8d0f5c1e-2b7a-4d53-9a61-7c1f0e9b4a10","receiptHandle":"AQEB-first-handle",` +
		`"body":"{\"kind\":\"invoice\",\"number\":1204}","attributes":{"ApproximateReceiveCount":"1",` +
		`"SentTimestamp":"1763900000123","SenderId":"AROAEXAMPLE000000001:billing",` +
		`"ApproximateFirstReceiveTimestamp":"1763900000130"},"messageAttributes":{` +
		`"stamp":{"binaryValue":"AAEC","stringListValues":[],"binaryListValues":[],"dataType":"Binary"},` +
		`"tenant":{"stringValue":"north","stringListValues":[],"binaryListValues":[],"dataType":"String"},` +
		`"weight":{"stringValue":"7","stringListValues":[],"binaryListValues":[],"dataType":"Number"}},` +
		`"md5OfMessageAttributes":"11112222333344445555666677778888","md5OfBody":"00001111222233334444555566667777",` +
		`"eventSource":"aws:sqs","eventSourceARN":"arn:aws:sqs:eu-west-1:123456789012:invoices","awsRegion":"eu-west-1"}]}`
	fifoEvent = `{"Records":[{"messageId":"b1c9b6c0-51d4-4a3d-8f0e-2f6b7d8e9a01","receiptHandle":"AQEB-second-handle",` +
		`"body":"step 1","attributes":{"ApproximateReceiveCount":"2","SentTimestamp":"1763900100000",` +
		`"SequenceNumber":"18890000000000000001","MessageGroupId":"order-77","SenderId":"AIDAEXAMPLE000000002",` +
		`"MessageDeduplicationId":"order-77-1","ApproximateFirstReceiveTimestamp":"1763900100050"},` +
		`"messageAttributes":{},"md5OfBody":"8888777766665555444433332222aaaa","eventSource":"aws:sqs",` +
		`"eventSourceARN":"arn:aws:sqs:eu-west-1:123456789012:steps.fifo","awsRegion":"eu-west-1"}]}`
)

// started is a source given by plain name, which learns its ARN at Start.
func started(t *testing.T, arn string, window time.Duration) *sqs.Source {
	t.Helper()
	source, err := sqs.New(newStub(arn), arn[strings.LastIndexByte(arn, ':')+1:], sqs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = source.Start(t.Context(), sources.Settings{BatchSize: 10, Window: window, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

// Event (SQS-90, SQS-92, SQS-96, SQS-98, SQS-101, SQS-102, SQS-103, SQS-104, SQS-105).
func TestEvent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		arn     string
		message *types.Message
		want    string
	}{
		{"standard", "arn:aws:sqs:eu-west-1:123456789012:invoices", standardMessage(), standardEvent},
		{"FIFO", "arn:aws:sqs:eu-west-1:123456789012:steps.fifo", fifoMessage(), fifoEvent},
	} {
		source := started(t, test.arn, 0)
		got := string(source.AppendEvent(nil, "", []sources.Record{{Native: test.message}}))
		if got != test.want {
			t.Errorf("%s:\n%s, want\n%s", test.name, got, test.want)
		}
		var mine, theirs any
		var event events.SQSEvent
		for _, err := range []error{
			json.Unmarshal([]byte(got), &mine), json.Unmarshal([]byte(test.want), &theirs), json.Unmarshal([]byte(got), &event),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if !reflect.DeepEqual(mine, theirs) || event.Records[0].MessageId != *test.message.MessageId {
			t.Errorf("%s: decoded %+v", test.name, event)
		}
	}
}

func TestNullMD5_SQS100(t *testing.T) {
	t.Parallel()
	const null = `"md5OfMessageAttributes":null`
	for window, want := range map[time.Duration]bool{0: false, time.Second: true} {
		source := started(t, fifoARN, window)
		got := string(source.AppendEvent(nil, "", []sources.Record{{Native: fifoMessage()}}))
		if strings.Contains(got, null) != want {
			t.Errorf("window %v: %s", window, got)
		}
	}
}

// Event attributes (SQS-95, SQS-99).
func TestEventAttributes(t *testing.T) {
	t.Parallel()
	m := fifoMessage()
	m.Attributes = map[string]string{
		"AWSTraceHeader": "Root=1", "DeadLetterQueueSourceArn": standardARN, "Zeta": "z", "Alpha": "a",
	}
	m.MessageAttributes = map[string]types.MessageAttributeValue{
		"n": {DataType: aws.String("Number.int"), StringValue: aws.String("1")},
		"b": {DataType: aws.String("Binary.png"), BinaryValue: []byte("x")},
	}
	got := string(started(t, standardARN, 0).AppendEvent(nil, "", []sources.Record{{Native: m}}))
	for _, want := range []string{
		`"attributes":{"AWSTraceHeader":"Root=1","DeadLetterQueueSourceArn":"` + standardARN + `","Alpha":"a","Zeta":"z"}`,
		`"messageAttributes":{"b":{"binaryValue":"eA==","stringListValues":[],"binaryListValues":[],"dataType":"Binary.png"},` +
			`"n":{"stringValue":"1","stringListValues":[],"binaryListValues":[],"dataType":"Number.int"}}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s\nlacks %s", got, want)
		}
	}
}

func TestEventAllocatesNothing(t *testing.T) { //nolint:paralleltest // counts allocations
	source := started(t, standardARN, 0)
	records := []sources.Record{{Native: standardMessage()}, {Native: fifoMessage()}}
	dst := source.AppendEvent(nil, "", records)

	// Under the race detector a pool forgets at random, hence one.
	if got := testing.AllocsPerRun(1000, func() { dst = source.AppendEvent(dst[:0], "", records) }); got > 1 {
		t.Errorf("%v allocations", got)
	}
}
