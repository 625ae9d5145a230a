package esm

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/openesm/openesm/sources"
)

// Handler is what a mapping invokes. It comes in three strengths, made by
// [Bytes], [Typed] or [TypedResponse], and [Records]; the zero value is no handler.
//
// A handler is invoked concurrently, once for each lane. Its context ends with
// the mapping's Timeout, or when a stopping mapping loses its patience. A
// handler that returns later than that is taken to have failed; one that does
// not return at all within a second of it is abandoned: the mapping goes on
// without it, as Lambda does by stopping the sandbox, but a goroutine cannot be
// stopped, so mind the context.
//
// An error or a panic fails the whole batch (ESM-65); an error with a
// [ThrottleError] inside means that the records were not handled at all.
type Handler struct {
	bytes   Invoker
	records func(ctx context.Context, records []sources.Record) (Response, error)
}

// Invoker is a handler that takes the event document and returns a response, as
// a Lambda function does. It is called concurrently. The payload is valid until
// Invoke returns; the response must not be written to any more, by a later Invoke
// either.
type Invoker interface {
	Invoke(ctx context.Context, payload []byte) ([]byte, error)
}

// Response is what a handler may answer about the records of its batch.
type Response struct {
	// BatchItemFailures holds the IDs of the records that failed. It counts
	// only with Config.ReportBatchItemFailures, and then by the rules of
	// SQS-70..77, KIN-150..158 and KAF-67..68: an ID that is empty or not of this
	// batch fails the whole batch. It is Record.ID on every source.
	BatchItemFailures []string

	// State is the new state of the tumbling window, a JSON object, with
	// Config.TumblingWindow only: it is handed to the next invocation of the same
	// window. nil is an empty one.
	State []byte
}

// Bytes makes a handler of one that takes event documents as bytes. A handler value
// of aws-lambda-go, which has this method too, is refused by [New], for it breaks the
// rule of [Invoker] on responses: give its function to package esm/invoke/function.
func Bytes(i Invoker) Handler { return Handler{bytes: i} }

// Typed makes a handler of a function that takes a decoded event, such as
// events.SQSEvent. A document that does not decode into E fails the batch; the error
// that is logged repeats nothing of it.
func Typed[E any](f func(ctx context.Context, event E) error) Handler {
	if f == nil {
		return Handler{}
	}
	return Handler{bytes: invokerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		event, err := decode[E](payload)
		if err != nil {
			return nil, err
		}
		return nil, f(ctx, event)
	})}
}

// TypedResponse is Typed for a function that also responds, for instance with
// an events.SQSEventResponse that names the records that failed.
func TypedResponse[E, R any](f func(ctx context.Context, event E) (R, error)) Handler {
	if f == nil {
		return Handler{}
	}
	return Handler{bytes: invokerFunc(func(ctx context.Context, payload []byte) ([]byte, error) {
		event, err := decode[E](payload)
		if err != nil {
			return nil, err
		}
		response, err := f(ctx, event)
		if err != nil {
			return nil, err
		}
		body, err := json.Marshal(response)
		if err != nil {
			return nil, fmt.Errorf("encode response: %w", err)
		}
		return body, nil
	})}
}

// Records makes a handler of a function that takes native records: no event
// document is written or read, which is the fastest way. records is the
// function's own until it returns; what it points at must not be modified.
func Records(f func(ctx context.Context, records []sources.Record) (Response, error)) Handler {
	return Handler{records: f}
}

func (h Handler) isZero() bool { return h.bytes == nil && h.records == nil }

type invokerFunc func(ctx context.Context, payload []byte) ([]byte, error)

func (f invokerFunc) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	return f(ctx, payload)
}
