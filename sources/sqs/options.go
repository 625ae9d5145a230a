package sqs

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/openesm/openesm/retry"
)

const (
	maxPoll       = 20 * time.Second
	maxVisibility = 12 * time.Hour
)

// Options vary a source from what AWS does. The zero value is AWS's behaviour.
type Options struct {
	// WaitTime is how long one receive may wait for messages (long poll), in
	// whole seconds, 1 s to 20 s; 0 means 20 s. A shorter one makes an idle
	// queue cost more calls and Close of an idle partition quicker.
	WaitTime time.Duration

	// VisibilityTimeout is how long received messages stay hidden at least, in
	// whole seconds, 1 s to 12 h; 0 means the queue's own (SQS-40). See the
	// package comment for when it is longer.
	VisibilityTimeout time.Duration

	// Heartbeat receives messages with that visibility timeout alone, though 20 s at
	// least, since an answer may be late, and extends it while they are handled, so
	// that a handler may run longer. Messages of a process that dies come back sooner
	// then. Records expire as they do without it, and are let go then; what was handled
	// by then stays hidden until it must have been deleted. Lambda never does so
	// (SQS-03), and needs no permission for it.
	Heartbeat bool

	// FailureBackoff makes messages whose handler failed come back after a delay that
	// doubles with each receive: a random share of Initial after the first, of
	// 2×Initial after the second, up to Max, in whole seconds. Initial and Max are at
	// most 12 h; a Max of 0 is 12 h. The zero value leaves the messages alone, as Lambda
	// does: they come back when their visibility timeout ends (SQS-81).
	FailureBackoff retry.Backoff

	// Logger is told what no caller can be told: failed extensions, advice
	// about the queue's settings. Nil means the mapping's.
	Logger *slog.Logger
}

func (o Options) validate() error {
	var errs []error
	if o.WaitTime != 0 {
		errs = append(errs, checkSeconds("WaitTime", o.WaitTime, maxPoll))
	}
	if o.VisibilityTimeout != 0 {
		errs = append(errs, checkSeconds("VisibilityTimeout", o.VisibilityTimeout, maxVisibility))
	}
	return errors.Join(append(errs, checkBackoff(o.FailureBackoff))...)
}

func checkBackoff(b retry.Backoff) error {
	var errs []error
	if b.Initial < 0 || b.Initial > maxVisibility {
		errs = append(errs, fmt.Errorf("FailureBackoff.Initial: %v is not between 0s and %v", b.Initial, maxVisibility))
	}
	if b.Max < 0 || b.Max > maxVisibility {
		errs = append(errs, fmt.Errorf("FailureBackoff.Max: %v is not between 0s and %v", b.Max, maxVisibility))
	}
	if b.Max != 0 && b.Max < b.Initial {
		errs = append(errs, fmt.Errorf("FailureBackoff.Max: %v is less than FailureBackoff.Initial, %v", b.Max, b.Initial))
	}
	if b.Max != 0 && b.Initial == 0 {
		errs = append(errs, fmt.Errorf("FailureBackoff.Initial: is 0s though FailureBackoff.Max is %v", b.Max))
	}
	return errors.Join(errs...)
}

func checkSeconds(field string, value, limit time.Duration) error {
	var errs []error
	if value < time.Second || value > limit {
		errs = append(errs, fmt.Errorf("%s: %v is not between 1s and %v", field, value, limit))
	}
	if value%time.Second != 0 {
		errs = append(errs, fmt.Errorf("%s: %v is not a whole number of seconds", field, value))
	}
	return errors.Join(errs...)
}

func (o Options) withDefaults() Options {
	if o.WaitTime == 0 {
		o.WaitTime = maxPoll
	}
	if o.FailureBackoff.Max == 0 {
		o.FailureBackoff.Max = maxVisibility
	}
	return o
}

// seconds rounds up to whole seconds, as the service counts.
func seconds(d time.Duration) int32 {
	return int32((max(d, 0) + time.Second - 1) / time.Second) //nolint:gosec // at most 12 h
}
