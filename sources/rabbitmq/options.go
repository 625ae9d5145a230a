package rabbitmq

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openesm/openesm/sources/internal/broker"
)

const (
	// DefaultConsumerTimeout is Options.ConsumerTimeout: RabbitMQ's own default.
	DefaultConsumerTimeout = 30 * time.Minute
	// NoConsumerTimeout as Options.ConsumerTimeout is for a broker that has none.
	NoConsumerTimeout = time.Duration(-1)
	// DefaultPrefetchBytes is Options.PrefetchBytes.
	DefaultPrefetchBytes = 64 << 20
)

// Options say which queue is read, and how. Endpoints, Queue and Access are required.
type Options struct {
	// Endpoints of one broker, in the form amqps://host:port, or amqp://host:port for plain
	// text; the port may be left out. If one cannot be connected to the next is tried
	// (MQ-20, MQ-22). A login in them is refused.
	Endpoints []string

	// Queue is the one queue that is read (MQ-01): classic or quorum, no stream.
	Queue string

	// VirtualHost is where the queue is: AWS's VIRTUAL_HOST. Default "/" (MQ-06).
	VirtualHost string

	// Access tells who logs in: AWS's BASIC_AUTH (MQ-04, MQ-05).
	Access Access

	// ARN names the broker in event documents. Default: the first endpoint.
	ARN string

	// TLS is the configuration for endpoints amqps://; nil for the default: TLS 1.2 or
	// later, and a certificate that the system trusts, for the endpoint's host.
	TLS *tls.Config

	// DeadLetters says that the queue has a dead-letter exchange, by argument or policy.
	// Then what is given up is rejected and goes there: see MaximumRetryAttempts of
	// esm.Config, and messages that are too large. A poller cannot find out, and a queue
	// without one would lose what is rejected.
	DeadLetters bool

	// ConsumerTimeout is the broker's consumer_timeout: how long a message may be held
	// before the broker closes the channel. Before that messages are given back and
	// fetched anew. Default DefaultConsumerTimeout.
	ConsumerTimeout time.Duration

	// ReadAhead has the next batch fetched while one is handled, so that no time is lost
	// between them. What is fetched and not begun is given back by a stop, which a quorum
	// queue counts, and is nobody else's meanwhile.
	ReadAhead bool

	// PrefetchBytes bounds about how many bytes of messages are held. AMQP counts messages
	// alone, so the number of them is chosen by how large those were that came lately: large
	// messages may exceed it until that is known, by a batch at most. -1 for no bound.
	// Default DefaultPrefetchBytes.
	PrefetchBytes int

	// DeliveryLimit is that of a quorum queue, for a warning when a message is about to
	// reach it. Default 20, that of RabbitMQ 4.
	DeliveryLimit int

	// ConsumerTag names the consumer, and the connection, on the broker; AWS uses the UUID
	// of the mapping (MQ-24). Default "openesm".
	ConsumerTag string

	// Dialer opens connections. Default: by amqp091-go.
	Dialer Dialer
}

// withDefaults returns a copy with the defaults filled in.
func (o Options) withDefaults() Options {
	const limit = 20
	o.VirtualHost = cmp.Or(o.VirtualHost, "/")
	if len(o.Endpoints) > 0 {
		o.ARN = cmp.Or(o.ARN, o.Endpoints[0])
	}
	o.ConsumerTimeout = cmp.Or(o.ConsumerTimeout, DefaultConsumerTimeout)
	o.PrefetchBytes = cmp.Or(o.PrefetchBytes, DefaultPrefetchBytes)
	o.DeliveryLimit = cmp.Or(o.DeliveryLimit, limit)
	o.ConsumerTag = cmp.Or(o.ConsumerTag, "openesm")
	if o.TLS == nil {
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if o.Dialer == nil {
		o.Dialer = client{}
	}
	return o
}

// schemes are those of endpoints, with their ports (MQ-20).
func schemes() map[string]broker.Scheme {
	return map[string]broker.Scheme{"amqp": {Port: 5672}, "amqps": {TLS: true, Port: 5671}} //nolint:mnd // IANA's
}

// endpoints checks the options, and reads the endpoints. The error names everything that
// is wrong, and has no secret in it (P13).
func (o Options) endpoints() ([]broker.Endpoint, error) {
	const longest = 255 // bytes of a short string of AMQP
	all := make([]broker.Endpoint, 0, len(o.Endpoints))
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(len(o.Endpoints) > 0, "Endpoints is empty: want at least one, as amqps://host:5671")
	for i, text := range o.Endpoints {
		endpoint, err := broker.ParseEndpoint(text, schemes())
		if err != nil {
			errs = append(errs, fmt.Errorf("option Endpoints[%d] %w; want amqps://host:5671 or amqp://host:5672", i, err))
		}
		all = append(all, endpoint)
	}
	require(o.Queue != "" && len(o.Queue) <= longest, "Queue has %d bytes: want 1 to %d", len(o.Queue), longest)
	require(len(o.VirtualHost) <= longest, "VirtualHost has %d bytes: want at most %d", len(o.VirtualHost), longest)
	require(len(o.ConsumerTag) <= longest, "ConsumerTag has %d bytes: want at most %d", len(o.ConsumerTag), longest)
	require(!strings.HasPrefix(o.Queue, "amq.rabbitmq.reply-to"), "Queue %q is none that can be read", o.Queue)
	require(o.Access != nil, "Access is nil: use BasicAuth or BasicAuthSecret")
	require(o.ConsumerTimeout > 0 || o.ConsumerTimeout == NoConsumerTimeout,
		"ConsumerTimeout is %v: want a positive duration, or NoConsumerTimeout", o.ConsumerTimeout)
	require(o.PrefetchBytes >= -1, "PrefetchBytes is %d: want a positive number, or -1 for no bound", o.PrefetchBytes)
	require(o.DeliveryLimit > 0, "DeliveryLimit is %d: want a positive number", o.DeliveryLimit)
	if len(errs) > 0 {
		return nil, fmt.Errorf("rabbitmq: invalid options: %w", errors.Join(errs...))
	}
	return all, nil
}
