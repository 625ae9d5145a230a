package esm

import (
	"context"
	"errors"
	"runtime/debug"

	"github.com/openesm/openesm/sources"
)

// errGoexit is the failure of a batch whose handler called runtime.Goexit.
var errGoexit = errors.New("handler ended its goroutine")

// runner is the goroutine in which a lane's handler runs. It serves one call
// after the other, so that the handler's stack need not grow anew each time.
type runner struct {
	handler Handler
	calls   chan call
	answers chan answer
	gone    chan struct{}
}

// call is what a handler gets.
type call struct {
	ctx     context.Context //nolint:containedctx // it is the argument of a call
	payload []byte
	records []sources.Record
}

// answer is what a handler gave.
type answer struct {
	body     []byte
	response Response
	err      error
}

// newRunner starts a runner. It ends when calls is closed.
func newRunner(handler Handler) *runner {
	r := &runner{
		handler: handler,
		calls:   make(chan call),
		answers: make(chan answer, 1), // nobody may be listening any more
		gone:    make(chan struct{}),
	}
	go r.run()
	return r
}

func (r *runner) run() {
	defer close(r.gone)
	for c := range r.calls {
		r.serve(c)
	}
}

// serve calls the handler and sends its answer, whatever it does.
func (r *runner) serve(c call) {
	a := answer{err: errGoexit}
	defer func() {
		if value := recover(); value != nil {
			a = answer{err: &PanicError{Value: value, Stack: debug.Stack()}}
		}
		r.answers <- a
	}()
	var given answer
	if r.handler.bytes != nil {
		given.body, given.err = r.handler.bytes.Invoke(c.ctx, c.payload)
	} else {
		given.response, given.err = r.handler.records(c.ctx, c.records)
	}
	a = given
}
