package esm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/invoke/function"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// oneTry hands "a" to handler once; what is not deleted is dead-lettered.
func oneTry(t *testing.T, handler esm.Handler, j *journal, config esm.Config) (deleted bool) {
	t.Helper()
	dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
	q := queueOf(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dlq}, "a")
	q.End()
	mustRun(t, mustNew(t, q.Source(), handler, j.config(config)))
	return q.Deleted() == 1
}

func TestPanicIsAFailedBatch_P10(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		deleted := oneTry(t, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			panic("boom")
		}), j, esm.Config{})
		equal(t, "deleted", deleted, false)
		var panicked *esm.PanicError
		if errs := j.errs[esm.InvokeErrorCount]; len(errs) != 1 || !errors.As(errs[0], &panicked) {
			t.Fatalf("errors: %v", errs)
		}
		equal(t, "value", panicked.Value, any("boom"))
		if !strings.Contains(string(panicked.Stack), "invoke_test.go") {
			t.Error("the stack does not show the handler")
		}
	})
}

func TestGoexitIsAFailedBatch_P10(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		equal(t, "deleted", oneTry(t, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			runtime.Goexit()
			return esm.Response{}, nil
		}), j, esm.Config{}), false)
	})
}

// A handler that ends its goroutine in the moment of grace after its time limit, as
// t.FailNow does, must not cost the lane (P6, P10).
func TestGoexitAfterTheTimeLimitCostsNoLane(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "a", "b")
		j := newJournal()
		stop := background(t, mustNew(t, q.Source(), j.handler(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
			if string(records[0].Data) == "a" {
				<-ctx.Done()
				runtime.Goexit()
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1, MaximumConcurrency: 1, Timeout: time.Second})))
		time.Sleep(time.Minute)
		equal(t, "deleted", q.Deleted(), 1)
		if _, err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// comparing is an error whose Is expects its own kind, and which knows no other.
type comparing struct{ code int }

func (e *comparing) Error() string        { return "failed" }
func (e *comparing) Is(target error) bool { return e.code == target.(*comparing).code }

// casting is an error whose As panics when it is asked for the second time.
type casting struct{ asked bool }

func (e *casting) Error() string { return "failed" }

func (e *casting) As(any) bool {
	if e.asked {
		panic("As")
	}
	e.asked = true
	return false
}

// The methods of an error of the handler's run under its recover only, whichever the
// mapping calls.
func TestErrorWhoseMethodsPanicIsAFailedBatch_P10(t *testing.T) {
	for _, err := range []error{&comparing{}, &casting{}} {
		t.Run(fmt.Sprintf("%T", err), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := newJournal()
				equal(t, "deleted", oneTry(t, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
					return esm.Response{}, err
				}), j, esm.Config{}), false)
				equal(t, "failures", j.count(esm.InvokeErrorCount), 1)
			})
		})
	}
}

func TestTimeLimitFailsTheBatch_SQS79(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		deleted := oneTry(t, j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			<-ctx.Done()
			if !errors.Is(context.Cause(ctx), esm.ErrTimeout) {
				t.Errorf("cause: %v", context.Cause(ctx))
			}
			return esm.Response{}, nil // late, so it does not count
		}), j, esm.Config{Timeout: 3 * time.Second})
		equal(t, "deleted", deleted, false)
		if errs := j.errs[esm.InvokeErrorCount]; len(errs) != 1 || !errors.Is(errs[0], esm.ErrTimeout) {
			t.Errorf("errors: %v", errs)
		}
		equal(t, "abandoned", j.count(esm.AbandonedInvokeCount), 0)
	})
}

// Handler that hangs is abandoned (P6, P11).
func TestHandlerThatHangsIsAbandoned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a", "b")
		s.End()
		j := newJournal()
		release := make(chan struct{})
		mustRun(t, mustNew(t, s.Source("app"), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if string(records[0].Data) == "a" {
				<-release
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1, MaximumRetryAttempts: new(0), Timeout: 3 * time.Second})))
		equal(t, "times", j.times, []time.Duration{0, 4 * time.Second})
		equal(t, "abandoned", j.count(esm.AbandonedInvokeCount), 1)
		close(release)
	})
}

func TestHungHandlerDoesNotStopTheStop_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "a")
		j := newJournal()
		release := make(chan struct{})
		m := mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			<-release
			return esm.Response{}, nil
		}), j.config(esm.Config{Timeout: 10 * time.Minute, DrainTimeout: 5 * time.Second}))
		stop := background(t, m)
		took, err := stop()
		if !errors.Is(err, esm.ErrDrainTimeout) {
			t.Errorf("Run: %v", err)
		}
		equal(t, "took", took, 6*time.Second)
		close(release)
	})
}

