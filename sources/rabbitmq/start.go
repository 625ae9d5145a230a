package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources"
)

// startLimit is how long all of Start may take.
const startLimit = time.Minute

// Start connects, and checks that the queue is there and can be read. It takes no message.
// A wrong login, virtual host, queue or kind of port ends the mapping.
func (s *Source) Start(ctx context.Context, settings sources.Settings) error {
	if err := s.plan(settings); err != nil {
		return fmt.Errorf("rabbitmq: %s: %w: %w", s.name(), err, sources.ErrUnusable)
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	x, err := s.dial(ctx)
	if err == nil {
		if err = s.check(ctx, x); err != nil {
			x.conn.Abort()
		}
	}
	switch {
	case err == nil:
		s.ready = x
		return nil
	case isUnusable(err):
		return fmt.Errorf("%w: %w", err, sources.ErrUnusable)
	default:
		return err
	}
}

// plan derives how much is fetched, and how long it may be held.
func (s *Source) plan(settings sources.Settings) error {
	if settings.Logger != nil {
		s.setup.logger = settings.Logger
	}
	s.setup.lanes = max(settings.Concurrency, 1)
	s.setup.prefetch = max(settings.BatchSize, 1) * s.setup.lanes
	if s.options.ReadAhead {
		s.setup.prefetch *= 2
	}
	if s.setup.prefetch > maxPrefetch {
		return fmt.Errorf("BatchSize %d times %d concurrent invocations is more than the %d messages that AMQP can have fetched: "+
			"reduce BatchSize or MaximumConcurrency, or read ahead no more", settings.BatchSize, s.setup.lanes, maxPrefetch)
	}
	timeout := s.options.ConsumerTimeout
	if timeout == NoConsumerTimeout {
		return nil
	}
	const part = 10 // of the broker's timeout is kept for the acknowledgement, a minute at most
	s.setup.hold = timeout - settings.Timeout - min(timeout/part, time.Minute)
	if s.setup.hold <= settings.Window {
		return fmt.Errorf("ConsumerTimeout %v is too short for a batching window of %v and a Timeout of %v: "+
			"the broker would take messages back while they are handled", timeout, settings.Window, settings.Timeout)
	}
	return nil
}

// check sees whether there is such a queue, and of which kind.
func (s *Source) check(ctx context.Context, x *session) error {
	err := x.call(ctx, func() error {
		_, err := x.channel.QueueDeclarePassive(s.options.Queue, false, false, false, false, nil)
		return err //nolint:wrapcheck // wrapped below
	})
	if err == nil {
		err = s.refuseStream(ctx, x)
	}
	if err != nil {
		return fmt.Errorf("rabbitmq: %s: %w", s.name(), err)
	}
	return nil
}

// refuseStream finds out whether a queue is a stream: only those take an offset. Other
// queues refuse it, and close the channel over that; so do streams a Get.
func (s *Source) refuseStream(ctx context.Context, at *session) error {
	err := at.call(ctx, func() error {
		if err := at.channel.Qos(1, 0, false); err != nil {
			return err //nolint:wrapcheck // wrapped by check
		}
		_, err := at.channel.Consume(s.options.Queue, s.options.ConsumerTag, false, false, false, false, amqp.Table{"x-stream-offset": "next"})
		return err //nolint:wrapcheck // wrapped by check
	})
	if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.PreconditionFailed {
		return at.openChannel(ctx)
	}
	if err != nil {
		return err
	}
	err = at.call(ctx, func() error {
		if err := at.channel.Close(); err != nil {
			return err //nolint:wrapcheck // wrapped by check
		}
		return nil
	})
	if err == nil {
		err = at.openChannel(ctx)
	}
	if err == nil {
		err = at.call(ctx, func() error {
			_, _, err := at.channel.Get(s.options.Queue, false)
			return err //nolint:wrapcheck // wrapped by check
		})
	}
	if e, ok := errors.AsType[*amqp.Error](err); ok && e.Code == amqp.NotImplemented {
		return errStream
	}
	if err == nil { // a broker of another make: what Get took goes back
		if err = at.call(ctx, at.channel.Close); err == nil {
			err = at.openChannel(ctx)
		}
	}
	return err
}
