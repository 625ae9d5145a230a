package esm_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// requests is a handler that writes down the request IDs of its invocations.
type requests struct {
	mu  sync.Mutex
	ids []string
}

func (r *requests) handle(ctx context.Context, _ []sources.Record) (esm.Response, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	invocation, _ := esm.InvocationOf(ctx)
	r.ids = append(r.ids, invocation.RequestID+" of "+invocation.FunctionARN)
	return esm.Response{}, errHandler
}

func TestFailureRecordNamesTheLastInvocation_DST12(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var r requests
		_, record := giveUp(t, esm.Config{MaximumRetryAttempts: new(2)}, r.handle)
		equal(t, "invocations", len(r.ids), 3)
		equal(t, "the last", r.ids[2], record.RequestID+" of "+record.FunctionARN)
		if r.ids[0] == r.ids[1] || r.ids[1] == r.ids[2] || !uuid.MatchString(r.ids[0]) {
			t.Errorf("request IDs: %v", r.ids)
		}
	})
}

// The first batch fails for good when the second is too old already.
func TestFailureRecordOfRecordsNeverInvokedHasAnIDOfItsOwn_DST12(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, f, j := memory.NewStream(memory.StreamOptions{}), &failures{}, newJournal()
		s.Put("key", []byte("a"))
		s.Put("key", []byte("b"))
		s.End()
		var r requests
		mustRun(t, mustNew(t, s.Source("app"), j.handler(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
			time.Sleep(2 * time.Minute)
			return r.handle(ctx, records)
		}), j.config(esm.Config{
			BatchSize: 1, Timeout: 5 * time.Minute, MaximumRecordAge: time.Minute, MaximumRetryAttempts: new(0), OnFailure: f,
		})))
		equal(t, "given up", f.summary(), []string{"RetryAttemptsExhausted a x1", "RecordAgeExceeded b x1"})
		equal(t, "invocations", r.ids, []string{f.records[0].RequestID + " of " + f.records[0].FunctionARN})
		if id := f.records[1].RequestID; id == f.records[0].RequestID || !uuid.MatchString(id) {
			t.Errorf("request ID of what was never invoked: %q", id)
		}
	})
}

func TestInvocationOfHoldsWithinAContextMadeOfTheHandlers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, "a")
		q.End()
		var outer, inner esm.Invocation
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			outer, _ = esm.InvocationOf(ctx)
			child, cancel := context.WithCancel(ctx)
			defer cancel()
			inner, _ = esm.InvocationOf(child)
			return esm.Response{}, nil
		}), j.config(esm.Config{Name: "orders"})))
		equal(t, "invocation", inner, outer)
		equal(t, "function ARN, the mapping's name by default", outer.FunctionARN, "orders")
		if _, ok := esm.InvocationOf(t.Context()); ok {
			t.Error("a context of no invocation has one")
		}
	})
}