func TestSuccessInTheLastMomentIsSettled_P2(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "a")
		j := newJournal()
		m := mustNew(t, q.Source(), j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			<-ctx.Done() // finishes what it does
			time.Sleep(500 * time.Millisecond)
			return esm.Response{}, nil
		}), j.config(esm.Config{Timeout: 10 * time.Minute, DrainTimeout: 5 * time.Second}))
		stop := background(t, m)
		_, _ = stop()
		equal(t, "deleted", q.Deleted(), 1)
	})
}

func lambdaFunction(t *testing.T, f any) esm.Handler {
	t.Helper()
	handler, err := function.New(f, function.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return handler
}

func TestThreeStrengths(t *testing.T) {
	record := func(id string) map[string]any { return map[string]any{"itemIdentifier": id} }
	for name, handler := range map[string]esm.Handler{
		"records": esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			return esm.Response{BatchItemFailures: []string{records[1].ID}}, nil
		}),
		"bytes": esm.Bytes(invoker(func(_ context.Context, payload []byte) ([]byte, error) {
			var e events.SQSEvent
			if err := json.Unmarshal(payload, &e); err != nil {
				return nil, err
			}
			return json.Marshal(map[string]any{"batchItemFailures": []any{record(e.Records[1].MessageId)}})
		})),
		"typed": esm.TypedResponse(func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			return events.SQSEventResponse{
				BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: e.Records[1].MessageId}},
			}, nil
		}),
		"lambda": lambdaFunction(t, func(_ context.Context, e events.SQSEvent) (events.SQSEventResponse, error) {
			return events.SQSEventResponse{
				BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: e.Records[1].MessageId}},
			}, nil
		}),
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
				q := queueOf(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dlq}, "a", "b", "c")
				q.End()
				mustRun(t, mustNew(t, q.Source(), handler, newJournal().config(esm.Config{ReportBatchItemFailures: true})))
				equal(t, "dead letters", dlq.Bodies(), []string{"b"})
				equal(t, "deleted", q.Deleted(), 2)
			})
		})
	}
}

func TestTypedHandlers(t *testing.T) {
	for name, c := range map[string]struct {
		handler esm.Handler
		deleted bool
	}{
		"event": {esm.Typed(func(_ context.Context, e events.SQSEvent) error {
			if e.Records[0].Body != "a" {
				return errHandler
			}
			return nil
		}), true},
		"error": {esm.Typed(func(context.Context, events.SQSEvent) error { return errHandler }), false},
		"document that does not decode": {
			esm.Typed(func(context.Context, struct{ Records int }) error { return nil }), false,
		},
		"response document that does not decode": {
			esm.TypedResponse(func(context.Context, []int) (int, error) { return 0, nil }), false,
		},
		"response error": {
			esm.TypedResponse(func(context.Context, events.SQSEvent) (int, error) { return 0, errHandler }), false,
		},
		"response that does not encode": {
			esm.TypedResponse(func(context.Context, events.SQSEvent) (chan int, error) { return nil, nil }), true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				want := c.deleted && name != "response that does not encode"
				equal(t, "deleted", oneTry(t, c.handler, newJournal(), esm.Config{}), want)
			})
		})
	}
}

func TestHandlerMayReorderItsRecords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a", "b", "c")
		s.End()
		j := newJournal()
		first := true
		mustRun(t, mustNew(t, s.Source("app"), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if !first {
				return esm.Response{}, nil
			}
			first = false
			id := records[1].ID
			records[0], records[2] = records[2], records[0]
			clear(records[1:2])
			return esm.Response{BatchItemFailures: []string{id}}, nil
		}), j.config(esm.Config{BatchSize: 3, MaximumBatchingWindow: time.Second, ReportBatchItemFailures: true})))
		equal(t, "batches", j.batches, [][]string{{"a", "b", "c"}, {"b", "c"}})
	})
}

func TestLogHoldsNoPayload_P13(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var log strings.Builder
		dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
		q := queueOf(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dlq}, "SECRET-1", "SECRET-2")
		q.End()
		j := newJournal()
		config := j.config(esm.Config{ReportBatchItemFailures: true})
		config.Logger = debugLogger(&log)
		mustRun(t, mustNew(t, q.Source(), esm.Bytes(invoker(func(context.Context, []byte) ([]byte, error) {
			return []byte(`{"batchItemFailures":[{"itemIdentifier":"SECRET-3"}]}`), nil
		})), config))
		synctest.Wait()
		if strings.Contains(log.String(), "SECRET") {
			t.Errorf("the log tells a payload:\n%s", log.String())
		}
		if !strings.Contains(log.String(), "malformed batchItemFailures") {
			t.Errorf("the log does not tell what happened:\n%s", log.String())
		}
		for _, errs := range j.errs {
			for _, err := range errs {
				if strings.Contains(err.Error(), "SECRET") {
					t.Errorf("an error tells a payload: %v", err)
				}
			}
		}
	})
}
