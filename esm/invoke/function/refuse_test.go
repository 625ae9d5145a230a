package function_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/invoke/function"
	"github.com/openesm/openesm/sources/memory"
)

// contextual is an interface with the methods of a context.
type contextual interface{ context.Context }

// TestSignaturesAreThoseOfLambda holds New to what aws-lambda-go takes, and to
// naming the type of what it refuses.
func TestSignaturesAreThoseOfLambda(t *testing.T) {
	t.Parallel()
	for _, f := range []any{
		nil,
		"handler",
		struct{}{},
		func() {},
		func(any) {},
		func(contextual) {},
		func(contextual, string) error { return nil },
		func(context.Context, string) (string, error) { return "", nil },
		func() *fs.PathError { return nil },
		func() (string, *fs.PathError) { return "", nil },
		func(io.Reader) {},
		func(interface{ Done() <-chan struct{} }) {},
		func(string, string) {},
		func(string, context.Context) {},
		func(interface{ Done() <-chan struct{} }, string) {},
		func(context.Context, string, string) {},
		func() string { return "" },
		func() (string, string) { return "", "" },
		func() (error, string) { return nil, "" }, //nolint:staticcheck // that is what is wrong with it
		func() (string, string, error) { return "", "", nil },
	} {
		_, err := lambda.NewHandler(f).Invoke(t.Context(), []byte(`""`))
		_, refusal := function.New(f, function.Options{})
		if nilError(err) != (refusal == nil) {
			t.Errorf("%T: aws-lambda-go says %v, New says %v", f, err, refusal)
		}
	}
}

// nilError reports whether err is nil, or a nil of its type: the function ran.
func nilError(err error) bool {
	typed, ok := err.(*fs.PathError) //nolint:errorlint // a nil one cannot be unwrapped
	return err == nil || ok && typed == nil
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	var none invoker
	var never func()
	for want, c := range map[string]struct {
		f       any
		options function.Options
	}{
		"function: func(string, int) error takes two arguments, of which the first, string, is not context.Context; " +
			"want func([context.Context,] [TIn]) [([TOut,] error)], a func() lambda.Handler or a lambda.Handler": {
			f: func(string, int) error { return nil },
		},
		"function: <nil> is no function;":               {f: nil},
		"function: int is no function;":                 {f: 1},
		"function: func() is nil;":                      {f: never},
		"function: function_test.invoker is nil;":       {f: none},
		"function: func() lambda.Handler is nil;":       {f: (func() lambda.Handler)(nil)},
		"function: func() lambda.Handler returned nil;": {f: func() lambda.Handler { return nil }},
		"function: func(...string) is variadic;":        {f: func(...string) {}},
		"function: *lambda.handlerOptions serves one invocation at a time; want the function that lambda.NewHandler was given": {
			f: lambda.NewHandler(func() {}),
		},
		"function: function_test.invoker decodes its events itself; want no UseNumber and": {
			f: invoker(func(context.Context, []byte) ([]byte, error) { return nil, nil }), options: function.Options{UseNumber: true},
		},
		"function: func() lambda.Handler decodes its events itself;": {
			f: func() lambda.Handler { return lambda.NewHandler(func() {}) }, options: function.Options{DisallowUnknownFields: true},
		},
	} {
		_, err := function.New(c.f, c.options)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// wrapper is a handler that wraps another, as otellambda.WrapHandler makes it.
type wrapper struct {
	name    string
	handler lambda.Handler
}

func (w *wrapper) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return w.handler.Invoke(ctx, payload)
}

func TestWrappedHandlerValueIsRefusedWhenItWouldBeShared(t *testing.T) {
	t.Parallel()
	shared := &wrapper{"outer", &wrapper{"inner", lambda.NewHandler(func() {})}}
	handler, err := function.New(shared, function.Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = esm.New(memory.NewQueue(memory.QueueOptions{}).Source(), handler, esm.Config{})
	if _, ok := errors.AsType[*esm.ConfigError](err); !ok || !strings.Contains(err.Error(), "aws-lambda-go") {
		t.Errorf("New: %v", err)
	}
	each := func() lambda.Handler { return &wrapper{"outer", lambda.NewHandler(func() {})} }
	if handler, err = function.New(each, function.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, err = esm.New(memory.NewQueue(memory.QueueOptions{}).Source(), handler, esm.Config{}); err != nil {
		t.Errorf("New: %v", err)
	}
}

// TestFailures runs functions that fail in every way that aws-lambda-go lets them.
func TestFailures(t *testing.T) {
	for name, c := range map[string]struct {
		function any
		want     string
	}{
		"error":             {func() error { return errFunction }, "function failed"},
		"panic":             {func() { panic("oh") }, "handler panicked: oh"},
		"panic of an error": {func(events.SQSEvent) error { panic(errFunction) }, "handler panicked: function failed"},
		"typed nil": {func() (string, error) {
			var e *fs.PathError
			return "", e
		}, "function returned a nil *fs.PathError as its error"},
		"result of an error's type": {func() (string, *fs.PathError) { return "", nil }, "function returned a nil *fs.PathError as its error"},
		"nil throttle":              {func() error { return (*esm.ThrottleError)(nil) }, "function returned a nil *esm.ThrottleError as its error"},
		"typed nil of a handler": {invoker(func(context.Context, []byte) ([]byte, error) {
			var e *fs.PathError
			return nil, e
		}), "function returned a nil *fs.PathError as its error"},
		"error as the Runtime API has it": {func() error {
			return lambdaError{Message: "oh", Type: "Odd"}
		}, `messages.InvokeResponse_Error{Message:"oh", Type:"Odd"`},
		"result that does not encode": {func() (chan int, error) { return make(chan int), nil }, "json: unsupported type: chan int"},
		"event that does not decode":  {func(struct{ Records int }) {}, "json: cannot unmarshal array into Go struct field .Records of type int"},
		"func() lambda.Handler that has no more": {func() func() lambda.Handler {
			first := true
			return func() lambda.Handler {
				if !first {
					return nil
				}
				first = false
				return lambda.NewHandler(func() { panic("not one to use again") })
			}
		}(), "handler panicked: not one to use again"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				err, deleted := runOnce(t, c.function, function.Options{}, esm.Config{})
				equal(t, "deleted", deleted, false)
				if err == nil || !strings.HasPrefix(err.Error(), c.want) {
					t.Errorf("got  %v\nwant %s", err, c.want)
				}
			})
		})
	}
}

type lambdaError = messages.InvokeResponse_Error
