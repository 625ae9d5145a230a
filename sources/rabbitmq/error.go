package rabbitmq

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources/internal/broker"
)

var (
	errStale = errors.New("the connection over which the messages came is gone: the broker has taken them back")
	errGone  = errors.New("connection lost")
	// errSettles is what native deliveries answer whose own methods are called.
	errSettles = errors.New("rabbitmq: the mapping settles its messages")
	errStream  = errors.New("is a stream: only classic and quorum queues can be read")
	// errCancelled is what NotifyCancel means.
	errCancelled = errors.New("the broker cancelled the consumer: the queue was deleted, or its node is down")
	errTag       = errors.New("the broker numbers its deliveries otherwise than from 1 on")
)

// isUnusable reports whether trying again will not help: wrong login, virtual host, queue
// or kind of port.
func isUnusable(err error) bool {
	if errors.Is(err, errPlainToTLS) || errors.Is(err, errTLSToPlain) || errors.Is(err, errStream) ||
		errors.Is(err, broker.ErrSecret) || errors.Is(err, amqp.ErrSASL) || errors.Is(err, errRefused) {
		return true
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return true
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return true
	}
	e, ok := errors.AsType[*amqp.Error](err)
	if !ok || !e.Server {
		return false
	}
	switch e.Code {
	case amqp.NotFound, amqp.AccessRefused, amqp.NotImplemented:
		return true
	case amqp.NotAllowed: // a limit of connections passes
		return !strings.Contains(e.Reason, "limit")
	default:
		return false
	}
}

// errRefused says that a login was refused twice.
var errRefused = errors.New("username or password refused")

// isRefusal reports whether the client takes an error for a refused login. It does so
// too when the connection is cut in that moment.
func isRefusal(err error) bool {
	e, ok := errors.AsType[*amqp.Error](err)
	return ok && e.Code == amqp.AccessRefused && !e.Server
}

// describe says in plain words what a broker means.
func describe(err *amqp.Error) error {
	if err.Code == amqp.PreconditionFailed && strings.Contains(err.Reason, "timed out") {
		return fmt.Errorf("handler and retries held messages longer than the broker's consumer_timeout, "+
			"which Options.ConsumerTimeout should name: %w", err)
	}
	return err
}
