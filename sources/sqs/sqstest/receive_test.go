package sqstest_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

func TestAtMostTenInOrder_SQS05(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		for i := range 12 {
			w.send("", strconv.Itoa(i))
		}
		w.expect("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")
		w.wantCounts(sqstest.Counts{Visible: 2, InFlight: 10})
		w.expect("10", "11")
		w.expect()
	})
}

func TestReceiveRanges(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		for _, in := range []*sqs.ReceiveMessageInput{
			{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1},
			{WaitTimeSeconds: 21}, {WaitTimeSeconds: -1},
			{VisibilityTimeout: 43_201}, {VisibilityTimeout: -1},
		} {
			in.QueueUrl = &w.url
			_, err := w.client.ReceiveMessage(w.t.Context(), in)
			wiretest.WantCode(w.t, err, "InvalidParameterValue")
		}
		w.send("", "a", "b")
		out, err := w.client.ReceiveMessage(w.t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.url})
		if err != nil || len(out.Messages) != 1 {
			w.t.Errorf("got %d messages, %v; want 1 by default", len(out.Messages), err)
		}
	})
}

func TestLongPollWaits(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		if d := wiretest.Took(func() { w.expect() }); d != 0 {
			w.t.Errorf("a short poll took %v", d)
		}
		if d := wiretest.Took(func() { w.receive(10, 20) }); d != 20*time.Second {
			w.t.Errorf("a long poll took %v, want 20s", d)
		}
	})
}

func TestQueueWaitIsDefault(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"ReceiveMessageWaitTimeSeconds": "7"}, func(w *world) {
		if d := wiretest.Took(func() { w.expect() }); d != 7*time.Second {
			w.t.Errorf("the poll took %v, want the queue's 7s", d)
		}
	})
}

func TestLongPollWakesOnArrival(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		defer meanwhile(func() {
			time.Sleep(3 * time.Second)
			w.send("", "late")
		})()
		var got []types.Message
		d := wiretest.Took(func() { got = w.receive(10, 20) })
		if len(got) != 1 || d != 3*time.Second {
			w.t.Errorf("got %q after %v, want the message after 3s", bodies(got), d)
		}
	})
}

func TestLongPollWakesOnVisibilityEnd(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "5"}, func(w *world) {
		w.send("", "a")
		w.expect("a")
		var got []types.Message
		d := wiretest.Took(func() { got = w.receive(10, 20) })
		if len(got) != 1 || d != 5*time.Second {
			w.t.Errorf("got %q after %v, want the message after 5s", bodies(got), d)
		}
	})
}

// TestLongPollSeesEarlierDue has the poll wait for one moment when a change of
// visibility, and then a receive by others, make an earlier one.
func TestLongPollSeesEarlierDue(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "15"}, func(w *world) {
		w.send("", "a")
		first := w.one()
		defer meanwhile(func() {
			time.Sleep(2 * time.Second)
			if err := w.change(first, 4); err != nil {
				w.t.Errorf("ChangeMessageVisibility: %v", err)
			}
		})()
		d := wiretest.Took(func() { w.receive(10, 20) })
		if d != 6*time.Second {
			w.t.Errorf("the poll took %v, want 6s", d)
		}
	})
}

func TestEveryPollerIsServed(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		const pollers = 8
		got := make(chan int, pollers)
		for range pollers {
			go func() { got <- len(w.receive(1, 20)) }()
		}
		synctest.Wait()
		time.Sleep(time.Second)
		for i := range pollers {
			w.send("", strconv.Itoa(i))
		}
		start := time.Now()
		for range pollers {
			if n := <-got; n != 1 {
				w.t.Errorf("a poller got %d messages, want 1", n)
			}
		}
		if d := time.Since(start); d != 0 {
			w.t.Errorf("the last poller was served after %v", d)
		}
	})
}

func TestPollerThatLeftTakesNothing(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		ctx, cancel := context.WithTimeout(w.t.Context(), 2*time.Second)
		defer cancel()
		_, err := w.client.ReceiveMessage(ctx, everything(w.url, 10, 20))
		if !errors.Is(err, context.DeadlineExceeded) {
			w.t.Errorf("got error %v, want the deadline's", err)
		}
		synctest.Wait() // the server noticed
		w.send("", "a")
		w.wantCounts(sqstest.Counts{Visible: 1})
	})
}

func TestCloseEndsLongPolls(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		ended := make(chan error, 1)
		go func() {
			_, err := w.client.ReceiveMessage(w.t.Context(), everything(w.url, 10, 20))
			ended <- err
		}()
		time.Sleep(time.Second)
		d := wiretest.Took(func() {
			if err := w.server.Close(); err != nil {
				w.t.Errorf("Close: %v", err)
			}
			if err := <-ended; err == nil {
				w.t.Error("the poll had no error")
			}
		})
		if d != 0 {
			w.t.Errorf("it took %v", d)
		}
	})
}

