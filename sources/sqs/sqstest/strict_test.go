package sqstest_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

const punctuation = "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"

// TestIdentifiers sends groups, deduplication IDs and attempt IDs that SQS takes, and
// others.
func TestIdentifiers(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", fifo(), func(w *world) {
		for id, legal := range map[string]bool{
			"a": true, "aZ09" + punctuation: true, strings.Repeat("x", 128): true,
			strings.Repeat("x", 129): false, "a b": false, "a\tb": false, "grüße": false,
		} {
			for parameter, in := range map[string]sqs.SendMessageInput{
				"group": {MessageGroupId: &id},
				"dedup": {MessageGroupId: aws.String("g"), MessageDeduplicationId: &id},
			} {
				in.QueueUrl, in.MessageBody = &w.url, aws.String(parameter+id)
				_, err := w.client.SendMessage(w.t.Context(), &in)
				wantLegal(w.t, parameter+" "+id, err, legal)
			}
			in := everything(w.url, 1, 0)
			in.ReceiveRequestAttemptId = &id
			_, err := w.client.ReceiveMessage(w.t.Context(), in)
			wantLegal(w.t, "attempt "+id, err, legal)
		}
		out, err := w.client.SendMessageBatch(w.t.Context(), &sqs.SendMessageBatchInput{
			QueueUrl: &w.url, Entries: []types.SendMessageBatchRequestEntry{
				{Id: aws.String("x"), MessageBody: aws.String("x"), MessageGroupId: aws.String("a b")},
				{Id: aws.String("y"), MessageBody: aws.String("y"), MessageGroupId: aws.String("ab")},
			},
		})
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 || *out.Failed[0].Id != "x" {
			w.t.Errorf("batch: %+v, %v", out, err)
		}
	})
	run(t, "orders", nil, func(w *world) { // groups of a fair queue
		_, err := w.client.SendMessage(w.t.Context(), &sqs.SendMessageInput{
			QueueUrl: &w.url, MessageBody: aws.String("a"), MessageGroupId: aws.String("a b"),
		})
		wiretest.WantCode(w.t, err, "InvalidParameterValue")
		in := everything(w.url, 1, 0)
		in.ReceiveRequestAttemptId = aws.String("a")
		_, err = w.client.ReceiveMessage(w.t.Context(), in)
		wiretest.WantCode(w.t, err, "InvalidParameterValue")
	})
}

func wantLegal(t *testing.T, what string, err error, legal bool) {
	t.Helper()
	if legal && err != nil {
		t.Errorf("%q: %v", what, err)
	}
	if !legal {
		wiretest.WantCode(t, err, "InvalidParameterValue")
	}
}

// TestAttributes sends attributes whose names, types and values SQS takes, and others.
func TestAttributes(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		send := func(attributes map[string]types.MessageAttributeValue) error {
			_, err := w.client.SendMessage(w.t.Context(), &sqs.SendMessageInput{
				QueueUrl: &w.url, MessageBody: aws.String("a"), MessageAttributes: attributes,
			})
			return err
		}
		one := func(name, kind, value string) error {
			return send(map[string]types.MessageAttributeValue{name: {DataType: &kind, StringValue: &value}})
		}
		for name, legal := range map[string]bool{
			"a": true, "a.b_c-9": true, "aws": true, "AWSx": true, strings.Repeat("x", 256): true,
			strings.Repeat("x", 257): false, "AWS.x": false, "aws.x": false, "Amazon.x": false, "AMAZON.": false,
			".a": false, "a.": false, "a..b": false, "a b": false, "ä": false, "a/b": false,
		} {
			wantLegal(w.t, "name "+name, one(name, "String", "v"), legal)
		}
		for number, legal := range map[string]bool{
			"0": true, "-17": true, "+1.50": true, ".5": true, "1.": true, "1e10": true, "-1.5E-3": true, "000000000000000000000000000000000000000001": true,
			strings.Repeat("9", 38): true, strings.Repeat("9", 39): false, "1" + strings.Repeat("0", 60): true,
			"0." + strings.Repeat("0", 60) + "1": true, "1e125": true, "1e127": false, "1e-127": true, "1e-130": false, "0e999": true,
			"abc": false, "": false, ".": false, "-": false, "1e": false, "0x10": false, "1,5": false, "1 2": false, "NaN": false, "Inf": false, "١": false,
		} {
			wantLegal(w.t, "number "+number, one("a", "Number.custom", number), legal)
		}
		wantLegal(w.t, "long type", one("a", "String."+strings.Repeat("x", 249), "v"), true)
		wantLegal(w.t, "too long a type", one("a", "String."+strings.Repeat("x", 250), "v"), false)
		wantLegal(w.t, "no type", one("a", "", "v"), false)
		wiretest.WantCode(w.t, one("a", "String", "a\x01"), "InvalidMessageContents")
		text, kind := "v", "String"
		many := map[string]types.MessageAttributeValue{}
		for i := range 10 {
			many[strconv.Itoa(i)] = types.MessageAttributeValue{DataType: &kind, StringValue: &text}
		}
		wantLegal(w.t, "ten", send(many), true)
		many["10"] = many["0"]
		wantLegal(w.t, "eleven", send(many), false)
	})
}

