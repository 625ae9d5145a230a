package esm

import (
	"context"
	"sync"
)

// offshoot is a context that ends with its parent, or earlier by itself. It is made when
// it is first asked for: there may be very many partitions that never do anything.
type offshoot struct {
	parent context.Context //nolint:containedctx // it is a context itself

	mu     sync.Mutex
	ctx    context.Context //nolint:containedctx // as above
	cancel context.CancelCauseFunc
	cause  error
	ended  bool
}

// context is the same always.
func (o *offshoot) context() context.Context {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ctx == nil {
		o.ctx, o.cancel = context.WithCancelCause(o.parent)
		if o.ended {
			o.cancel(o.cause)
		}
	}
	return o.ctx
}

// end ends the context, or the one that is still to be made.
func (o *offshoot) end(cause error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.ended {
		return
	}
	o.ended, o.cause = true, cause
	if o.cancel != nil {
		o.cancel(cause)
	}
}
