package sqstest_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// redriveTo returns a redrive policy of two receives to a queue.
func redriveTo(queue string) string {
	return `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:` + queue + `","maxReceiveCount":"2"}`
}

func (w *world) setAttribute(name, value string) error {
	_, err := w.client.SetQueueAttributes(w.t.Context(), &sqs.SetQueueAttributesInput{
		QueueUrl: &w.url, Attributes: map[string]string{name: value},
	})
	return err
}

// Redrive (SQS-51, SQS-52).
func TestRedrive(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "5"}, func(w *world) {
		dead := w.create("dead", nil)
		if err := w.setAttribute("RedrivePolicy", redriveTo("dead")); err != nil {
			w.t.Fatalf("SetQueueAttributes: %v", err)
		}
		w.send("", "a")
		first := w.one()
		time.Sleep(5 * time.Second)
		w.one()
		time.Sleep(5 * time.Second)
		if n := w.server.Counts("dead").Visible; n != 0 {
			w.t.Errorf("%d messages moved before the third receive", n)
		}
		w.expect()
		w.wantCounts(sqstest.Counts{})
		moved := w.receiveFrom(dead, 10, 0)
		if len(moved) != 1 || *moved[0].MessageId != *first.MessageId || *moved[0].Body != "a" {
			w.t.Fatalf("got %q in the dead-letter queue, want the message", bodies(moved))
		}
		wantSame(w.t, moved[0].Attributes, map[string]string{
			"SenderId": first.Attributes["SenderId"], "SentTimestamp": first.Attributes["SentTimestamp"],
			"ApproximateFirstReceiveTimestamp": first.Attributes["ApproximateFirstReceiveTimestamp"],
			"ApproximateReceiveCount":          "3",
			"DeadLetterQueueSourceArn":         "arn:aws:sqs:eu-west-1:123456789012:orders",
		})
		w.mustDelete(first) // gone from here, harmless
	})
}

func TestRedriveWakesDeadLetterPoller(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "5"}, func(w *world) {
		dead := w.create("dead", nil)
		if err := w.setAttribute("RedrivePolicy", redriveTo("dead")); err != nil {
			w.t.Fatalf("SetQueueAttributes: %v", err)
		}
		w.send("", "a")
		defer meanwhile(func() {
			for range 3 {
				w.receive(10, 0)
				time.Sleep(5 * time.Second)
			}
		})()
		if d := wiretest.Took(func() { w.receiveFrom(dead, 10, 20) }); d != 10*time.Second {
			w.t.Errorf("the message came after %v, want 10s", d)
		}
	})
}

func TestRedriveUnblocksGroup_SQS36(t *testing.T) {
	t.Parallel()
	attributes := fifo()
	attributes["VisibilityTimeout"] = "5"
	run(t, "steps.fifo", attributes, func(w *world) {
		w.create("dead.fifo", fifo())
		w.create("dead", nil)
		wiretest.WantCode(w.t, w.setAttribute("RedrivePolicy", redriveTo("dead")), "InvalidParameterValue")
		wiretest.WantCode(w.t, w.setAttribute("RedrivePolicy", redriveTo("none")), "InvalidParameterValue")
		if err := w.setAttribute("RedrivePolicy", redriveTo("dead.fifo")); err != nil {
			w.t.Fatalf("SetQueueAttributes: %v", err)
		}
		w.send("g", "a", "b")
		for range 2 {
			if got := bodies(w.receive(1, 0)); len(got) != 1 || got[0] != "a" {
				w.t.Fatalf("got %q, want a", got)
			}
			time.Sleep(5 * time.Second)
		}
		w.expect("b")
		if got := w.server.Messages("dead.fifo"); len(got) != 1 || got[0].Body != "a" || got[0].GroupID != "g" {
			w.t.Errorf("got %+v in the dead-letter queue, want a", got)
		}
	})
}
