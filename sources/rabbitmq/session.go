package rabbitmq

import (
	"context"
	"errors"
	"fmt"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources/internal/broker"
)

// callLimit is how long a broker may take to answer a call.
const callLimit = 10 * time.Second

// session is a connection with its one channel. Nothing is ever published on it, so that a
// broker in need reads its acknowledgements (M14 of the package comment).
type session struct {
	conn     Connection
	channel  Channel
	endpoint string
	// What the client tells of ends, each with room for one: it does not wait (M12).
	closed, lost chan *amqp.Error
	cancelled    chan string
	blocked      chan amqp.Blocking
}

// dial connects to the first endpoint that lets it, and opens a channel.
func (s *Source) dial(ctx context.Context) (*session, error) {
	login, err := s.options.Access(ctx)
	if err != nil {
		return nil, fmt.Errorf("rabbitmq: login: %w", err)
	}
	var errs []error
	for range s.failover.Len() {
		endpoint := s.failover.Endpoint()
		x, err := s.connect(ctx, endpoint, login)
		if err == nil {
			s.counters.connections.Add(1)
			return x, nil
		}
		errs = append(errs, fmt.Errorf("rabbitmq: connect to %s, virtual host %q: %w", endpoint, s.options.VirtualHost, err))
		if ctx.Err() != nil || isUnusable(err) {
			break
		}
		s.failover.Failed()
	}
	return nil, errors.Join(errs...)
}

func (s *Source) connect(ctx context.Context, endpoint broker.Endpoint, login Login) (*session, error) {
	target := Target{
		Address: endpoint.Address, VirtualHost: s.options.VirtualHost, Login: login, Name: s.options.ConsumerTag,
	}
	if endpoint.TLS {
		target.TLS = s.options.TLS.Clone()
		if target.TLS.ServerName == "" {
			target.TLS.ServerName = endpoint.Host
		}
	}
	conn, err := s.options.Dialer.Dial(ctx, target)
	if isRefusal(err) { // or the connection was cut just then
		if conn, err = s.options.Dialer.Dial(ctx, target); isRefusal(err) {
			err = fmt.Errorf("%w of %v", errRefused, login)
		}
	}
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller names the endpoint
	}
	x := &session{conn: conn, endpoint: endpoint.Address}
	if err = x.openChannel(ctx); err != nil {
		conn.Abort()
		return nil, err
	}
	x.lost = conn.NotifyClose(make(chan *amqp.Error, 1))
	x.blocked = conn.NotifyBlocked(make(chan amqp.Blocking, 1))
	return x, nil
}

// openChannel opens a channel, in the place of one that was closed.
func (x *session) openChannel(ctx context.Context) error {
	return x.call(ctx, func() error {
		channel, err := x.conn.Channel()
		if err != nil {
			return fmt.Errorf("open channel: %w", err)
		}
		x.channel = channel
		x.closed = channel.NotifyClose(make(chan *amqp.Error, 1))
		x.cancelled = channel.NotifyCancel(make(chan string, 1))
		return nil
	})
}

// call makes one call, which has no deadline of its own: the connection is cut when it
// takes too long, or ctx ends.
func (x *session) call(ctx context.Context, f func() error) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	stop := context.AfterFunc(ctx, x.conn.Abort)
	err := f()
	if !stop() && err != nil {
		return fmt.Errorf("%w: %w", context.Cause(ctx), err)
	}
	return err
}

// end is why a consumer ended that nobody has stopped.
func (x *session) end(wait time.Duration) error {
	select {
	case _, open := <-x.cancelled:
		if open {
			return errCancelled
		}
	default:
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for closed, lost := x.closed, x.lost; closed != nil || lost != nil; {
		var e *amqp.Error
		select {
		case e = <-closed:
			closed = nil
		case e = <-lost:
			lost = nil
		case <-timer.C:
			return errGone
		}
		if e != nil {
			return describe(e)
		}
	}
	return errGone
}

// close closes the channel, so that all acknowledgements have arrived, and then the
// connection.
func (x *session) close(ctx context.Context) error {
	err := x.call(ctx, x.channel.Close)
	deadline := time.Now().Add(callLimit)
	if until, ok := ctx.Deadline(); ok && until.Before(deadline) {
		deadline = until
	}
	closing := x.call(ctx, func() error { return x.conn.CloseDeadline(deadline) })
	x.conn.Abort()
	if err != nil {
		return fmt.Errorf("rabbitmq: close channel: %w", err)
	}
	if closing != nil && !errors.Is(closing, amqp.ErrClosed) {
		return fmt.Errorf("rabbitmq: close connection: %w", closing)
	}
	return nil
}
