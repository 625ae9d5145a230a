package esm

import (
	"context"
	"errors"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// sublane is one lane of an ordered partition.
type sublane struct {
	lane
	parent *ordered
	inbox  *inbox
	plan   retry.Plan
	// last is how the last invocation ended.
	last outcome
}

// run handles batches until there is nothing to do.
func (s *sublane) run() {
	for {
		n, tooLarge, err := s.collect()
		if errors.Is(err, errIdle) {
			return // the lane may be another goroutine's by now
		}
		if err != nil || s.parent.soft.Err() != nil {
			s.parent.release(s.held)
			s.end()
			return
		}
		if !s.process(n, tooLarge) {
			s.end()
			return
		}
		s.finish(n)
	}
}

// process handles the first n held records by the plan, and reports false if
// the mapping stopped first.
func (s *sublane) process(n int, tooLarge bool) bool {
	records := s.held[:n]
	if tooLarge {
		step := retry.Step{To: 1, Reason: MaximumPayloadSizeExceeded, Invokes: 1}
		return s.giveUp(records, step)
	}
	c := &s.parent.config
	s.plan.Reset(retry.Rules{
		MaximumRetryAttempts: *c.MaximumRetryAttempts,
		MaximumRecordAge:     c.MaximumRecordAge,
		Bisect:               c.BisectBatchOnFunctionError,
	}, n, func(i int) time.Time { return records[i].Time })
	for rested := false; ; {
		step := s.plan.Next(time.Now())
		switch {
		case step.Action == retry.Done:
			return true
		case step.Action == retry.GiveUp:
			if !s.giveUp(records[step.From:step.To], step) {
				return false
			}
			s.plan.GaveUp(step.To)
		case step.Failures > 0 && !rested:
			if !s.rest(step.Failures) {
				return false
			}
			rested = true // and ask again, for records age while they wait
		default:
			if !s.attempt(records, step) {
				return false
			}
			rested = false
		}
	}
}

// rest waits before a retry, but not past the moment when the first record
// becomes too old (RTY-12).
func (s *sublane) rest(failures int) bool {
	c := &s.parent.config
	delay := max(c.RetryBackoff.Delay(failures, c.Jitter()), s.last.retryAfter)
	if limit := s.plan.Limit(); !limit.IsZero() {
		delay = min(delay, time.Until(limit)+time.Millisecond)
	}
	return sleep(s.parent.soft, delay)
}

// attempt invokes the handler with the records of step and tells the plan. It
// reports false if the mapping cut the invocation off.
func (s *sublane) attempt(records []sources.Record, step retry.Step) bool {
	o := s.parent
	batch := records[step.From:step.To]
	if last := batch[len(batch)-1].Time; !last.IsZero() {
		o.observe(Observation{Metric: IteratorAge, Partition: o.id, Count: len(batch), Duration: time.Since(last)})
	}
	s.last = s.invoke(batch, time.Time{})
	if s.last.verdict != succeeded && o.work.Err() != nil {
		return false
	}
	switch s.last.verdict {
	case succeeded:
		o.finished(batch)
		s.plan.Succeeded()
	case throttled:
		s.plan.Throttled()
	case failed:
		s.plan.Failed()
	case partial:
		done := 0
		for !s.failed[done] {
			done++
		}
		o.finished(batch[:done])
		s.plan.FailedFrom(step.From + done)
	}
	return true
}

// giveUp delivers records to the destination, or drops them if there is none,
// and finishes them. It reports false if the mapping stopped before that.
func (s *sublane) giveUp(records []sources.Record, step retry.Step) bool {
	o := s.parent
	if o.config.OnFailure == nil {
		o.count(DroppedEventCount, len(records))
		o.config.Logger.Error("records dropped: no on-failure destination", append(o.attrs(),
			slog.String("condition", string(step.Reason)), slog.Int("records", len(records)))...)
		o.finished(records)
		return true
	}
	record := s.failureRecord(records, step)
	for failures := 1; ; failures++ {
		err := deliver(o.work, o.config.OnFailure, record)
		if err == nil {
			o.count(OnFailureDestinationDeliveredEventCount, len(records))
			o.finished(records)
			return true
		}
		o.observe(Observation{
			Metric: OnFailureDestinationDeliveryErrorCount, Partition: o.id, Count: 1, Err: err,
		})
		o.config.Logger.Error("delivery to the on-failure destination failed, trying again", append(o.attrs(),
			slog.Any("error", err), slog.Int("records", len(records)))...)
		if !o.pause(o.soft, deliveryBackoff(), failures) {
			return false
		}
	}
}

// failureRecord describes records that are given up.
func (s *sublane) failureRecord(records []sources.Record, step retry.Step) *FailureRecord {
	o := s.parent
	f := &FailureRecord{
		RequestID:              newUUID(),
		FunctionARN:            o.config.FunctionARN,
		Condition:              step.Reason,
		ApproximateInvokeCount: step.Invokes,
		Timestamp:              time.Now(),
		Mapping:                o.config.Name,
		Partition:              o.id,
		Records:                records,
		appender:               o.appender,
	}
	if step.Reason == retry.RetryAttemptsExhausted {
		f.Response = s.last.response
	}
	if o.describer != nil {
		f.batchInfo = o.describer.AppendBatchInfo(nil, records)
	}
	return f
}

// deliver calls the destination and turns a panic into an error.
func deliver(ctx context.Context, to Destination, record *FailureRecord) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return to.Deliver(ctx, record)
}
