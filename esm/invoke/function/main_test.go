package function_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/invoke/function"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const functionARN = "arn:aws:lambda:eu-west-1:123456789012:function:orders"

var errFunction = errors.New("function failed")

// bubble runs f as a parallel test with virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// failures are the errors of a mapping's batches.
type failures struct {
	mu   sync.Mutex
	errs []error
}

func (f *failures) observe(o esm.Observation) {
	if o.Metric == esm.InvokeErrorCount {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.errs = append(f.errs, o.Err)
	}
}

// run runs a mapping of fn until its source ends, and returns its batches' errors.
func run(t *testing.T, source sources.Source, fn any, options function.Options, config esm.Config) []error {
	t.Helper()
	handler, err := function.New(fn, options)
	if err != nil {
		t.Fatal(err)
	}
	return runHandler(t, source, handler, config)
}

func runHandler(t *testing.T, source sources.Source, handler esm.Handler, config esm.Config) []error {
	t.Helper()
	var f failures
	config.Observer, config.Logger = f.observe, slog.New(slog.DiscardHandler)
	config.FunctionARN = functionARN
	mapping, err := esm.New(source, handler, config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 24*time.Hour) // of virtual time
	defer cancel()
	if err := mapping.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Error("not done in a day")
	}
	return f.errs
}

// runOnce runs a mapping of fn over one message, and returns how it failed and
// whether the message was deleted. What failed is dead-lettered.
func runOnce(t *testing.T, fn any, options function.Options, config esm.Config) (failed error, deleted bool) { //nolint:revive // in this order it reads
	t.Helper()
	queue := memory.NewQueue(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: memory.NewQueue(memory.QueueOptions{})})
	queue.Send(`{"total":12345678901234567890,"extra":true}`)
	queue.End()
	errs := run(t, queue.Source(), fn, options, config)
	if len(errs) > 1 {
		t.Fatalf("failures: %v", errs)
	}
	return errors.Join(errs...), queue.Deleted() == 1
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

// invoker is a lambda.Handler of a type of the user's own.
type invoker func(ctx context.Context, payload []byte) ([]byte, error)

func (f invoker) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }
