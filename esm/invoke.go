package esm

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

// handlerGrace is how long after the end of its context a handler may take to
// return before it is abandoned.
const handlerGrace = time.Second

// keptPayload is the largest buffer that a lane keeps for its next document.
const keptPayload = 256 << 10

// verdict is what an invocation came to.
type verdict int

const (
	succeeded verdict = iota
	partial           // invoker.failed tells which records failed
	failed            // all of them
	throttled         // none was handled
)

// outcome is the result of an invocation.
type outcome struct {
	verdict verdict
	// failures is how many records failed.
	failures int
	// retryAfter is the least wait of a throttled batch.
	retryAfter time.Duration
	// response describes the outcome in a failure record.
	response *ResponseContext
	// state is the new state of a tumbling window.
	state []byte
	// request names the invocation.
	request requestID
	err     error
}

// invoker invokes the handler for one lane, and holds the lane's buffers.
type invoker struct {
	part    *part
	runner  *runner
	payload []byte
	records []sources.Record
	failed  []bool
	// reuses says that buffers are let go of by end, and not cleared before:
	// that costs as much as filling them.
	reuses bool
	window *Window // what the handler is told of its tumbling window; nil for none
}

// invoke hands records to the handler and judges its answer. expires, if not
// zero, bounds the handler beside its time limit: past it the records belong
// to somebody else.
func (v *invoker) invoke(records []sources.Record, expires time.Time) outcome {
	limit := v.part.config.Timeout
	start := time.Now()
	if !expires.IsZero() {
		left := expires.Sub(start)
		// A little earlier, so that the handler is gone when another gets them.
		limit = min(limit, left-min(handlerGrace, left/20))
	}
	request := newRequestID()
	a := v.call(request, records, limit)
	v.part.observe(Observation{
		Metric: InvokedEventCount, Partition: v.part.id, Count: len(records), Duration: time.Since(start),
	})
	o := v.judge(records, a)
	o.request = request
	v.tell(o, len(records))
	return o
}

// call runs the handler in another goroutine, so that one that hangs cannot
// hold up the lane for ever.
func (v *invoker) call(request requestID, records []sources.Record, limit time.Duration) answer {
	if v.part.handler.bytes != nil {
		v.payload = slices.Grow(v.payload[:0], v.part.traits.EventOverhead+size(records))
		v.payload = v.part.appender.AppendEvent(v.payload, v.part.id, records)
		if v.window != nil {
			v.payload = v.part.appendWindow(v.payload, v.window)
		}
	} else {
		// A copy: the handler may reorder its slice, or outlive the lane's.
		v.records = append(v.records[:0], records...)
	}
	ctx, cancel := context.WithTimeoutCause(v.part.invokes.context(), limit, ErrTimeout)
	defer cancel()
	ctx = &invocationContext{ctx, request, v.part.config.FunctionARN}
	if v.window != nil {
		ctx = context.WithValue(ctx, windowKey{}, *v.window)
	}
	if v.runner == nil {
		v.runner = newRunner(v.part.handler)
	}
	v.runner.calls <- call{ctx, v.payload, v.records}

	select {
	case a := <-v.runner.answers:
		return v.late(ctx, a)
	case <-ctx.Done():
	}
	if errors.Is(context.Cause(ctx), ErrDrainTimeout) {
		v.part.cut.Store(true)
	}
	grace := time.NewTimer(handlerGrace)
	defer grace.Stop()
	select {
	case a := <-v.runner.answers:
		return v.late(ctx, a)
	case <-grace.C:
		cause := context.Cause(ctx)
		v.part.count(AbandonedInvokeCount, 1)
		v.part.warn("handler ignores the end of its context, going on without it", cause)
		close(v.runner.calls)
		v.runner, v.payload, v.records = nil, nil, nil // still the handler's
		return answer{err: cause}
	}
}

// size is how many bytes records take in an event document, at most.
func size(records []sources.Record) int {
	n := 0
	for i := range records {
		n += records[i].Size
	}
	return n
}

// late fails an answer that came after the time limit. The handler is done
// with its buffers, so they are made ready for the next call.
func (v *invoker) late(ctx context.Context, a answer) answer {
	if !v.reuses {
		clear(v.records)
	}
	if cap(v.payload) > keptPayload {
		v.payload = nil
	}
	if errors.Is(a.err, errGoexit) {
		v.runner = nil // its goroutine has ended
	}
	if errors.Is(context.Cause(ctx), ErrTimeout) {
		a.err = ErrTimeout
	}
	return a
}

// end ends the goroutine that runs the handler.
func (v *invoker) end() {
	if v.runner != nil {
		close(v.runner.calls)
		<-v.runner.gone
		v.runner = nil
	}
	if v.reuses {
		v.payload, v.records, v.failed = nil, nil, nil
	}
}

// judge reads an answer as AWS does (ESM-60..67).
func (v *invoker) judge(records []sources.Record, a answer) outcome {
	if throttle, ok := errors.AsType[*ThrottleError](a.err); ok {
		return outcome{verdict: throttled, retryAfter: throttle.RetryAfter, err: a.err}
	}
	if a.err != nil {
		return failure(records, a.err, new("Unhandled"))
	}
	o := outcome{verdict: succeeded}
	if v.window != nil && !v.window.Final {
		state, err := v.part.state(a, v.part.handler.bytes != nil)
		if err != nil {
			return failure(records, err, nil)
		}
		o.state = state
	}
	if !v.part.config.ReportBatchItemFailures || len(records) == 0 {
		return o
	}
	ids, err := a.response.BatchItemFailures, error(nil)
	if v.part.handler.bytes != nil {
		ids, err = parseFailures(a.body, v.part.recordID)
	}
	if err == nil && len(ids) > 0 {
		marked := v.mark(records, ids)
		marked.state = o.state
		return marked
	}
	if err != nil {
		return failure(records, err, nil)
	}
	return o
}

// mark reads the identifiers of a partial failure.
func (v *invoker) mark(records []sources.Record, ids []string) outcome {
	if cap(v.failed) < len(records) {
		v.failed = make([]bool, len(records))
	}
	v.failed = v.failed[:len(records)]
	count, err := markFailed(v.failed, records, ids)
	if err != nil {
		return failure(records, err, nil)
	}
	o := failure(records, nil, nil)
	o.verdict, o.failures = partial, count
	return o
}

// failure is the outcome of a batch that failed as a whole.
func failure(records []sources.Record, err error, functionError *string) outcome {
	return outcome{
		verdict: failed, failures: len(records), err: err,
		response: &ResponseContext{StatusCode: 200, ExecutedVersion: "$LATEST", FunctionError: functionError},
	}
}

// tell observes and logs what did not succeed.
func (v *invoker) tell(o outcome, records int) {
	p := v.part
	switch o.verdict {
	case succeeded:
	case throttled:
		p.count(ThrottledEventCount, records)
		p.config.Logger.Debug("handler throttled", append(p.attrs(), slog.Any("error", o.err))...)
	case partial:
		p.count(FailedInvokeEventCount, o.failures)
		p.config.Logger.Debug("records failed", append(p.attrs(), slog.Int("records", o.failures))...)
	case failed:
		p.count(FailedInvokeEventCount, o.failures)
		p.observe(Observation{Metric: InvokeErrorCount, Partition: p.id, Count: 1, Err: o.err})
		more := []any{slog.Int("records", records)}
		if panicked, ok := errors.AsType[*PanicError](o.err); ok {
			more = append(more, slog.String("stack", string(panicked.Stack)))
		}
		p.warn("batch failed", o.err, more...)
	}
}
