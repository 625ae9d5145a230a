package sqstest_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

func TestGroupIsWithheld_SQS32(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", fifo(), func(w *world) {
		w.send("g", "g1", "g2")
		w.send("h", "h1")
		if got := bodies(w.receive(1, 0)); len(got) != 1 || got[0] != "g1" {
			w.t.Fatalf("got %q, want g1", got)
		}
		h := w.expect("h1") // g2 is withheld
		w.send("h", "h2")
		w.expect()
		w.mustDelete(h...)
		w.expect("h2")
		time.Sleep(30 * time.Second)
		w.expect("g1", "g2", "h2") // g1 is back, before g2
	})
}

func TestGroupInOneReceive_SQS31(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", fifo(), func(w *world) {
		w.send("g", "g1")
		w.send("h", "h1")
		w.send("g", "g2", "g3")
		messages := w.expect("g1", "g2", "g3", "h1")
		w.mustDelete(messages[0], messages[2])
		w.send("g", "g4")
		w.expect() // g2 is in flight still
		if err := w.change(messages[1], 0); err != nil {
			w.t.Fatalf("ChangeMessageVisibility: %v", err)
		}
		w.expect("g2", "g4")
		w.wantCounts(sqstest.Counts{InFlight: 3, Deleted: 2})
	})
}

func TestGroupUnblocksPoller_SQS32(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", fifo(), func(w *world) {
		w.send("g", "g1", "g2")
		first := w.receive(1, 0)
		defer meanwhile(func() {
			time.Sleep(3 * time.Second)
			w.mustDelete(first...)
		})()
		var got []string
		d := wiretest.Took(func() { got = bodies(w.receive(10, 20)) })
		if len(got) != 1 || got[0] != "g2" || d != 3*time.Second {
			w.t.Errorf("got %q after %v, want g2 after 3s", got, d)
		}
	})
}

func TestFIFOAttributes_SQS94(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", map[string]string{"FifoQueue": "true"}, func(w *world) {
		var sequences []string
		for _, id := range []string{"one", "two"} {
			out, err := w.client.SendMessage(w.t.Context(), &sqs.SendMessageInput{
				QueueUrl: &w.url, MessageBody: aws.String("a"), MessageGroupId: aws.String("g"),
				MessageDeduplicationId: &id,
			})
			if err != nil {
				w.t.Fatalf("SendMessage: %v", err)
			}
			sequences = append(sequences, *out.SequenceNumber)
		}
		if len(sequences[0]) != 20 || sequences[0] >= sequences[1] {
			w.t.Errorf("got sequence numbers %q, want 20 digits that grow", sequences)
		}
		for i, m := range w.expect("a", "a") {
			id := []string{"one", "two"}[i]
			if m.Attributes["SequenceNumber"] != sequences[i] || m.Attributes["MessageGroupId"] != "g" ||
				m.Attributes["MessageDeduplicationId"] != id {
				w.t.Errorf("got attributes %v", m.Attributes)
			}
		}
	})
}

func TestDeduplication(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", fifo(), func(w *world) {
		send := func(body, id string) *sqs.SendMessageOutput {
			in := &sqs.SendMessageInput{QueueUrl: &w.url, MessageBody: &body, MessageGroupId: aws.String("g")}
			if id != "" {
				in.MessageDeduplicationId = &id
			}
			out, err := w.client.SendMessage(w.t.Context(), in)
			if err != nil {
				w.t.Fatalf("SendMessage: %v", err)
			}
			return out
		}
		first, same := send("a", ""), send("a", "")
		if *first.MessageId != *same.MessageId || *first.SequenceNumber != *same.SequenceNumber {
			w.t.Error("a duplicate must be answered like the first")
		}
		send("a", "x")
		send("b", "x")
		w.mustDelete(w.expect("a", "a")...)
		time.Sleep(5*time.Minute - time.Second)
		send("a", "")
		w.expect()
		time.Sleep(time.Second)
		send("a", "")
		w.expect("a")
	})
}

func TestRefusedFIFOSends(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", map[string]string{"FifoQueue": "true"}, func(w *world) {
		for _, c := range []struct {
			in   sqs.SendMessageInput
			code string
		}{
			{sqs.SendMessageInput{MessageDeduplicationId: aws.String("d")}, "MissingParameter"},
			{sqs.SendMessageInput{MessageGroupId: aws.String("g")}, "InvalidParameterValue"},
			{sqs.SendMessageInput{
				MessageGroupId: aws.String("g"), MessageDeduplicationId: aws.String("d"), DelaySeconds: 1,
			}, "InvalidParameterValue"},
		} {
			c.in.QueueUrl, c.in.MessageBody = &w.url, aws.String("a")
			_, err := w.client.SendMessage(w.t.Context(), &c.in)
			wiretest.WantCode(w.t, err, c.code)
		}
	})
}
