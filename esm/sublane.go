package esm

import (
	"errors"
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
