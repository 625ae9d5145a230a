package esm

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/openesm/openesm/sources"
)

// errGoexit is the failure of a batch whose handler called runtime.Goexit.
var errGoexit = errors.New("handler ended its goroutine")

// runner is the goroutine in which a lane's handler runs. It serves one call after the
// other, so that the handler's stack need not grow anew each time. Whatever the
// handler does or returns, an answer is read here, where a panic is recovered: no
// method of a value of the user's runs anywhere else.
type runner struct {
	part    *part
	calls   chan call
	answers chan answer
	gone    chan struct{}
}

// call is what a handler gets.
type call struct {
	ctx     context.Context //nolint:containedctx // it is the argument of a call
	payload []byte
	records []sources.Record
	window  *Window
	limit   time.Duration
}

// answer is what a handler's answer says of its batch.
type answer struct {
	verdict verdict // partial if there are ids
	// ids name the records that failed.
	ids        []string
	retryAfter time.Duration
	// state is the new state of a tumbling window.
	state []byte
	err   error
	// thrown says that the handler failed, and not only its response.
	thrown bool
	// ended says that the runner's goroutine ended with the handler.
	ended bool
	// stack is that of a panic.
	stack []byte
	// took is how long the handler took, by its own goroutine.
	took time.Duration
}

// newRunner starts a runner. It ends when calls is closed.
func newRunner(p *part) *runner {
	r := &runner{
		part:    p,
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
		r.serve(&c)
	}
}

// serve calls the handler and sends its answer, whatever it does.
func (r *runner) serve(c *call) {
	began := time.Now()
	a := answer{verdict: failed, thrown: true, ended: true, err: errGoexit}
	defer func() {
		if value := recover(); value != nil {
			stack := debug.Stack()
			a = answer{verdict: failed, thrown: true, err: &PanicError{Value: value, Stack: stack}, stack: stack}
		}
		a.took = time.Since(began)
		if a.took >= c.limit {
			a = answer{verdict: failed, thrown: true, ended: a.ended, err: ErrTimeout, took: a.took}
		}
		r.answers <- a
	}()
	a = r.invoke(c)
}

func (r *runner) invoke(c *call) answer {
	if bytes := r.part.handler.bytes; bytes != nil {
		body, err := bytes.Invoke(c.ctx, c.payload)
		if err != nil {
			return r.thrown(err)
		}
		return r.part.readBody(body, c.window)
	}
	response, err := r.part.handler.records(c.ctx, c.records)
	if err != nil {
		return r.thrown(err)
	}
	return r.part.readResponse(response, c.window)
}

// thrown classifies an error of the handler. Its methods run here for the first time,
// and may panic: those of a typed nil often do.
func (r *runner) thrown(err error) (a answer) {
	defer func() {
		if value := recover(); value != nil {
			a = answer{verdict: failed, thrown: true, err: fmt.Errorf("handler returned an error of type %T whose methods panic: %v", err, value)}
		}
	}()
	_ = err.Error()
	if throttle, ok := errors.AsType[*ThrottleError](err); ok && throttle != nil {
		return answer{verdict: throttled, retryAfter: throttle.after(), err: err}
	}
	return answer{verdict: failed, thrown: true, err: err}
}

// readBody reads the response of a handler that takes event documents (ESM-60..67).
func (p *part) readBody(body []byte, w *Window) answer {
	a := answer{verdict: succeeded}
	if w != nil && !w.Final {
		if a.state, a.err = p.readState(body); a.err != nil {
			return answer{verdict: failed, err: a.err}
		}
	}
	if p.config.ReportBatchItemFailures && (w == nil || !w.Final) {
		ids, err := parseFailures(body, p.recordID)
		return a.named(ids, err)
	}
	return a
}

// readResponse reads the response of a handler that takes records.
func (p *part) readResponse(r Response, w *Window) answer {
	a := answer{verdict: succeeded}
	if w != nil && !w.Final {
		if a.state, a.err = p.checkState(r.State); a.err != nil {
			return answer{verdict: failed, err: a.err}
		}
	}
	if p.config.ReportBatchItemFailures && (w == nil || !w.Final) {
		return a.named(r.BatchItemFailures, nil)
	}
	return a
}

// named is the answer that names records that failed.
func (a answer) named(ids []string, err error) answer {
	switch {
	case err != nil:
		return answer{verdict: failed, err: err}
	case len(ids) > 0:
		a.verdict, a.ids = partial, ids
	}
	return a
}
