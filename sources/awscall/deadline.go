package awscall

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/smithy-go"
)

// Limit is how long a call may take that the service answers at once. One that waits
// for something, such as a long poll, gets what the service may take and ten seconds.
const Limit = 20 * time.Second

// Do makes a call of the SDK that ends within limit: the SDK itself has no deadline
// for a connection that is dead without a sign. A call that was not answered until
// then, or until the deadline of ctx, fails with a [*LateError].
//
//	out, err := awscall.Do(ctx, awscall.Limit, client.ListShards, in, options...)
func Do[In, Out, Option any](
	ctx context.Context, limit time.Duration,
	call func(context.Context, *In, ...Option) (*Out, error), in *In, options ...Option,
) (*Out, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	began := time.Now()
	out, err := call(ctx, in, options...)
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) && !isAnswered(err) {
		return out, &LateError{Within: min(limit, time.Since(began)), Err: err}
	}
	return out, err
}

// isAnswered tells an error that the service gave from one of the way to it.
func isAnswered(err error) bool {
	_, ok := errors.AsType[smithy.APIError](err)
	return ok
}

// LateError is a call that was not answered in time, and was cut off. It may have taken
// effect.
type LateError struct {
	// Within is how long the answer was waited for.
	Within time.Duration
	// Err is the SDK's error; nil for none.
	Err error
}

// Error says how long the answer was waited for.
func (e *LateError) Error() string {
	const unit = time.Millisecond
	return fmt.Sprintf("not answered within %v", e.Within.Round(unit))
}

// Unwrap returns context.DeadlineExceeded, and the SDK's error.
func (e *LateError) Unwrap() []error {
	if e.Err == nil {
		return []error{context.DeadlineExceeded}
	}
	return []error{context.DeadlineExceeded, e.Err}
}
