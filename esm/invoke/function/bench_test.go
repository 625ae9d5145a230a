package function_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"strconv"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/invoke/function"
	"github.com/openesm/openesm/sources/memory"
)

// BenchmarkInvocation measures an invocation with one message, source and engine
// included: what a function costs beside a plain Invoker that decodes and encodes the
// same.
func BenchmarkInvocation(b *testing.B) {
	respond := func(_ context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
		return events.SQSEventResponse{BatchItemFailures: make([]events.SQSBatchItemFailure, len(event.Records)-1)}, nil
	}
	typed := invoker(func(ctx context.Context, payload []byte) ([]byte, error) {
		var event events.SQSEvent
		if err := json.Unmarshal(payload, &event); err != nil {
			return nil, err
		}
		response, err := respond(ctx, event)
		if err != nil {
			return nil, err
		}
		return json.Marshal(response)
	})
	nothing := invoker(func(context.Context, []byte) ([]byte, error) { return nil, nil })
	for name, handler := range map[string]esm.Handler{
		"typed/bytes":      esm.Bytes(typed),
		"typed/function":   mustMake(b, respond),
		"nothing/bytes":    esm.Bytes(nothing),
		"nothing/function": mustMake(b, func() {}),
		"nothing/handler":  mustMake(b, nothing),
	} {
		b.Run(name, func(b *testing.B) { benchmark(b, handler) })
	}
}

func mustMake(b *testing.B, f any) esm.Handler {
	b.Helper()
	handler, err := function.New(f, function.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return handler
}

func benchmark(b *testing.B, handler esm.Handler) {
	b.Helper()
	queue := memory.NewQueue(memory.QueueOptions{})
	for i := range b.N {
		queue.Send(strconv.Itoa(i))
	}
	queue.End()
	mapping, err := esm.New(queue.Source(), handler, esm.Config{
		BatchSize: 1, MaximumConcurrency: 1, ReportBatchItemFailures: true,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := mapping.Run(b.Context()); err != nil {
		b.Fatal(err)
	}
}