func TestSystemAttributes(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		for name, test := range map[string]struct {
			name, kind, value string
			legal             bool
		}{
			"trace":        {"AWSTraceHeader", "String", "Root=1-5759e988-bd862e3fe1be46a994272793", true},
			"empty trace":  {"AWSTraceHeader", "String", "", false},
			"number":       {"AWSTraceHeader", "Number", "1", false},
			"another name": {"SenderId", "String", "me", false},
		} {
			_, err := w.client.SendMessage(w.t.Context(), &sqs.SendMessageInput{
				QueueUrl: &w.url, MessageBody: aws.String("a"),
				MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
					test.name: {DataType: &test.kind, StringValue: &test.value},
				},
			})
			wantLegal(w.t, name, err, test.legal)
		}
	})
}

// TestRefusedReceives asks for what there is not.
func TestRefusedReceives(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		for _, in := range []sqs.ReceiveMessageInput{
			{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {WaitTimeSeconds: -1},
			{VisibilityTimeout: 43_201}, {VisibilityTimeout: -1},
		} {
			in.QueueUrl = &w.url
			_, err := w.client.ReceiveMessage(w.t.Context(), &in)
			wiretest.WantCode(w.t, err, "InvalidParameterValue")
		}
		for _, in := range []sqs.ReceiveMessageInput{
			{MessageSystemAttributeNames: []types.MessageSystemAttributeName{"Colour"}},
			{MessageSystemAttributeNames: []types.MessageSystemAttributeName{"VisibilityTimeout"}},
			{AttributeNames: []types.QueueAttributeName{"Colour"}},
		} {
			in.QueueUrl = &w.url
			_, err := w.client.ReceiveMessage(w.t.Context(), &in)
			wiretest.WantType[*types.InvalidAttributeName](w.t, err)
		}
		_, err := w.client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &w.url, ReceiptHandle: aws.String("")})
		wiretest.WantCode(w.t, err, "MissingParameter")
		for _, n := range []int32{-1, 1001} {
			_, err := w.client.ListQueues(w.t.Context(), &sqs.ListQueuesInput{MaxResults: &n})
			wiretest.WantCode(w.t, err, "InvalidParameterValue")
		}
		other := w.create("other", nil)
		w.send("", "a")
		_, err = w.client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{QueueUrl: &other, ReceiptHandle: w.one().ReceiptHandle})
		wiretest.WantType[*types.ReceiptHandleIsInvalid](w.t, err)
	})
}

// TestRefusedQueues makes queues with attributes that do not go together.
func TestRefusedQueues(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		create := func(name string, attributes map[string]string) error {
			_, err := w.client.CreateQueue(w.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
			return err
		}
		wiretest.WantType[*types.InvalidAttributeName](w.t, create("a", map[string]string{"FifoQueue": "false"}))
		wiretest.WantType[*types.InvalidAttributeName](w.t, create("a", map[string]string{"ContentBasedDeduplication": "true"}))
		wiretest.WantType[*types.InvalidAttributeName](w.t, create("a", map[string]string{"DeduplicationScope": "queue"}))
		wiretest.WantType[*types.InvalidAttributeName](w.t, w.setAttribute("FifoThroughputLimit", "perQueue"))
		for _, attributes := range []map[string]string{
			{"ContentBasedDeduplication": "yes"}, {"DeduplicationScope": "message"}, {"FifoThroughputLimit": "perGroup"},
			{"FifoThroughputLimit": "perMessageGroupId"}, {"SqsManagedSseEnabled": "1"}, {"KmsDataKeyReusePeriodSeconds": "59"},
		} {
			attributes["FifoQueue"] = "true"
			wiretest.WantType[*types.InvalidAttributeValue](w.t, create("a.fifo", attributes))
		}
		if err := create("a.fifo", map[string]string{
			"FifoQueue": "true", "FifoThroughputLimit": "perMessageGroupId", "DeduplicationScope": "messageGroup",
		}); err != nil {
			w.t.Error(err)
		}
	})
}

// TestReceiveAgain tries receives again whose answers were lost.
func TestReceiveAgain(t *testing.T) {
	t.Parallel()
	attempt := func(w *world, id string) []types.Message {
		w.t.Helper()
		in := everything(w.url, 10, 0)
		in.ReceiveRequestAttemptId = &id
		out, err := w.client.ReceiveMessage(w.t.Context(), in)
		if err != nil {
			return nil
		}
		return out.Messages
	}
	lost := func(w *world) {
		w.server.Inject("ReceiveMessage", sqstest.Fault{Cut: sqstest.CutAfter})
		w.send("g", "a", "b")
		if got := attempt(w, "try"); len(got) != 0 {
			w.t.Fatalf("got %q in spite of the fault", bodies(got))
		}
	}
	same := func(w *world, want ...string) []types.Message {
		w.t.Helper()
		got := attempt(w, "try")
		if len(got) != len(want) {
			w.t.Fatalf("got %q, want %q", bodies(got), want)
		}
		for i := range want {
			if *got[i].Body != want[i] {
				w.t.Errorf("got %q, want %q", bodies(got), want)
			}
		}
		return got
	}
	for name, test := range map[string]func(*world){
		"same messages and handles": func(w *world) {
			first := same(w, "a", "b")
			for i, m := range same(w, "a", "b") {
				if *m.ReceiptHandle != *first[i].ReceiptHandle || m.Attributes["ApproximateReceiveCount"] != "1" {
					w.t.Errorf("another handle, or received %s times", m.Attributes["ApproximateReceiveCount"])
				}
			}
			w.mustDelete(first...)
		},
		"another attempt": func(w *world) {
			if got := attempt(w, "other"); len(got) != 0 {
				w.t.Errorf("got %q", bodies(got))
			}
		},
		"hidden anew": func(w *world) {
			time.Sleep(20 * time.Second)
			same(w, "a", "b")
			time.Sleep(20 * time.Second)
			w.expect()
			time.Sleep(10 * time.Second)
			w.expect("a", "b")
		},
		"visible again": func(w *world) {
			time.Sleep(30 * time.Second)
			if n := same(w, "a", "b")[0].Attributes["ApproximateReceiveCount"]; n != "2" {
				w.t.Errorf("received %s times", n)
			}
		},
		"one was deleted": func(w *world) {
			w.mustDelete(same(w, "a", "b")[0])
			same(w)
		},
		"one was changed": func(w *world) {
			if err := w.change(same(w, "a", "b")[0], 60); err != nil {
				w.t.Error(err)
			}
			same(w)
		},
		"five minutes later": func(w *world) {
			for range 11 {
				same(w, "a", "b")
				time.Sleep(29 * time.Second)
			}
			same(w)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, "steps.fifo", fifo(), func(w *world) {
				lost(w)
				test(w)
			})
		})
	}
}
