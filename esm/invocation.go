package esm

import (
	"context"
	"crypto/rand"
)

// Invocation names a running invocation, as the context object of Lambda does.
type Invocation struct {
	// RequestID is a random UUID, another one for each invocation. The failure
	// record of records that are given up names their last one (DST-12).
	RequestID string
	// FunctionARN is Config.FunctionARN.
	FunctionARN string
}

// InvocationOf returns the invocation that a handler serves, from the context of
// that.
func InvocationOf(ctx context.Context) (Invocation, bool) {
	c, ok := ctx.Value(invocationKey{}).(*invocationContext)
	if !ok {
		return Invocation{}, false
	}
	return Invocation{RequestID: c.request.String(), FunctionARN: c.function}, true
}

// requestID is the request ID of an invocation; the zero value is none. It is
// written as text only for those who ask.
type requestID [16]byte

func newRequestID() (id requestID) {
	_, _ = rand.Read(id[:]) // never fails: it ends the process instead
	return id
}

// String gives the ID as a UUID, a new one if it is none.
func (id requestID) String() string {
	if id == (requestID{}) {
		return newUUID()
	}
	return formatUUID(id, 4)
}

type invocationKey struct{}

// invocationContext is a context that names its invocation.
type invocationContext struct {
	context.Context

	request  requestID
	function string
}

// Value gives the context itself for the key of invocations.
func (c *invocationContext) Value(key any) any {
	if key == (invocationKey{}) {
		return c
	}
	return c.Context.Value(key)
}
