package function_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/invoke/function"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// TestFunctionsOfTheDocumentation runs a function of every signature that
// lambda.Start documents, those that succeed and those that fail.
func TestFunctionsOfTheDocumentation(t *testing.T) {
	type event = events.SQSEvent
	for name, c := range map[string]struct {
		function any
		fails    bool
	}{
		"func()":                               {func() {}, false},
		"func(TIn)":                            {func(event) {}, false},
		"func() error":                         {func() error { return nil }, false},
		"func() error fails":                   {func() error { return errFunction }, true},
		"func(TIn) error":                      {func(event) error { return nil }, false},
		"func(TIn) error fails":                {func(event) error { return errFunction }, true},
		"func() (TOut, error)":                 {func() (string, error) { return "Hello λ!", nil }, false},
		"func() (TOut, error) fails":           {func() (string, error) { return "Hello λ!", errFunction }, true},
		"func(TIn) (TOut, error)":              {func(e any) (any, error) { return e, nil }, false},
		"func(context)":                        {func(context.Context) {}, false},
		"func(context) error":                  {func(context.Context) error { return nil }, false},
		"func(context) error fails":            {func(context.Context) error { return errFunction }, true},
		"func(context) (TOut, error)":          {func(context.Context) (int, error) { return 1, nil }, false},
		"func(context, TIn)":                   {func(context.Context, event) {}, false},
		"func(context, TIn) error":             {func(context.Context, event) error { return nil }, false},
		"func(context, TIn) error fails":       {func(context.Context, event) error { return errFunction }, true},
		"func(context, TIn) (TOut, error)":     {func(context.Context, event) (*event, error) { return nil, nil }, false},
		"func(context, pointer) error":         {func(_ context.Context, e *event) error { return wantOne(len(e.Records)) }, false},
		"func(context, map) error":             {func(_ context.Context, e map[string]any) error { return wantOne(len(e)) }, false},
		"func(context, json.RawMessage) error": {func(_ context.Context, e json.RawMessage) error { return json.Unmarshal(e, new(event)) }, false},
		"event of another type":                {func(context.Context, struct{ Records int }) {}, true},
		"function that is a handler":           {invoker(func(context.Context, []byte) ([]byte, error) { return nil, nil }), false},
		"func() lambda.Handler":                {func() lambda.Handler { return lambda.NewHandler(func() error { return nil }) }, false},
		"func() lambda.Handler fails":          {func() lambda.Handler { return lambda.NewHandler(func() error { return errFunction }) }, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				err, deleted := runOnce(t, c.function, function.Options{}, esm.Config{})
				equal(t, "deleted", deleted, !c.fails)
				equal(t, "failed", err != nil, c.fails)
				if strings.HasSuffix(name, "fails") && !errors.Is(err, errFunction) {
					t.Errorf("error %v, want the function's own", err)
				}
			})
		})
	}
}

func wantOne(n int) error {
	if n != 1 {
		return errFunction
	}
	return nil
}

// TestResponsesCount runs functions whose response names the message as failed, in
// the ways in which one may respond.
func TestResponsesCount(t *testing.T) {
	name := func(e events.SQSEvent) events.SQSEventResponse {
		return events.SQSEventResponse{BatchItemFailures: []events.SQSBatchItemFailure{{ItemIdentifier: e.Records[0].MessageId}}}
	}
	text := func(e events.SQSEvent) string {
		text, _ := json.Marshal(name(e)) //nolint:errchkjson // strings cannot fail
		return string(text)
	}
	closed := 0
	for what, fn := range map[string]any{
		"value":   func(e events.SQSEvent) (events.SQSEventResponse, error) { return name(e), nil },
		"pointer": func(_ context.Context, e *events.SQSEvent) (any, error) { return new(name(*e)), nil },
		"reader":  func(e events.SQSEvent) (io.Reader, error) { return strings.NewReader(text(e)), nil },
		"buffer":  func(e events.SQSEvent) (*bytes.Buffer, error) { return bytes.NewBufferString(text(e)), nil },
		"pipe": func(e events.SQSEvent) (io.Reader, error) {
			r, w := io.Pipe()
			go func() {
				for part := range strings.SplitAfterSeq(text(e), ":") {
					time.Sleep(100 * time.Millisecond)
					_, _ = io.WriteString(w, part)
				}
				_ = w.Close()
			}()
			return r, nil
		},
		"closer": func(e events.SQSEvent) (*closer, error) {
			return &closer{strings.NewReader(text(e)), func() { closed++ }}, nil
		},
		"bytes": invoker(func(_ context.Context, payload []byte) ([]byte, error) {
			var e events.SQSEvent
			if err := json.Unmarshal(payload, &e); err != nil {
				return nil, err
			}
			return []byte(text(e)), nil
		}),
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err, deleted := runOnce(t, fn, function.Options{}, esm.Config{ReportBatchItemFailures: true})
				equal(t, "deleted", deleted, false)
				if err != nil {
					t.Errorf("the whole batch failed: %v", err)
				}
			})
		})
	}
	equal(t, "closed", closed, 1)
}

