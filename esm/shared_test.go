package esm_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/memory"
)

// embedding has another handler as its own, named has it in a field, holding in one
// of its concrete type, loop in itself, beside in one that it need not invoke.
type (
	embedding struct{ lambda.Handler }
	named     struct {
		count   int
		handler esm.Invoker
	}
	holding struct{ inner named }
	loop    struct{ next *loop }
	beside  struct {
		invoker
		remembers any
	}
)

func (n named) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return n.handler.Invoke(ctx, payload)
}

func (h *holding) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return h.inner.Invoke(ctx, payload)
}

func (l *loop) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return l.next.Invoke(ctx, payload) //nolint:staticcheck // it is its own next one
}

func TestHandlerValueOfLambdaIsRefused(t *testing.T) {
	t.Parallel()
	value := lambda.NewHandler(func() {})
	plain := invoker(func(context.Context, []byte) ([]byte, error) { return nil, nil })
	circle := &loop{}
	circle.next = circle
	for name, c := range map[string]struct {
		handler esm.Invoker
		refused bool
	}{
		"alone":                      {value, true},
		"embedded":                   {embedding{value}, true},
		"embedded in what is held":   {&embedding{&embedding{value}}, true},
		"in a field":                 {&named{1, value}, true},
		"in a field of a field":      {&holding{named{1, embedding{value}}}, true},
		"another handler":            {plain, false},
		"another handler in a field": {&holding{named{1, embedding{plain}}}, false},
		"nothing embedded":           {embedding{}, false},
		"a nil pointer in a field":   {&holding{named{1, embedding{}}}, false},
		"itself":                     {circle, false},
		"beside what is invoked":     {beside{plain, value}, false},
		"made anew by each invocation": {invoker(func(ctx context.Context, b []byte) ([]byte, error) {
			return lambda.NewHandler(func() {}).Invoke(ctx, b)
		}), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := esm.New(memory.NewQueue(memory.QueueOptions{}).Source(), esm.Bytes(c.handler), esm.Config{})
			if !c.refused {
				equal(t, "error", err, nil)
				return
			}
			refusal, ok := errors.AsType[*esm.ConfigError](err)
			if !ok || len(refusal.Violations) != 1 {
				t.Fatalf("error: %v", err)
			}
			equal(t, "field", refusal.Violations[0].Field, "handler")
			if bound := refusal.Violations[0].Bound; !strings.Contains(bound, "esm/invoke/function") {
				t.Errorf("it does not say what to do: %s", bound)
			}
		})
	}
}
