package sqstest_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

func wantSame(t *testing.T, got, want map[string]string) {
	t.Helper()
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestAttributeDigests uses checksums that AWS gave, as published with the
// npm package aws-md5-of-message-attributes.
func TestAttributeDigests_SQS100(t *testing.T) {
	t.Parallel()
	text := types.MessageAttributeValue{DataType: aws.String("String"), StringValue: aws.String("attribValue 1")}
	number := types.MessageAttributeValue{
		DataType: aws.String("Number.float"), StringValue: aws.String("4563442423554324324264524243.32543234"),
	}
	binary := types.MessageAttributeValue{DataType: aws.String("Binary"), BinaryValue: []byte("Hello binary world!")}
	run(t, "orders", map[string]string{"VisibilityTimeout": "0"}, func(w *world) {
		for want, attributes := range map[string]map[string]types.MessageAttributeValue{
			"19e27d4e946b072f3f58da80d94fd778": {"attribName1": text},
			"9fe1b90bbd9965bdf77bac517c7d2495": {"customNumberTypeAttrib": number},
			"31a92b15d92f8db860eda32aceb656c3": {"binaryAttribute": binary},
			"c932db14a896c663f83c260297d594ff": {
				"attribName1": text, "customNumberTypeAttrib": number, "binaryAttribute": binary,
			},
		} {
			sent, err := w.client.SendMessage(w.t.Context(), &sqs.SendMessageInput{
				QueueUrl: &w.url, MessageBody: aws.String("a"), MessageAttributes: attributes,
			})
			if err != nil {
				w.t.Fatalf("SendMessage: %v", err)
			}
			if aws.ToString(sent.MD5OfMessageAttributes) != want {
				w.t.Errorf("sent %v: got %v, want %s", attributes, sent.MD5OfMessageAttributes, want)
			}
			m := w.one()
			if aws.ToString(m.MD5OfMessageAttributes) != want || len(m.MessageAttributes) != len(attributes) {
				w.t.Errorf("received %v: got %v, want %s", m.MessageAttributes, m.MD5OfMessageAttributes, want)
			}
			if b, ok := m.MessageAttributes["binaryAttribute"]; ok && string(b.BinaryValue) != "Hello binary world!" {
				w.t.Errorf("got binary value %q", b.BinaryValue)
			}
			w.mustDelete(m)
		}
	})
}

// TestBodiesSurvive relies on the SDK to check the MD5 of what comes back.
func TestBodiesSurvive(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		for _, body := range []string{
			"plain", `{"a":"b\\c"}`, "tab\tline\nreturn\r", "grüße 😀 \u2028 <&>", strings.Repeat("x", 1_048_576),
		} {
			w.send("", body)
			m := w.one()
			if *m.Body != body {
				w.t.Errorf("got %.40q, want %.40q", *m.Body, body)
			}
			w.mustDelete(m)
		}
	})
}

func TestRefusedSends(t *testing.T) {
	t.Parallel()
	value := func(kind, text string) map[string]types.MessageAttributeValue {
		return map[string]types.MessageAttributeValue{"a": {DataType: &kind, StringValue: &text}}
	}
	run(t, "orders", map[string]string{"MaximumMessageSize": "1024"}, func(w *world) {
		for _, c := range []struct {
			in   sqs.SendMessageInput
			code string
		}{
			{sqs.SendMessageInput{MessageBody: aws.String("")}, "MissingParameter"},
			{sqs.SendMessageInput{MessageBody: aws.String(strings.Repeat("x", 1025))}, "InvalidParameterValue"},
			{sqs.SendMessageInput{
				MessageBody: aws.String(strings.Repeat("x", 1024)), MessageAttributes: value("String", "v"),
			}, "InvalidParameterValue"},
			{sqs.SendMessageInput{MessageBody: aws.String("a\x01")}, "InvalidMessageContents"},
			{sqs.SendMessageInput{MessageBody: aws.String("a"), DelaySeconds: 901}, "InvalidParameterValue"},
			{sqs.SendMessageInput{
				MessageBody: aws.String("a"), MessageDeduplicationId: aws.String("d"),
			}, "InvalidParameterValue"},
			{sqs.SendMessageInput{
				MessageBody: aws.String("a"), MessageAttributes: value("Text", "v"),
			}, "InvalidParameterValue"},
			{sqs.SendMessageInput{
				MessageBody: aws.String("a"), MessageAttributes: value("String", ""),
			}, "InvalidParameterValue"},
		} {
			c.in.QueueUrl = &w.url
			_, err := w.client.SendMessage(w.t.Context(), &c.in)
			wiretest.WantCode(w.t, err, c.code)
		}
		w.wantCounts(sqstest.Counts{})
	})
}

func TestSendBatch(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		out, err := w.client.SendMessageBatch(w.t.Context(), &sqs.SendMessageBatchInput{
			QueueUrl: &w.url,
			Entries: []types.SendMessageBatchRequestEntry{
				{Id: aws.String("x"), MessageBody: aws.String("a")},
				{Id: aws.String("y"), MessageBody: aws.String("")},
				{Id: aws.String("z"), MessageBody: aws.String("b"), DelaySeconds: 5},
			},
		})
		if err != nil {
			w.t.Fatalf("SendMessageBatch: %v", err)
		}
		if len(out.Successful) != 2 || len(out.Failed) != 1 || *out.Failed[0].Id != "y" || !out.Failed[0].SenderFault {
			w.t.Errorf("got %d and %v, want two sent and y failed", len(out.Successful), out.Failed)
		}
		w.wantCounts(sqstest.Counts{Visible: 1, Delayed: 1})
		big := strings.Repeat("x", 600_000)
		_, err = w.client.SendMessageBatch(w.t.Context(), &sqs.SendMessageBatchInput{
			QueueUrl: &w.url,
			Entries: []types.SendMessageBatchRequestEntry{
				{Id: aws.String("x"), MessageBody: &big}, {Id: aws.String("y"), MessageBody: &big},
			},
		})
		wiretest.WantType[*types.BatchRequestTooLong](w.t, err)
	})
}

func TestDelays(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"DelaySeconds": "10"}, func(w *world) {
		w.send("", "queue's delay")
		_, err := w.client.SendMessage(w.t.Context(), &sqs.SendMessageInput{
			QueueUrl: &w.url, MessageBody: aws.String("own delay"), DelaySeconds: 4,
		})
		if err != nil {
			w.t.Fatalf("SendMessage: %v", err)
		}
		w.wantCounts(sqstest.Counts{Delayed: 2})
		for _, want := range []struct {
			body  string
			after time.Duration
		}{{"own delay", 4 * time.Second}, {"queue's delay", 6 * time.Second}} {
			var got []types.Message
			d := wiretest.Took(func() { got = w.receive(10, 20) })
			if len(got) != 1 || *got[0].Body != want.body || d != want.after {
				w.t.Errorf("got %q after %v, want %q after %v", bodies(got), d, want.body, want.after)
			}
		}
	})
}

func TestRetention(t *testing.T) {
	t.Parallel()
	attributes := map[string]string{"MessageRetentionPeriod": "60", "VisibilityTimeout": "100"}
	run(t, "orders", attributes, func(w *world) {
		w.send("", "a")
		w.expect("a")
		time.Sleep(30 * time.Second)
		w.send("", "b")
		time.Sleep(30 * time.Second)
		w.wantCounts(sqstest.Counts{Visible: 1})
		time.Sleep(29 * time.Second)
		w.expect("b")
		time.Sleep(time.Second)
		w.wantCounts(sqstest.Counts{})
	})
}
