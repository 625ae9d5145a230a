package esm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
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
		left := o.deliveryTime(began)
		err := s.deliver(record, left)
		if err == nil {
			o.count(OnFailureDestinationDeliveredEventCount, len(records))
			o.finished(records)
			return true
		}
		o.observe(Observation{
			Metric: OnFailureDestinationDeliveryErrorCount, Partition: o.id, Count: 1, Err: err,
		})
		o.config.Logger.Error("delivery to the on-failure destination failed", append(o.attrs(),
			slog.Any("error", err), slog.Int("records", len(records)), slog.Int("attempt", failures),
			slog.String("effect", o.deliveryEffect()))...)
		delay := deliveryBackoff().Delay(failures, o.config.Jitter())
		if left = o.deliveryTime(began); left <= 0 && !o.over() {
			s.drop(records, step, "the on-failure destination did not take them in time")
			return true
		}
		delay = min(delay, max(left, 1)) // and then a last attempt
		if !sleep(o.soft, delay) {
			return false
		}
	}
}

// deliveryTime is how much longer a delivery that began then is tried.
func (p *part) deliveryTime(began time.Time) time.Duration {
	if p.config.OnFailureTimeout == 0 {
		return math.MaxInt64
	}
	return p.config.OnFailureTimeout - time.Since(began)
}

// deliveryEffect is what a failed delivery means for the user.
func (p *part) deliveryEffect() string {
	if p.config.OnFailureTimeout == 0 {
		return "the partition stands still until the destination takes them; OnFailureTimeout would bound that"
	}
	return fmt.Sprintf("the partition stands still until the destination takes them, for %v at most", p.config.OnFailureTimeout)
}

// drop finishes records that are delivered nowhere (DST-62, DST-66).
func (s *sublane) drop(records []sources.Record, step retry.Step, why string) {
	o := s.parent
	o.observe(Observation{
		Metric: DroppedEventCount, Partition: o.id, Count: len(records), Err: fmt.Errorf("esm: %s: %s", step.Reason, why),
	})
	o.config.Logger.Error("records dropped: "+why, append(o.attrs(),
		slog.String("condition", string(step.Reason)), slog.Int("records", len(records)))...)
	o.finished(records)
}

// failureRecord describes records that are given up.
func (s *sublane) failureRecord(records []sources.Record, step retry.Step) *FailureRecord {
	o := s.parent
	describer, _ := sources.Ability[sources.BatchDescriber](o.partition)
	single, _ := sources.Ability[sources.RecordDescriber](o.partition)
	f := &FailureRecord{
		RequestID:              s.last.request.String(),
		FunctionARN:            o.config.FunctionARN,
		Condition:              step.Reason,
		ApproximateInvokeCount: step.Invokes,
		Timestamp:              time.Now(),
		Mapping:                o.config.Name,
		MappingUUID:            o.config.UUID,
		Partition:              o.id,
		Records:                slices.Clone(records), // a destination that is abandoned still has them
		describer:              describer,
		recordDescriber:        single,
		appender:               o.appender,
	}
	if step.Reason == retry.RetryAttemptsExhausted {
		f.Response = s.last.response
	}
	return f
}

// abandonedDelivery is a call to the destination that did not return in time.
type abandonedDelivery struct {
	record *FailureRecord
	done   <-chan error
}

// await waits for what the call came to, and reports whether it returned.
func (a *abandonedDelivery) await(ctx context.Context, wait time.Duration) (returned bool, err error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case err = <-a.done:
		return true, err
	case <-ctx.Done():
	case <-timer.C:
	}
	select {
	case err = <-a.done:
		return true, err
	default:
		return false, nil
	}
}

// deliver makes one attempt. A destination that does not return is abandoned as a
// handler is, once: the lane waits a while, wait at most, for the call to return
// before it makes another. If the late call delivered the record after all, that counts.
// The destination's error is only passed on: to look into it may panic.
func (s *sublane) deliver(record *FailureRecord, wait time.Duration) error {
	p := s.parent
	if late := s.abandoned; late != nil {
		returned, err := late.await(p.soft, min(wait, logInterval))
		if !returned {
			return errAbandoned
		}
		s.abandoned = nil
		if err == nil && late.record == record {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(p.invokes.context(), deliveryLimit)
	defer cancel()
	done := launch(func() error { return p.handOver(ctx, record) })
	returned, err := await(ctx, done)
	if !returned {
		s.abandoned, err = &abandonedDelivery{record, done}, errAbandoned
		p.count(AbandonedDeliveryCount, 1)
	}
	if err != nil && errors.Is(context.Cause(ctx), ErrDrainTimeout) {
		p.cut.Store(true)
	}
	return err
}

// handOver calls the destination, and turns a panic of it into an error.
func (p *part) handOver(ctx context.Context, record *FailureRecord) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{Value: value, Stack: debug.Stack(), who: "on-failure destination"}
		}
	}()
	return p.config.OnFailure.Deliver(ctx, record)
}
