package sqs

import (
	"context"
	"strings"
	"time"

	"github.com/openesm/openesm/sources/awscall"
)

const (
	// callTime is how long a call is waited for.
	callTime = 15 * time.Second
	// receiveTime is how long a receive is waited for beyond its own WaitTimeSeconds.
	receiveTime = 10 * time.Second
	// beatTime is how long an extension by a heartbeat is waited for at most.
	beatTime = 10 * time.Second
)

// call is one call of the service, with a deadline.
type call struct {
	context.Context //nolint:containedctx // a call is as short-lived as its context

	cancel    context.CancelFunc
	parent    context.Context //nolint:containedctx // to tell its end from the deadline
	source    *Source
	operation string
	within    time.Duration
}

// call begins a call. The caller ends it by cancel.
func (s *Source) call(ctx context.Context, operation string, within time.Duration) call {
	c := call{parent: ctx, source: s, operation: operation, within: within}
	c.Context, c.cancel = context.WithTimeout(ctx, within)
	return c
}

// failed wraps the call's error (SQS-03).
func (c *call) failed(err error) error {
	if isMissing(err) {
		return &missingError{operation: c.operation, queue: c.source.queue.Name, err: err}
	}
	if c.Err() != nil && c.parent.Err() == nil {
		err = &awscall.LateError{Within: c.within, Err: err}
	}
	return &awscall.Error{
		Service: "sqs", Operation: c.operation, Target: "queue " + c.source.queue.Name,
		Permission: "sqs:" + strings.TrimSuffix(c.operation, "Batch"), Err: err,
	}
}
