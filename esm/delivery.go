package esm

import (
	"context"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// deliveryLimit is how long one attempt to deliver may take.
const deliveryLimit = 30 * time.Second

// giveUp delivers records to the destination, or drops them if there is none or
// it does not take them in time, and finishes them. It reports false if the
// mapping stopped before that.
func (s *sublane) giveUp(records []sources.Record, step retry.Step) bool {
	o := s.parent
	if o.config.OnFailure == nil {
		s.drop(records, step, "no on-failure destination")
		return true
	}
	record, began := s.failureRecord(records, step), time.Now()
	for failures := 1; ; failures++ {
		err := o.deliver(record)
		if err == nil {
			o.count(OnFailureDestinationDeliveredEventCount, len(records))
			o.finished(records)
			return true
		}
		o.observe(Observation{
			Metric: OnFailureDestinationDeliveryErrorCount, Partition: o.id, Count: 1, Err: err,
		})
		o.config.Logger.Error("delivery to the on-failure destination failed", append(o.attrs(),
			slog.Any("error", err), slog.Int("records", len(records)), slog.Int("attempt", failures))...)
		delay := deliveryBackoff().Delay(failures, o.config.Jitter())
		if limit := o.config.OnFailureTimeout; limit > 0 {
			left := limit - time.Since(began)
			if left <= 0 && !o.over() {
				s.drop(records, step, "the on-failure destination did not take them in time")
				return true
			}
			delay = min(delay, max(left, 1)) // and then a last attempt
		}
		if !sleep(o.soft, delay) {
			return false
		}
	}
}

// drop finishes records that are delivered nowhere (DST-62, DST-66).
func (s *sublane) drop(records []sources.Record, step retry.Step, why string) {
	o := s.parent
	o.count(DroppedEventCount, len(records))
	o.config.Logger.Error("records dropped: "+why, append(o.attrs(),
		slog.String("condition", string(step.Reason)), slog.Int("records", len(records)))...)
	o.finished(records)
}

// failureRecord describes records that are given up.
func (s *sublane) failureRecord(records []sources.Record, step retry.Step) *FailureRecord {
	o := s.parent
	describer, _ := o.partition.(sources.BatchDescriber)
	f := &FailureRecord{
		RequestID:              s.last.request.String(),
		FunctionARN:            o.config.FunctionARN,
		Condition:              step.Reason,
		ApproximateInvokeCount: step.Invokes,
		Timestamp:              time.Now(),
		Mapping:                o.config.Name,
		MappingUUID:            o.config.UUID,
		Partition:              o.id,
		Records:                records,
		describer:              describer,
		appender:               o.appender,
	}
	if step.Reason == retry.RetryAttemptsExhausted {
		f.Response = s.last.response
	}
	return f
}

// deliver makes one attempt, and turns a panic of the destination into an error.
func (p *part) deliver(record *FailureRecord) (err error) {
	ctx, cancel := context.WithTimeout(p.invokes.context(), deliveryLimit)
	defer cancel()
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack()}
		}
	}()
	return p.config.OnFailure.Deliver(ctx, record)
}
