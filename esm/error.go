package esm

import (
	"cmp"
	"errors"
	"fmt"
	"time"
)

// Errors of a mapping.
var (
	// ErrSpent is returned by Run of a mapping that has been run before. Make
	// a new source and a new mapping.
	ErrSpent = errors.New("esm: mapping has been run before")

	// ErrSourceInUse is returned by Run while another mapping of this process reads
	// the same source. Make a source for each mapping: two may read one queue.
	ErrSourceInUse = errors.New("esm: the source is read by another mapping: make a source for each mapping")

	// ErrDrainTimeout is returned by Run when the mapping was stopped and
	// invocations, settlements or deliveries to the on-failure destination had to be
	// cancelled, and is the cause of their contexts. Their records are still in the
	// source and will be delivered again. It is returned too when the source did not
	// return from a call after its context had ended; the log then names the call.
	ErrDrainTimeout = errors.New("esm: drain timeout passed")

	// ErrTimeout is the cause of a handler's context that passed
	// Config.Timeout. The batch failed.
	ErrTimeout = errors.New("esm: handler timed out")
)

// ThrottleError is returned by a handler, alone or wrapped, to say that it
// could not take the records now and did not start on them: the 429 and 5xx of
// Lambda (ESM-66, ESM-67). The batch is tried again and no retry is counted; on
// SQS until its visibility timeout is nearly over (SQS-48).
type ThrottleError struct {
	// RetryAfter is the least time to wait, up to 15 minutes: more counts as 15
	// minutes, less than 0 as 0. 0 leaves it to the mapping.
	RetryAfter time.Duration
	// Err is the cause; it may be nil.
	Err error
}

// longestThrottle bounds RetryAfter: no function runs longer than that.
const longestThrottle = 15 * time.Minute

// after is RetryAfter within its bounds; 0 of a nil error.
func (e *ThrottleError) after() time.Duration {
	if e == nil {
		return 0
	}
	return min(max(e.RetryAfter, 0), longestThrottle)
}

// Error gives the cause and the time to wait.
func (e *ThrottleError) Error() string {
	if e == nil {
		return "handler throttled"
	}
	return fmt.Sprintf("handler throttled, retry after %v: %v", e.after(), e.Err)
}

// Unwrap returns the cause.
func (e *ThrottleError) Unwrap() error {
	if e == nil {
		return nil
	}
	return e.Err
}

// PanicError says that the user's code panicked: the handler, whose batch failed, the
// on-failure destination, whose delivery did, or the observer. It reaches the log and
// the observer.
type PanicError struct {
	// Value is what it panicked with.
	Value any
	// Stack is the goroutine's stack.
	Stack []byte

	who string // "" for the handler
}

// Error gives the value, without the stack.
func (e *PanicError) Error() string {
	return fmt.Sprintf("%s panicked: %v", cmp.Or(e.who, "handler"), e.Value)
}

var (
	errResponse = errors.New("malformed batchItemFailures response")
	errItemForm = fmt.Errorf("%w: an itemIdentifier is not of the form that the source has", errResponse)
	errNoRecord = fmt.Errorf("%w: an itemIdentifier names no record of the batch", errResponse)
	// errAbandoned is what is known of a call that did not return after its context had ended.
	errAbandoned = errors.New("call did not return after the end of its context")
	errTooLarge  = errors.New("record does not fit into an event document")
)
