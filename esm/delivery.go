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

// courier delivers what one lane gives up to the on-failure destination.
type courier struct {
	// abandoned is a delivery that did not return in time; nil for none.
	abandoned *abandonedDelivery
}

// giveUp delivers records to the destination, or drops them if there is none or
// it does not take them in time: then they are finished. It reports false if the
// mapping stopped before that. last is what their last invocation came to.
func (c *courier) giveUp(p *part, records []sources.Record, step retry.Step, last *outcome) bool {
	if p.config.OnFailure == nil {
		p.drop(records, step, "no on-failure destination")
		return true
	}
	record, began := p.failureRecord(records, step, last), time.Now()
	for failures := 1; ; failures++ {
		left := p.deliveryTime(began)
		err := c.deliver(p, record, left)
		if err == nil {
			p.count(OnFailureDestinationDeliveredEventCount, len(records))
			return true
		}
		p.observe(Observation{
			Metric: OnFailureDestinationDeliveryErrorCount, Partition: p.id, Count: 1, Err: err,
		})
		p.config.Logger.Error("delivery to the on-failure destination failed", append(p.attrs(),
			slog.Any("error", err), slog.Int("records", len(records)), slog.Int("attempt", failures),
			slog.String("effect", p.deliveryEffect()))...)
		delay := deliveryBackoff().Delay(failures, p.config.Jitter())
		if left = p.deliveryTime(began); left <= 0 && !p.over() {
			p.drop(records, step, "the on-failure destination did not take them in time")
			return true
		}
		delay = min(delay, max(left, 1)) // and then a last attempt
		if !sleep(p.soft, delay) {
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

// drop tells of records that are delivered nowhere (DST-62, DST-66).
func (p *part) drop(records []sources.Record, step retry.Step, why string) {
	p.observe(Observation{
		Metric: DroppedEventCount, Partition: p.id, Count: len(records), Err: fmt.Errorf("esm: %s: %s", step.Reason, why),
	})
	p.config.Logger.Error("records dropped: "+why, append(p.attrs(),
		slog.String("condition", string(step.Reason)), slog.Int("records", len(records)))...)
}

// failureRecord describes records that are given up.
func (p *part) failureRecord(records []sources.Record, step retry.Step, last *outcome) *FailureRecord {
	describer, _ := sources.Ability[sources.BatchDescriber](p.partition)
	single, _ := sources.Ability[sources.RecordDescriber](p.partition)
	f := &FailureRecord{
		RequestID:              last.request.String(),
		FunctionARN:            p.config.FunctionARN,
		Condition:              step.Reason,
		ApproximateInvokeCount: step.Invokes,
		Timestamp:              time.Now(),
		Mapping:                p.config.Name,
		MappingUUID:            p.config.UUID,
		Partition:              p.id,
		Records:                slices.Clone(records), // a destination that is abandoned still has them
		describer:              describer,
		recordDescriber:        single,
		appender:               p.appender,
	}
	if step.Reason == retry.RetryAttemptsExhausted {
		f.Response = last.response
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
func (c *courier) deliver(p *part, record *FailureRecord, wait time.Duration) error {
	if late := c.abandoned; late != nil {
		returned, err := late.await(p.soft, min(wait, logInterval))
		if !returned {
			return errAbandoned
		}
		c.abandoned = nil
		if err == nil && late.record == record {
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(p.invokes.context(), deliveryLimit)
	defer cancel()
	done := launch(func() error { return p.handOver(ctx, record) })
	returned, err := await(ctx, done)
	if !returned {
		c.abandoned, err = &abandonedDelivery{record, done}, errAbandoned
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
