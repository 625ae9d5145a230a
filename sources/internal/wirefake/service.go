package wirefake

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// Service is what a fake tells of the service that it fakes. R is what a call's
// JSON is decoded into, C the call as the fake's users see it, F its fault.
type Service[R, C, F any] struct {
	// Target is what the X-Amz-Target header says before the action, such as
	// "AmazonSQS.".
	Target string
	// ContentType is that of the answers, such as "application/x-amz-json-1.0".
	ContentType string
	// Strict refuses a call with members that the fake does not know.
	Strict bool
	// Checksum adds the checksum that DynamoDB's answers have.
	Checksum bool
	// Mutex guards the fake's state.
	Mutex *sync.Mutex
	// New returns an empty request of the action, nil if there is no such action.
	New func(action string) R
	// Describe tells the fake's users what the call is. The mutex is held.
	Describe func(from Origin, req R) C
	// Do has the call take effect. It is not called if the fault answers instead.
	Do func(ctx context.Context, from Origin, req R, fault F) Answer
	// Plan is what the fault has the server do.
	Plan func(F) Plan
	// Refuse makes the answer of an error: of Do, of a Plan, or an *[Error]. It may
	// set headers.
	Refuse func(h http.Header, err error) *Error
}

// Origin is where a call comes from.
type Origin struct {
	// Action is the API action, and Number counts its calls from 1.
	Action string
	Number int
	// Scheme and Host are those of the URL that was called.
	Scheme, Host string
}

// Answer is how a call is answered that took effect.
type Answer struct {
	// Body is the JSON.
	Body []byte
	// Err is answered instead of Body.
	Err error
	// Wait, if not nil, waits for Body and Err, once the gate has let the call
	// through.
	Wait func() ([]byte, error)
	// Stream, if not nil, writes the answer, headers too: see [Server.Begin].
	Stream func(ctx context.Context, w http.ResponseWriter)
	// Done, if not nil, is called when the call is over, however it ends.
	Done func()
}

// Cut says when the connection of a call is cut.
type Cut int

// The values of [Plan.Cut].
const (
	// CutNone leaves the connection alone.
	CutNone Cut = iota
	// CutBefore cuts it before the call takes effect.
	CutBefore
	// CutAfter cuts it after the call took effect: the answer is lost.
	CutAfter
)

// Plan is the part of a fault that all fakes have.
type Plan struct {
	// Err is answered instead of doing the call.
	Err error
	// Cut cuts the connection. CutBefore goes before Err, and Err before CutAfter,
	// for a call that fails does not take effect.
	Cut Cut
	// Delay is how long the answer, or the cut, is held back.
	Delay time.Duration
	// Answer is the body of a 200 that is sent instead of doing the call.
	Answer *string
}

// ErrorOrNil is err as an error, which is nil if the pointer is.
func ErrorOrNil[T any, E interface {
	*T
	error
}](err E) error {
	if err == nil {
		return nil
	}
	return err
}
