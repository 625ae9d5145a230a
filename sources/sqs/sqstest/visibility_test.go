package sqstest_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

func TestVisibilityTimeout_SQS40(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.send("", "a")
		if n := w.one().Attributes["ApproximateReceiveCount"]; n != "1" {
			w.t.Errorf("got receive count %s, want 1", n)
		}
		time.Sleep(30*time.Second - time.Nanosecond)
		w.expect()
		time.Sleep(time.Nanosecond)
		if n := w.one().Attributes["ApproximateReceiveCount"]; n != "2" {
			w.t.Errorf("got receive count %s, want 2 (SQS-44)", n)
		}
	})
}

func TestVisibilityOfReceive(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.send("", "a")
		in := everything(w.url, 10, 0)
		in.VisibilityTimeout = 3
		if _, err := w.client.ReceiveMessage(w.t.Context(), in); err != nil {
			w.t.Fatalf("ReceiveMessage: %v", err)
		}
		time.Sleep(3 * time.Second)
		w.expect("a")
	})
}

func TestChangeVisibility(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.send("", "a")
		m := w.one()
		if err := w.change(m, 60); err != nil {
			w.t.Fatalf("ChangeMessageVisibility: %v", err)
		}
		time.Sleep(59 * time.Second)
		w.expect()
		if err := w.change(m, 0); err != nil {
			w.t.Fatalf("ChangeMessageVisibility: %v", err)
		}
		w.wantCounts(sqstest.Counts{Visible: 1})
		wiretest.WantType[*types.MessageNotInflight](w.t, w.change(m, 10))
		again := w.one()
		wiretest.WantCode(w.t, w.change(m, 10), "InvalidParameterValue") // stale
		wiretest.WantCode(w.t, w.change(again, 43_201), "InvalidParameterValue")
		time.Sleep(10 * time.Second)
		wiretest.WantCode(w.t, w.change(again, 43_200), "InvalidParameterValue") // 12 hours in all
		w.mustDelete(again)
		wiretest.WantCode(w.t, w.change(again, 10), "InvalidParameterValue")
	})
}

func TestChangeVisibilityBatch(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.send("", "a", "b")
		messages := w.expect("a", "b")
		out, err := w.client.ChangeMessageVisibilityBatch(w.t.Context(), &sqs.ChangeMessageVisibilityBatchInput{
			QueueUrl: &w.url,
			Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
				{Id: aws.String("x"), ReceiptHandle: messages[0].ReceiptHandle, VisibilityTimeout: 0},
				{Id: aws.String("y"), ReceiptHandle: aws.String("nonsense")},
			},
		})
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 1 {
			w.t.Fatalf("got %+v, %v; want one of each", out, err)
		}
		w.expect("a")
	})
}

// TestRedeliveredFirst: redelivered messages come before newer ones.
func TestRedeliveredFirst(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "5"}, func(w *world) {
		w.send("", "a", "b")
		w.expect("a", "b")
		w.send("", "c")
		time.Sleep(5 * time.Second)
		w.expect("a", "b", "c")
	})
}
