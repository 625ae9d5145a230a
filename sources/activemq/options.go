package activemq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/openesm/openesm/sources/internal/broker"
)

// Access tells who logs in. It is asked before each connection, so that a password may
// change while a mapping runs.
type Access = broker.Access

// BasicAuth logs in as one user.
func BasicAuth(username, password string) Access { return broker.BasicAuth(username, password) }

// BasicAuthSecret logs in with what a secret of AWS Secrets Manager holds, as Lambda does
// for BASIC_AUTH: a JSON object with the members username and password (MQ-04). get
// fetches it, before each connection.
func BasicAuthSecret(get func(ctx context.Context) ([]byte, error)) Access {
	return broker.BasicAuthSecret(get)
}

// Options describe a source. Endpoints, Queue and Access are required.
type Options struct {
	// Endpoints are where the broker listens for AMQP 1.0: amqp+ssl://host:5671, or
	// amqp://host:5672 for plain text. Of an active/standby pair it is both: the next one
	// is tried whenever one cannot be connected to (MQ-22).
	Endpoints []string

	// Queue is the name of the queue that is read (MQ-01). Topics are read through the
	// consumer queues of virtual topics (MQ-02).
	//
	// A broker that makes queues on demand, as ActiveMQ does for users who may, makes a
	// missing one. To other users it is refused, and Run ends.
	Queue string

	// Access is who logs in (MQ-04, MQ-05).
	Access Access

	// ARN is the broker's in event documents (MQ-50). Default: the first endpoint and the
	// queue.
	ARN string

	// Name begins the names by which the broker knows the connections (MQ-24); what
	// follows makes each of them another: ActiveMQ Classic refuses a second connection
	// of a name. Default "openesm".
	Name string

	// TLS is the configuration for endpoints amqp+ssl://. Default: TLS 1.2 or later, and a
	// certificate that the system trusts, for the endpoint's host.
	TLS *tls.Config

	// PrefetchBytes bounds about how many bytes of messages are held. AMQP counts messages
	// alone, so how many the broker is asked for depends on how large those were that came
	// lately: larger ones may exceed it until that is known, by a batch at most. Default
	// DefaultPrefetchBytes.
	PrefetchBytes int

	// Dial opens a network connection. Default: that of a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)

	// Client is another client than that of AMQP 1.0, for tests.
	Client Client
}

// DefaultPrefetchBytes is Options.PrefetchBytes.
const DefaultPrefetchBytes = 64 << 20

// schemes are those of ActiveMQ and of AMQP.
func schemes() map[string]broker.Scheme {
	const plain, secure = 5672, 5671
	return map[string]broker.Scheme{
		"amqp": {Port: plain}, "amqps": {TLS: true, Port: secure}, "amqp+ssl": {TLS: true, Port: secure},
	}
}

// validate returns the endpoints, or an error that names every violation.
func (o *Options) validate() ([]broker.Endpoint, error) {
	var (
		errs []error
	)
	endpoints := make([]broker.Endpoint, 0, len(o.Endpoints))
	if len(o.Endpoints) == 0 {
		errs = append(errs, errors.New("option Endpoints is empty; at least one amqp+ssl://host:port is needed"))
	}
	for i, text := range o.Endpoints {
		e, err := broker.ParseEndpoint(text, schemes())
		if err != nil {
			errs = append(errs, fmt.Errorf("option Endpoints: entry %d %w", i+1, err))
		}
		endpoints = append(endpoints, e)
	}
	if o.Queue == "" || strings.ContainsAny(o.Queue, "*>,?") {
		errs = append(errs, fmt.Errorf("option Queue: %q must name one queue, without wildcards and options", o.Queue))
	}
	if o.PrefetchBytes < 0 {
		errs = append(errs, fmt.Errorf("option PrefetchBytes: %d must not be negative", o.PrefetchBytes))
	}
	if o.Access == nil {
		errs = append(errs, errors.New("option Access is not set; BasicAuth or BasicAuthSecret say who logs in"))
	}
	return endpoints, errors.Join(errs...)
}
