package esm

import (
	"errors"
	"slices"
	"time"

	"github.com/openesm/openesm/batch"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// briefWait is how long a lane with nothing to do keeps its buffers.
const briefWait = 100 * time.Millisecond

// sublane is one lane of an ordered partition.
type sublane struct {
	lane
	*trial // nil before the first batch, for many a lane never has one

	parent  *ordered
	reads   bool // by itself: nobody fills its inbox but it
	inbox   inbox
	window  *window // the open tumbling window; nil for none
	courier courier
}

// trial is how it stands with a batch.
type trial struct {
	plan retry.Plan
	last outcome // of the last invocation
}

// run handles batches until there is nothing to do.
func (s *sublane) run() {
	for {
		n, tooLarge, err := s.collect()
		if errors.Is(err, errIdle) {
			return // the lane may be another goroutine's by now
		}
		if s.parent.soft.Err() == nil && s.window != nil && (errors.Is(err, errWindowDue) || errors.Is(err, sources.ErrEnd)) {
			if s.closeWindow() {
				continue
			}
		}
		if err != nil || s.parent.soft.Err() != nil {
			s.parent.release(s.held)
			s.end()
			return
		}
		if !s.process(n, tooLarge) {
			s.parent.release(s.held[n:])
			s.end()
			return
		}
		s.finish(n)
	}
}

// fetch reads from the inbox. While a window is open it waits no longer than until
// that is due. A lane that finds nothing to do for a while rests.
func (s *sublane) fetch(buf []sources.Record, wait time.Duration) (int, error) {
	if len(s.held) > 0 {
		return s.next(buf, wait)
	}
	if s.window != nil {
		due := s.window.due()
		n, err := s.next(buf, max(min(wait, time.Until(due)), 0))
		if n == 0 && err == nil && !time.Now().Before(due) {
			err = errWindowDue
		}
		return n, err
	}
	if n, err := s.next(buf, min(wait, briefWait)); n > 0 || err != nil {
		return n, err
	}
	return s.idle()
}

// next takes records from the inbox. A lane that reads by itself fills that before, or
// does without if there is no filter. Nothing and no error means that nothing came, or
// only what the filter rejects while a batch is gathered.
func (s *sublane) next(buf []sources.Record, wait time.Duration) (int, error) {
	if !s.reads {
		return s.inbox.fetch(s.parent.soft, buf, wait)
	}
	reader := &s.parent.reader
	n, err := s.inbox.take(buf)
	if n == 0 && s.parent.filter == nil {
		return reader.fetch(buf, wait)
	}
	for fetched := 1; n == 0 && err == nil && fetched > 0; {
		fetched, err = reader.read(s.batch.Room(), wait)
		n, _ = s.inbox.take(buf)
		if len(s.held) > 0 {
			break // the wait is for less time now
		}
	}
	return n, err
}

// idle lets go of what the lane does not need for having nothing to do. Then it waits,
// if it reads by itself; otherwise its goroutine ends, and the next record starts another.
func (s *sublane) idle() (int, error) {
	s.lane.end()
	s.held = nil
	if !s.reads {
		return 0, s.inbox.leave()
	}
	s.parent.reader.shrink()
	_, err := s.parent.reader.read(s.batch.Room(), batch.Idle) // without a timer, which costs as much as a buffer
	s.held = slices.Grow(s.held, min(firstRoom, s.batch.Room()))
	n, _ := s.inbox.take(s.held[:cap(s.held)])
	return n, err
}

// process handles the first n held records, one tumbling window after the other,
// and reports false if the mapping stopped first.
func (s *sublane) process(n int, tooLarge bool) bool {
	for from, to := 0, n; from < n; from, to = to, n {
		if s.parent.keeper != nil {
			var ok bool
			if to, ok = s.enterWindow(from, n); !ok {
				return false
			}
		}
		if !s.handle(s.held[from:to], tooLarge) {
			return false
		}
	}
	return true
}

// handle handles records by the plan, and reports false if the mapping stopped
// first.
func (s *sublane) handle(records []sources.Record, tooLarge bool) bool {
	n := len(records)
	if s.trial == nil {
		s.trial = new(trial)
	}
	s.last = outcome{} // none of these was invoked
	if tooLarge {
		step := retry.Step{To: 1, Reason: retry.MaximumPayloadSizeExceeded, Invokes: 1}
		return s.giveUp(records, step)
	}
	c := &s.parent.config
	s.plan.Reset(retry.Rules{
		MaximumRetryAttempts: *c.MaximumRetryAttempts,
		MaximumRecordAge:     c.MaximumRecordAge,
		Bisect:               c.BisectBatchOnFunctionError,
	}, n, func(i int) (arrived, expires time.Time) { return records[i].Time, records[i].Expires })
	for rested := false; ; {
		step := s.plan.Next(time.Now())
		switch {
		case step.Action == retry.Done:
			return true
		case s.parent.soft.Err() != nil && step.Reason != retry.RetryAttemptsExhausted:
			return false // nothing is begun any more
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

// giveUp gives records up and finishes them, and reports false if the mapping stopped
// before that.
func (s *sublane) giveUp(records []sources.Record, step retry.Step) bool {
	if !s.courier.giveUp(s.parent.part, records, step, &s.last) {
		return false
	}
	s.parent.finished(records)
	return true
}

// rest waits before a retry, but not past the moment when the first record
// becomes too old (RTY-12) or expires.
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
		o.observe(Observation{Metric: IteratorAge, Partition: o.id, Count: len(batch), Duration: max(time.Since(last), 0)})
	}
	s.invoker.window = s.window.event(false, false)
	s.last = s.invoke(batch)
	if s.last.verdict != succeeded && o.over() {
		return false
	}
	switch s.last.verdict {
	case succeeded:
		if !s.finishedBatch(batch) {
			return false
		}
		s.plan.Succeeded()
	case throttled:
		s.plan.Throttled()
	case failed:
		s.plan.Failed()
	case partial:
		done := s.split(batch)
		if done > 0 && !s.finishedBatch(batch[:done]) {
			return false
		}
		s.plan.FailedFrom(step.From + done)
	}
	return true
}

// split returns how many records of batch are finished after a partial failure,
// which are then the first of it: those before the first one that failed (KIN-151),
// or of sources that retry no others all that did not fail (KAF-67).
func (s *sublane) split(batch []sources.Record) int {
	done := slices.Index(s.failed, true)
	if !s.parent.traits.RetryNamed {
		return done
	}
	var open []sources.Record
	for i := done; i < len(batch); i++ {
		if s.failed[i] {
			open = append(open, batch[i])
			continue
		}
		batch[done] = batch[i]
		done++
	}
	copy(batch[done:], open)
	return done
}