type closer struct {
	io.Reader

	close func()
}

func (c *closer) Close() error { c.close(); return nil }

func (*closer) MarshalJSON() ([]byte, error) { return []byte("{}"), nil }

func TestReaderThatFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		err, deleted := runOnce(t, func() (io.Reader, error) {
			r, w := io.Pipe()
			_ = w.CloseWithError(errFunction)
			return r, nil
		}, function.Options{}, esm.Config{})
		equal(t, "deleted", deleted, false)
		if !errors.Is(err, errFunction) {
			t.Errorf("error %v, want the reader's", err)
		}
	})
}

// TestLambdaContext runs AWS's own idioms, which panic where there is no context of
// Lambda.
func TestLambdaContext(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var ids []string
		errs := run(t, twoFailing(), func(ctx context.Context) error {
			lc, _ := lambdacontext.FromContext(ctx)
			ids = append(ids, lc.AwsRequestID)
			equal(t, "trace", ctx.Value("x-amzn-trace-id").(string), "")
			equal(t, "function", lc.InvokedFunctionArn, functionARN)
			equal(t, "the rest", *lc, lambdacontext.LambdaContext{AwsRequestID: lc.AwsRequestID, InvokedFunctionArn: functionARN})
			it, _ := esm.InvocationOf(ctx)
			equal(t, "request", it.RequestID, lc.AwsRequestID)
			deadline, _ := ctx.Deadline()
			equal(t, "time left", time.Until(deadline), 20*time.Second)
			return errFunction
		}, function.Options{}, esm.Config{BatchSize: 1, MaximumConcurrency: 1, Timeout: 20 * time.Second})
		equal(t, "failures", len(errs), 2)
		equal(t, "invocations", len(ids), 2)
		if ids[0] == ids[1] || len(ids[0]) != 36 {
			t.Errorf("request IDs: %v", ids)
		}
	})
}

func twoFailing() sources.Source {
	queue := memory.NewQueue(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: memory.NewQueue(memory.QueueOptions{})})
	queue.Send("a")
	queue.Send("b")
	queue.End()
	return queue.Source()
}

func TestContextEndsAsTheMappingSays(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var took time.Duration
		err, _ := runOnce(t, func(ctx context.Context) error {
			start := time.Now()
			<-ctx.Done()
			took = time.Since(start)
			return context.Cause(ctx)
		}, function.Options{}, esm.Config{Timeout: 7 * time.Second})
		equal(t, "time", took, 7*time.Second)
		if !errors.Is(err, esm.ErrTimeout) {
			t.Errorf("error %v, want ErrTimeout", err)
		}
	})
}

type contextKey string

func TestOptions(t *testing.T) {
	ended, end := context.WithCancel(context.WithValue(context.Background(), contextKey("table"), "orders"))
	end()
	for name, c := range map[string]struct {
		function any
		options  function.Options
		fails    bool
	}{
		"values of a context": {func(ctx context.Context) error {
			equal(t, "value", ctx.Value(contextKey("table")), "orders")
			return ctx.Err() // that of the base does not matter
		}, function.Options{Context: ended}, false},
		"trace of a context": {func(ctx context.Context) {
			equal(t, "trace", ctx.Value("x-amzn-trace-id"), "Root=1")
		}, function.Options{Context: context.WithValue(context.Background(), "x-amzn-trace-id", "Root=1")}, false}, //nolint:revive,staticcheck // it is AWS's key
		"values for a handler": {invoker(func(ctx context.Context, _ []byte) ([]byte, error) {
			equal(t, "value", ctx.Value(contextKey("table")), "orders")
			return nil, nil
		}), function.Options{Context: ended}, false},
		"unknown fields":            {func(struct{ Records []struct{ Body string } }) {}, function.Options{}, false},
		"unknown fields disallowed": {func(struct{ Records []struct{ Body string } }) {}, function.Options{DisallowUnknownFields: true}, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				err, _ := runOnce(t, c.function, c.options, esm.Config{})
				equal(t, "failed", err != nil, c.fails)
			})
		})
	}
}

func TestUseNumber(t *testing.T) {
	for _, use := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			stream := memory.NewStream(memory.StreamOptions{})
			stream.Put("key", []byte("data"))
			stream.End()
			run(t, stream.Source("app"), func(e map[string]any) {
				record := e["Records"].([]any)[0].(map[string]any)["kinesis"].(map[string]any)
				_, number := record["approximateArrivalTimestamp"].(json.Number)
				equal(t, "number", number, use)
			}, function.Options{UseNumber: use}, esm.Config{MaximumRetryAttempts: new(0)})
		})
	}
}
