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

// abandonedInterval is how often the mapping says that it waits for an abandoned
// handler.
const abandonedInterval = time.Minute

// keptPayload is the largest buffer that a lane keeps for its next document.
const keptPayload = 256 << 10

// verdict is what an invocation came to.
type verdict int

const (
	succeeded verdict = iota
	partial           // outcome.failed tells which records failed
	failed            // all of them
	throttled         // none was handled
)

// outcome is the result of an invocation.
type outcome struct {
	verdict verdict
	// failed tells of each record whether it failed, after a partial failure, until
	// the next invocation. failures is how many did.
	failed   []bool
	failures int
	// retryAfter is the least wait of a throttled batch.
	retryAfter time.Duration
	// response describes the outcome in a failure record.
	response *ResponseContext
	// state is the new state of a tumbling window.
	state []byte
	// request names the invocation.
	request requestID
	err     error // whose methods may panic, if it is the handler's
	stack   []byte
	// took is how long the handler took.
	took time.Duration
}

// invoker invokes the handler for one lane, and holds the lane's buffers.
type invoker struct {
	part   *part
	runner *runner
	// abandoned is a runner whose handler did not return; nil for none. There is
	// at most one, so what is abandoned is bounded.
	abandoned *runner
	// stuck is called when the lane begins to wait for abandoned handlers; nil for
	// nothing.
	stuck   func()
	payload []byte
	records []sources.Record
	failed  []bool
	// reuses says that buffers are let go of by end, and not cleared before:
	// that costs as much as filling them.
	reuses bool
	window *Window // what the handler is told of its tumbling window; nil for none
}

// invoke hands records to the handler, and says what that came to.
func (v *invoker) invoke(records []sources.Record) outcome {
	start := time.Now()
	request := newRequestID()
	a := v.call(request, records)
	v.part.observe(Observation{
		Metric: InvokedEventCount, Partition: v.part.id, Count: len(records), Duration: time.Since(start),
	})
	o := v.judge(records, a)
	o.request = request
	v.tell(o, len(records))
	return o
}

// call runs the handler in another goroutine, so that one that hangs cannot hold up the
// lane for ever.
func (v *invoker) call(request requestID, records []sources.Record) answer {
	limit := v.part.config.Timeout
	ctx, cancel := context.WithTimeoutCause(v.part.invokes.context(), limit, ErrTimeout)
	defer cancel()
	ctx = &invocationContext{ctx, request, v.part.config.FunctionARN}
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
	if v.window != nil {
		ctx = context.WithValue(ctx, windowKey{}, *v.window)
	}
	if v.runner == nil {
		v.runner = newRunner(v.part)
	}
	v.runner.calls <- call{ctx, v.payload, v.records, v.window, limit}
	select {
	case a := <-v.runner.answers:
		return v.answered(a)
	case <-ctx.Done():
		return v.overdue(context.Cause(ctx))
	}
}

// answered makes the buffers, which the handler is done with, ready for the next call.
func (v *invoker) answered(a answer) answer {
	if !v.reuses {
		clear(v.records)
	}
	if cap(v.payload) > keptPayload {
		v.payload = nil
	}
	if a.ended {
		v.runner = nil // its goroutine has
	}
	return a
}

// overdue waits a moment for a handler whose context has ended, and then abandons it.
// If there is an abandoned one already it waits for either of them first, or until the
// mapping stops, or the partition is revoked: this lane takes up nothing more
// meanwhile.
func (v *invoker) overdue(cause error) answer {
	if errors.Is(cause, ErrDrainTimeout) {
		v.part.cut.Store(true)
	}
	grace := time.NewTimer(handlerGrace)
	defer grace.Stop()
	select {
	case a := <-v.runner.answers:
		return v.answered(a)
	case <-grace.C:
	}
	v.tellAbandoned(cause)
	if v.waitsForHandler() && v.stuck != nil {
		v.stuck()
	}
	for v.abandoned != nil && v.part.soft.Err() == nil {
		v.part.warn("two handlers ignore the end of their contexts, this lane waits for one of them", cause)
		grace.Reset(abandonedInterval)
		select {
		case a := <-v.runner.answers:
			return v.answered(a)
		case <-v.abandoned.gone:
			v.abandoned = nil
		case <-v.part.soft.Done():
		case <-grace.C:
			v.tellAbandoned(cause)
		}
	}
	v.part.warn("handler ignores the end of its context, going on without it", cause)
	close(v.runner.calls)
	v.abandoned = v.runner
	v.runner, v.payload, v.records = nil, nil, nil // still the handler's
	return answer{verdict: failed, thrown: true, err: cause, took: v.part.config.Timeout}
}

func (v *invoker) tellAbandoned(cause error) {
	v.part.observe(Observation{Metric: AbandonedInvokeCount, Partition: v.part.id, Count: 1, Err: cause})
}

// waitsForHandler reports whether an abandoned handler has not returned yet.
func (v *invoker) waitsForHandler() bool {
	if v.abandoned == nil {
		return false
	}
	select {
	case <-v.abandoned.gone:
		v.abandoned = nil
		return false
	default:
		return true
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

// judge turns an answer into the outcome for records.
func (v *invoker) judge(records []sources.Record, a answer) outcome {
	o := outcome{verdict: a.verdict, retryAfter: a.retryAfter, state: a.state, err: a.err, stack: a.stack, took: a.took}
	if a.verdict == partial {
		if cap(v.failed) < len(records) {
			v.failed = make([]bool, len(records))
		}
		v.failed = v.failed[:len(records)]
		o.failed = v.failed
		if o.failures, o.err = markFailed(v.failed, records, a.ids); o.err != nil {
			o.verdict = failed
		}
	}
	switch o.verdict {
	case failed:
		o.failures = len(records)
		o.response = &ResponseContext{StatusCode: 200, ExecutedVersion: "$LATEST"}
		if a.thrown {
			o.response.FunctionError = new("Unhandled")
		}
	case partial:
		o.response = &ResponseContext{StatusCode: 200, ExecutedVersion: "$LATEST"}
	case succeeded, throttled:
	}
	return o
}

// tell observes and logs what did not succeed. Throttles and partial failures are
// ordinary: they are a warning, once a minute, only if the handler does not get on.
func (v *invoker) tell(o outcome, records int) {
	p := v.part
	problem, log := p.health.invoked(p.id, &o, v.progress(o, records), p.config.Timeout)
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
		if o.stack != nil {
			more = append(more, slog.String("stack", string(o.stack)))
		}
		p.warn("batch failed", o.err, more...)
	}
	if log {
		p.warn("the handler does not get on, trying again", problem.Err,
			slog.Int("attempts", problem.Count), slog.Time("since", problem.Since))
	}
}

// progress reports whether something of a batch is done: in the order of the source, if
// that counts.
func (v *invoker) progress(o outcome, records int) bool {
	t := &v.part.traits
	switch {
	case o.verdict != partial:
		return o.verdict == succeeded
	case t.Ordered && !t.RetryNamed:
		return !o.failed[0]
	default:
		return o.failures < records
	}
}
