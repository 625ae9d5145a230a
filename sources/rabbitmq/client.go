package rabbitmq

import (
	"context"
	"crypto/tls"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources/internal/broker"
)

// Login is who logs in to a broker. However it is printed, it shows no password.
type Login = broker.Login

// Access tells who logs in; see [BasicAuth] and [BasicAuthSecret].
type Access = broker.Access

// BasicAuth is always the same login.
func BasicAuth(username, password string) Access { return broker.BasicAuth(username, password) }

// BasicAuthSecret reads the login from a secret of the form that BASIC_AUTH has on AWS: a
// JSON object with the members username and password (MQ-04). get fetches it, before each
// connection.
func BasicAuthSecret(get func(ctx context.Context) ([]byte, error)) Access {
	return broker.BasicAuthSecret(get)
}

// Target is what a [Dialer] connects to.
type Target struct {
	// Address is host:port.
	Address string
	// TLS is nil for plain text.
	TLS *tls.Config
	// VirtualHost to open.
	VirtualHost string
	// Login by PLAIN (MQ-05).
	Login Login
	// Name of the connection, as the broker shows it.
	Name string
}

// Dialer opens connections to brokers. Package rabbitmqtest has one that needs no broker.
type Dialer interface {
	// Dial connects, logs in and opens the virtual host. It returns soon after ctx has
	// ended.
	Dial(ctx context.Context, target Target) (Connection, error)
}

// Connection is what the adapter needs of a connection: of amqp091-go's, which says what
// the methods do, and Abort.
type Connection interface {
	Channel() (Channel, error)
	NotifyClose(receiver chan *amqp.Error) chan *amqp.Error
	NotifyBlocked(receiver chan amqp.Blocking) chan amqp.Blocking
	CloseDeadline(deadline time.Time) error
	// Abort cuts the connection at once, so that every call on it returns. It may be
	// called concurrently with everything, and more than once.
	Abort()
}

// Channel is what the adapter needs of amqp091-go's Channel, which says what the methods
// do.
type Channel interface {
	QueueDeclarePassive(name string, durable, autoDelete, exclusive, noWait bool, args amqp.Table) (amqp.Queue, error)
	Qos(prefetchCount, prefetchSize int, global bool) error
	Consume(queue, consumer string, autoAck, exclusive, noLocal, noWait bool, args amqp.Table) (<-chan amqp.Delivery, error)
	Get(queue string, autoAck bool) (amqp.Delivery, bool, error)
	Cancel(consumer string, noWait bool) error
	Ack(tag uint64, multiple bool) error
	Nack(tag uint64, multiple, requeue bool) error
	NotifyClose(receiver chan *amqp.Error) chan *amqp.Error
	NotifyCancel(receiver chan string) chan string
	Close() error
}

var _ Channel = (*amqp.Channel)(nil)