func TestDeleteQueueEndsLongPolls(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		ended := make(chan error, 1)
		go func() {
			_, err := w.client.ReceiveMessage(w.t.Context(), everything(w.url, 10, 20))
			ended <- err
		}()
		time.Sleep(time.Second)
		if _, err := w.client.DeleteQueue(w.t.Context(), &sqs.DeleteQueueInput{QueueUrl: &w.url}); err != nil {
			w.t.Fatalf("DeleteQueue: %v", err)
		}
		wiretest.WantType[*types.QueueDoesNotExist](w.t, <-ended)
	})
}

func TestInFlightLimit(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.server.SetInFlightLimit(3)
		w.send("", "a", "b", "c", "d")
		messages := w.expect("a", "b", "c")
		_, err := w.client.ReceiveMessage(w.t.Context(), everything(w.url, 10, 0))
		wiretest.WantType[*types.OverLimit](w.t, err)
		defer meanwhile(func() {
			time.Sleep(time.Second)
			w.mustDelete(messages[0])
		})()
		if got := w.receive(10, 20); len(got) != 1 {
			w.t.Errorf("got %q, want the fourth once there is room", bodies(got))
		}
	})
}

func TestSystemAttributes_SQS93(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "5"}, func(w *world) {
		sent := strconv.FormatInt(time.Now().UnixMilli(), 10)
		_, err := w.client.SendMessage(w.t.Context(), &sqs.SendMessageInput{
			QueueUrl: &w.url, MessageBody: aws.String("a"), MessageGroupId: aws.String("tenant"),
			MessageSystemAttributes: map[string]types.MessageSystemAttributeValue{
				"AWSTraceHeader": {DataType: aws.String("String"), StringValue: aws.String("Root=1-5759e988")},
			},
		})
		if err != nil {
			w.t.Fatalf("SendMessage: %v", err)
		}
		time.Sleep(time.Second)
		first := strconv.FormatInt(time.Now().UnixMilli(), 10)
		w.one()
		time.Sleep(5 * time.Second)
		got := w.one().Attributes
		want := map[string]string{
			"SenderId": "AIDAEXAMPLE000000001", "SentTimestamp": sent, "ApproximateReceiveCount": "2",
			"ApproximateFirstReceiveTimestamp": first, "AWSTraceHeader": "Root=1-5759e988", "MessageGroupId": "tenant",
		}
		wantSame(w.t, got, want)
	})
}

func TestAttributeSelection(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "0"}, func(w *world) {
		_, err := w.client.SendMessage(w.t.Context(), &sqs.SendMessageInput{
			QueueUrl: &w.url, MessageBody: aws.String("a"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"app.one": {DataType: aws.String("String"), StringValue: aws.String("1")},
				"app.two": {DataType: aws.String("String"), StringValue: aws.String("2")},
				"other":   {DataType: aws.String("String"), StringValue: aws.String("3")},
			},
		})
		if err != nil {
			w.t.Fatalf("SendMessage: %v", err)
		}
		for _, c := range []struct {
			system, old, own string
			wantSystem       int
			wantOwn          int
		}{
			{},
			{system: "SentTimestamp", wantSystem: 1},
			{old: "SenderId", wantSystem: 1},
			{old: "All", wantSystem: 4},
			{system: "SequenceNumber"},
			{own: "All", wantOwn: 3},
			{own: ".*", wantOwn: 3},
			{own: "app.*", wantOwn: 2},
			{own: "other", wantOwn: 1},
			{own: "oth"},
		} {
			in := &sqs.ReceiveMessageInput{QueueUrl: &w.url}
			if c.system != "" {
				in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{types.MessageSystemAttributeName(c.system)}
			}
			if c.old != "" {
				//nolint:staticcheck // what old callers do
				in.AttributeNames = []types.QueueAttributeName{types.QueueAttributeName(c.old)}
			}
			if c.own != "" {
				in.MessageAttributeNames = []string{c.own}
			}
			out, err := w.client.ReceiveMessage(w.t.Context(), in)
			if err != nil || len(out.Messages) != 1 {
				w.t.Fatalf("%+v: ReceiveMessage: %d messages, %v", c, len(out.Messages), err)
			}
			m := out.Messages[0]
			if len(m.Attributes) != c.wantSystem || len(m.MessageAttributes) != c.wantOwn {
				w.t.Errorf("%+v: got %v and %v", c, m.Attributes, m.MessageAttributes)
			}
			if (m.MD5OfMessageAttributes != nil) != (c.wantOwn > 0) {
				w.t.Errorf("%+v: got MD5OfMessageAttributes %v", c, m.MD5OfMessageAttributes)
			}
		}
	})
}
