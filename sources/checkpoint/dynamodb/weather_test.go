package dynamodb_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
)

// calls are the methods of a store, by the action that each makes. The store
// holds the lease given.
func calls(w *world, held checkpoint.Lease) map[string]func(ctx context.Context) error {
	return map[string]func(ctx context.Context) error{
		"Scan": func(ctx context.Context) error {
			_, err := w.store.Leases(ctx)
			return err
		},
		"PutItem": func(ctx context.Context) error {
			other := held.Clone()
			other.Shard = "other"
			return w.store.Create(ctx, other)
		},
		"UpdateItem":    func(ctx context.Context) error { return w.store.Update(ctx, held, next(held)) },
		"DeleteItem":    func(ctx context.Context) error { return w.store.Delete(ctx, held) },
		"DescribeTable": func(ctx context.Context) error { return w.store.CreateTable(ctx) },
	}
}

// holding gives a world whose store holds one lease.
func holding(tb testing.TB) (*world, checkpoint.Lease) {
	tb.Helper()
	w := withTable(tb)
	held := shardLease()
	if err := w.store.Create(tb.Context(), held); err != nil {
		tb.Fatal(err)
	}
	return w, held
}

// A fault is an error of its own, after one attempt, and the next call succeeds.
func TestFaults(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]dynamodbtest.Fault{
		"ProvisionedThroughputExceededException": {Err: dynamodbtest.ThroughputExceeded()},
		"ThrottlingException":                    {Err: dynamodbtest.ThrottlingException()},
		"InternalServerError":                    {Err: dynamodbtest.InternalServerError()},
		"AccessDeniedException":                  {Err: dynamodbtest.AccessDenied()},
		"":                                       {Cut: dynamodbtest.CutBefore},
	} {
		synctest.Test(t, func(t *testing.T) {
			w, held := holding(t)
			for action, call := range calls(w, held) {
				before := w.server.Calls(action)
				w.server.Inject(action, fault)
				err := call(t.Context())
				if err == nil || errors.Is(err, checkpoint.ErrConflict) {
					t.Errorf("%s with %s gives %v", action, name, err)
				}
				if api, ok := errors.AsType[smithy.APIError](err); name != "" && (!ok || api.ErrorCode() != name) {
					t.Errorf("%s with %s gives %v", action, name, err)
				}
				// P13: what to do about it, and nothing that the service says besides.
				text, denied := err.Error(), "the caller lacks the permission dynamodb:"+action
				if name != "" && !strings.Contains(text, "dynamodb: "+action+" on table ") || strings.Contains(text, "not authorized") ||
					strings.Contains(text, denied) != (name == "AccessDeniedException") {
					t.Errorf("%s with %s gives %q", action, name, text)
				}
				if made := w.server.Calls(action) - before; made != 1 {
					t.Errorf("%s with %s is tried %d times, want once", action, name, made)
				}
			}
			if got := only(t, w.store); !got.Equal(held) {
				t.Errorf("with %s the lease became %+v", name, got)
			}
			if err := w.store.Update(t.Context(), held, next(held)); err != nil {
				t.Errorf("after %s: %v", name, err)
			}
		})
	}
}

// A write whose answer is lost is an error, and no conflict; reading again tells
// that it took effect.
func TestLostAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, held := holding(t)
		w.server.Inject("UpdateItem", dynamodbtest.Fault{Cut: dynamodbtest.CutAfter})
		err := w.store.Update(t.Context(), held, next(held))
		if err == nil || errors.Is(err, checkpoint.ErrConflict) {
			t.Errorf("Update gives %v, want an error of its own", err)
		}
		if got := only(t, w.store); !got.Equal(next(held)) {
			t.Errorf("the lease is %+v, want the update", got)
		}
		err = w.store.Update(t.Context(), held, next(held))
		if !errors.Is(err, checkpoint.ErrConflict) {
			t.Errorf("the same Update again gives %v, want ErrConflict", err)
		}
	})
}

// A call ends at once when its context does, while the service is silent.
func TestCancelled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, held := holding(t)
		for action, call := range calls(w, held) {
			w.server.Inject(action, dynamodbtest.Fault{Delay: time.Hour, Cut: dynamodbtest.CutAfter})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			err := call(ctx)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
				t.Errorf("%s ends with %v after %v", action, err, time.Since(start))
			}
		}
	})
}

// Without a consistent read a worker could see its own lease as it was before.
func TestConsistentReads(t *testing.T) {
	t.Parallel()
	w, _ := holding(t)
	var scans, consistent atomic.Int32
	w.server.SetPage(1)
	w.server.SetFault(func(c dynamodbtest.Call) dynamodbtest.Fault {
		if c.Action == "Scan" {
			scans.Add(1)
		}
		if c.Consistent {
			consistent.Add(1)
		}
		return dynamodbtest.Fault{}
	})
	if _, err := w.store.Leases(t.Context()); err != nil {
		t.Fatal(err)
	}
	if scans.Load() != 2 || consistent.Load() != 2 {
		t.Errorf("%d of %d scans were consistent, want 2 of 2", consistent.Load(), scans.Load())
	}
}

// A page that fails is an error of the call: half of the leases would be worse than none.
func TestPageFails(t *testing.T) {
	t.Parallel()
	w := withTable(t)
	for _, shard := range []string{"a", "b", "c"} {
		if err := w.store.Create(t.Context(), checkpoint.Lease{Shard: shard}); err != nil {
			t.Fatal(err)
		}
	}
	w.server.SetPage(1)
	w.server.Inject("Scan", dynamodbtest.Fault{}, dynamodbtest.Fault{Err: dynamodbtest.ThroughputExceeded()})
	if list, err := w.store.Leases(t.Context()); err == nil || list != nil {
		t.Errorf("got %d leases and %v, want the error alone", len(list), err)
	}
	if list, err := w.store.Leases(t.Context()); err != nil || len(list) != 3 {
		t.Errorf("then got %d leases and %v, want 3", len(list), err)
	}
}

func TestMissingTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for action, call := range calls(w, shardLease()) {
		if action == "DescribeTable" {
			continue
		}
		err := call(t.Context())
		if _, ok := errors.AsType[*types.ResourceNotFoundException](err); !ok {
			t.Errorf("%s gives %v, want ResourceNotFoundException", action, err)
		}
	}
}
