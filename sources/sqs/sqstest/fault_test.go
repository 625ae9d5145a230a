package sqstest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

func (w *world) tryReceive() (*sqs.ReceiveMessageOutput, error) {
	return w.client.ReceiveMessage(w.t.Context(), everything(w.url, 10, 0))
}

func TestTypedErrors(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		fails := func(err *sqstest.Error) error {
			w.server.Inject("ReceiveMessage", sqstest.Fault{Err: err})
			_, got := w.tryReceive()
			return got
		}
		wiretest.WantType[*types.RequestThrottled](w.t, fails(sqstest.RequestThrottled()))
		wiretest.WantType[*types.OverLimit](w.t, fails(sqstest.OverLimit()))
		wiretest.WantType[*types.QueueDoesNotExist](w.t, fails(sqstest.QueueDoesNotExist()))
		wiretest.WantType[*types.ReceiptHandleIsInvalid](w.t, fails(sqstest.ReceiptHandleIsInvalid()))
	})
}

func TestRetriesOfTheSDK(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.client = w.server.Client(func(o *sqs.Options) { o.RetryMaxAttempts = 5 })
		w.send("", "a")
		w.server.Inject("ReceiveMessage",
			sqstest.Fault{Err: sqstest.RequestThrottled()}, sqstest.Fault{Err: sqstest.InternalFailure()},
			sqstest.Fault{Cut: sqstest.CutBefore})
		w.expect("a")
		if n := w.server.Calls("ReceiveMessage"); n != 4 {
			w.t.Errorf("got %d calls, want 4", n)
		}
	})
}

func TestCutAfter(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.send("", "a", "b")
		w.server.Inject("ReceiveMessage", sqstest.Fault{Cut: sqstest.CutAfter})
		if _, err := w.tryReceive(); err == nil {
			w.t.Error("no error from a cut connection")
		}
		w.wantCounts(sqstest.Counts{InFlight: 2})
		time.Sleep(30 * time.Second)
		messages := w.expect("a", "b")
		w.server.Inject("DeleteMessageBatch", sqstest.Fault{Cut: sqstest.CutAfter})
		if _, err := w.deleteBatch(messages...); err == nil {
			w.t.Error("no error from a cut connection")
		}
		w.wantCounts(sqstest.Counts{Deleted: 2})
	})
}

func TestFailedEntries_SQS62(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.send("", "a", "b", "c")
		messages := w.expect("a", "b", "c")
		w.server.SetFault(func(call sqstest.Call) sqstest.Fault {
			if call.Action != "DeleteMessageBatch" || call.Number > 1 {
				return sqstest.Fault{}
			}
			fault := sqstest.FailEntries(call, sqstest.InternalFailure(), 0, 99)
			fault.Entries["2"] = sqstest.ReceiptHandleIsInvalid()
			return fault
		})
		out, err := w.deleteBatch(messages...)
		if err != nil || len(out.Successful) != 1 || len(out.Failed) != 2 {
			w.t.Fatalf("got %+v, %v; want one done and two failed", out, err)
		}
		if f := out.Failed[0]; *f.Id != "0" || *f.Code != "InternalFailure" || f.SenderFault {
			w.t.Errorf("got %+v, want entry 0 failed by the service", f)
		}
		if f := out.Failed[1]; *f.Id != "2" || *f.Code != "ReceiptHandleIsInvalid" || !f.SenderFault {
			w.t.Errorf("got %+v, want entry 2 failed by the sender", f)
		}
		w.wantCounts(sqstest.Counts{InFlight: 2, Deleted: 1})
		if out, err = w.deleteBatch(messages[0], messages[2]); err != nil || len(out.Failed) != 0 {
			w.t.Errorf("got %+v, %v; want both done", out, err)
		}
	})
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.send("", "a", "b")
		w.server.Inject("ReceiveMessage", sqstest.Fault{Duplicates: 1})
		first := w.expect("a", "b")
		again := w.expect("a")
		if *again[0].MessageId != *first[0].MessageId || *again[0].ReceiptHandle == *first[0].ReceiptHandle {
			w.t.Error("a duplicate must be the same message with another handle")
		}
		w.mustDelete(first...)
		w.wantCounts(sqstest.Counts{InFlight: 1, Deleted: 1})
		w.mustDelete(again...)
		w.wantCounts(sqstest.Counts{Deleted: 2})
	})
}

func TestHookSeesCalls(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		var calls []sqstest.Call
		w.server.SetFault(func(call sqstest.Call) sqstest.Fault {
			calls = append(calls, call)
			return sqstest.Fault{}
		})
		w.send("", "a")
		m := w.one()
		if _, err := w.deleteBatch(m); err != nil {
			w.t.Fatalf("DeleteMessageBatch: %v", err)
		}
		w.server.SetFault(nil)
		w.expect()
		var actions []string
		for _, call := range calls {
			actions = append(actions, call.Action)
			if call.Queue != "orders" || call.Number != 1 {
				w.t.Errorf("got call %+v, want the first on orders", call)
			}
		}
		if want := []string{"SendMessage", "ReceiveMessage", "DeleteMessageBatch"}; !slices.Equal(actions, want) {
			w.t.Fatalf("got actions %q, want %q", actions, want)
		}
		if calls[0].Entries[0].Body != "a" || calls[2].Entries[0].ID != "0" ||
			calls[2].Entries[0].MessageID != *m.MessageId {
			w.t.Errorf("got entries %+v and %+v", calls[0].Entries, calls[2].Entries)
		}
	})
}
