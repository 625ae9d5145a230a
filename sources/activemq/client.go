package activemq

import (
	"context"
	"log/slog"

	"github.com/Azure/go-amqp"
)

// Client connects to brokers. The one of this package speaks AMQP 1.0; tests give
// another, such as that of package activemqtest.
type Client interface {
	// Attach connects to an endpoint and opens a link that gets messages of a queue.
	// ctx bounds how long that takes. Errors are those of the client library; they hold
	// no password.
	Attach(ctx context.Context, to Target) (Link, error)
}

// Link gets messages of one queue, no more than there is credit for, and keeps them
// from all others until they are settled or it is closed. Its methods may be called
// concurrently. When it has broken every call fails, and what was not settled is the
// queue's.
type Link interface {
	// Credit has the broker send up to so many messages besides those that it may send
	// already. It does not block.
	Credit(messages int) error
	// Receive waits for messages and returns those that are there, at least one. It is
	// called from one goroutine. buf has at least one place.
	Receive(ctx context.Context, buf []*amqp.Message) (int, error)
	// Settle settles messages of this link, each once. After an error some of them may
	// be settled.
	Settle(ctx context.Context, messages []*amqp.Message, how Outcome) error
	// Close gives back what is not settled, and then ends the connection. What ctx cuts
	// off is left to the broker, which then counts a delivery more.
	Close(ctx context.Context) error
}

// Outcome is how a message is settled.
type Outcome int

const (
	// Accepted messages are done with.
	Accepted Outcome = iota
	// Rejected messages are dead letters.
	Rejected
	// Undeliverable messages are not for this link: they are the queue's, or dead
	// letters where the broker does not do that, as ActiveMQ Classic.
	Undeliverable
)

// Target is what a link connects to.
type Target struct {
	// Address is host:port, Host that without the port.
	Address, Host string
	// TLS says whether to speak TLS.
	TLS bool
	// Username and Password log in.
	Username, Password string
	// Queue is the name of the queue.
	Queue string
	// Container names the connection. No two connections of a broker have the same.
	Container string
}

// String names address and queue alone (P13).
func (t Target) String() string { return t.Queue + " at " + t.Address }

// GoString names address and queue alone.
func (t Target) GoString() string { return t.String() }

// LogValue names address and queue alone.
func (t Target) LogValue() slog.Value { return slog.StringValue(t.String()) }
