package sqstest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

func TestDelete_SQS60(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.send("", "a", "b", "c")
		messages := w.expect("a", "b", "c")
		w.mustDelete(messages[1])
		w.wantCounts(sqstest.Counts{InFlight: 2, Deleted: 1})
		out, err := w.deleteBatch(messages...)
		if err != nil || len(out.Successful) != 3 || len(out.Failed) != 0 {
			w.t.Errorf("got %+v, %v; want three, one of them again (SQS-64)", out, err)
		}
		w.wantCounts(sqstest.Counts{Deleted: 3})
		want := []string{*messages[1].MessageId, *messages[0].MessageId, *messages[2].MessageId}
		if got := w.server.Deleted("orders"); !slices.Equal(got, want) {
			w.t.Errorf("got deleted %q, want %q", got, want)
		}
	})
}

func TestStaleHandle_SQS63(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "5"}, func(w *world) {
		w.send("", "a")
		first := w.one()
		time.Sleep(5 * time.Second)
		second := w.one()
		if *first.ReceiptHandle == *second.ReceiptHandle || *first.MessageId != *second.MessageId {
			w.t.Error("two receives must give two handles of one message (SQS-91)")
		}
		w.mustDelete(first)
		w.wantCounts(sqstest.Counts{InFlight: 1})
		time.Sleep(5 * time.Second)
		w.mustDelete(first)
		w.wantCounts(sqstest.Counts{Visible: 1})
		w.mustDelete(second) // late, but the latest
		w.wantCounts(sqstest.Counts{Deleted: 1})
	})
}

func TestStaleHandleFIFO_SQS63(t *testing.T) {
	t.Parallel()
	attributes := fifo()
	attributes["VisibilityTimeout"] = "5"
	run(t, "steps.fifo", attributes, func(w *world) {
		w.send("g", "a")
		first := w.one()
		time.Sleep(5 * time.Second)
		wiretest.WantCode(w.t, w.delete(first), "InvalidParameterValue")
		second := w.one()
		out, err := w.deleteBatch(first, second)
		if err != nil || len(out.Failed) != 1 || *out.Failed[0].Id != "0" || len(out.Successful) != 1 {
			w.t.Errorf("got %+v, %v; want the old handle to fail", out, err)
		}
		w.mustDelete(second) // again, harmless
	})
}

func TestBadHandles(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		other := *w
		other.url = w.create("other", nil)
		other.send("", "a")
		foreign := other.one()
		wiretest.WantType[*types.ReceiptHandleIsInvalid](w.t, w.delete(foreign))
		for _, text := range []string{"nonsense", "AQEB" + string(make([]byte, 48))} {
			wiretest.WantType[*types.ReceiptHandleIsInvalid](w.t, w.delete(types.Message{ReceiptHandle: &text}))
		}
		out, err := w.deleteBatch(foreign)
		if err != nil || len(out.Failed) != 1 || *out.Failed[0].Code != "ReceiptHandleIsInvalid" {
			w.t.Errorf("got %+v, %v; want a failed entry", out, err)
		}
	})
}

func TestBatchRules(t *testing.T) {
	t.Parallel()
	entry := func(id string) types.DeleteMessageBatchRequestEntry {
		return types.DeleteMessageBatchRequestEntry{Id: &id, ReceiptHandle: aws.String("h")}
	}
	run(t, "orders", nil, func(w *world) {
		batch := func(entries ...types.DeleteMessageBatchRequestEntry) error {
			_, err := w.client.DeleteMessageBatch(w.t.Context(), &sqs.DeleteMessageBatchInput{
				QueueUrl: &w.url, Entries: entries,
			})
			return err
		}
		wiretest.WantType[*types.EmptyBatchRequest](w.t, batch([]types.DeleteMessageBatchRequestEntry{}...))
		wiretest.WantType[*types.BatchEntryIdsNotDistinct](w.t, batch(entry("a"), entry("a")))
		wiretest.WantType[*types.InvalidBatchEntryId](w.t, batch(entry("a b")))
		wiretest.WantType[*types.TooManyEntriesInBatchRequest](w.t, batch(slices.Repeat(
			[]types.DeleteMessageBatchRequestEntry{entry("a")}, 11)...))
	})
}
