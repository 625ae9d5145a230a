package esm

import (
	"errors"
	"fmt"
	"time"
)

// Errors of a mapping.
var (
	// ErrSpent is returned by Run of a mapping that has been run before. Make
	// a new source and a new mapping.
	ErrSpent = errors.New("esm: mapping has been run before")

	// ErrDrainTimeout is returned by Run when the mapping was stopped and
	// invocations or settlements had to be cancelled, and is the cause of their
	// contexts. Their records are still in the source and will be delivered
	// again.
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
	// RetryAfter is the least time to wait; 0 leaves it to the mapping.
	RetryAfter time.Duration
	// Err is the cause; it may be nil.
	Err error
}

// maxRetryAfter bounds ThrottleError.RetryAfter.
const maxRetryAfter = 15 * time.Minute

// after is the least time to wait.
func (e *ThrottleError) after() time.Duration {
	return min(max(e.RetryAfter, 0), maxRetryAfter)
}

// Error gives the cause and the time to wait.
func (e *ThrottleError) Error() string {
	return fmt.Sprintf("handler throttled, retry after %v: %v", e.RetryAfter, e.Err)
}

// Unwrap returns the cause.
func (e *ThrottleError) Unwrap() error { return e.Err }

// PanicError is the failure of a batch whose handler panicked. It reaches the
// log and the observer.
type PanicError struct {
	// Value is what the handler panicked with.
	Value any
	// Stack is the goroutine's stack.
	Stack []byte
}

// Error gives the value, without the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("handler panicked: %v", e.Value) }

var (
	errResponse = errors.New("malformed batchItemFailures response")
	errItemForm = fmt.Errorf("%w: an itemIdentifier is not of the form that the source has", errResponse)
	errNoRecord = fmt.Errorf("%w: an itemIdentifier names no record of the batch", errResponse)
	errTooLarge = errors.New("record does not fit into an event document")
)
