package access

import (
	"context"
	"fmt"
)

// maxPending is how many calls of one function may be under way at once, those
// included that were given up and have not returned yet.
const maxPending = 16

// provided is what a function came to.
type provided[T any] struct {
	value T
	err   error
}

// bounded has a function end in time that provides what a client authenticates with,
// such as a token: the client gives it a context without a deadline. One that does not
// heed its context is not waited for. what is what errors call it.
func bounded[T any](kind Type, what string, call func(context.Context) (T, error)) func(context.Context) (T, error) {
	places := make(chan struct{}, maxPending)
	return func(ctx context.Context) (T, error) {
		var none T
		ctx, cancel := limited(ctx, kind, what)
		defer cancel()
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
		got := make(chan provided[T], 1)
		go func() { // nobody's if call does not return, but no more than there are places
			defer func() { <-places }()
			got <- guard(ctx, call)
		}()
		select {
		case p := <-got:
			if p.err != nil && ctx.Err() != nil {
				return none, context.Cause(ctx)
			}
			return p.value, faulty(kind, what, p.err)
		case <-ctx.Done():
			return none, context.Cause(ctx)
		}
	}
}

// guard makes a panic an error. What it was may be secret.
func guard[T any](ctx context.Context, call func(context.Context) (T, error)) (p provided[T]) {
	defer func() {
		if value := recover(); value != nil {
			p.err = fmt.Errorf("panicked with a %T", value)
		}
	}()
	p.value, p.err = call(ctx)
	return p
}

// limited is the context of a call, which ends in time, with a fault that says so.
func limited(ctx context.Context, kind Type, what string) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, exchangeTimeout, fault{fmt.Errorf(
		"kafka access: %s: %s: not answered within %v: %w", kind, what, exchangeTimeout, context.DeadlineExceeded)})
}
