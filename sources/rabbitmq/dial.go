package rabbitmq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

const (
	// handshakeLimit is how long a broker may take from the connection to the opened
	// virtual host. RabbitMQ answers a wrong password after three seconds.
	handshakeLimit = 10 * time.Second
	// writeLimit is how long a write may take: amqp091-go sets no deadline of its own.
	writeLimit = 10 * time.Second
	// heartbeat is how often each side shows that it lives.
	heartbeat = 10 * time.Second
)

var (
	errPlainToTLS = errors.New("the port speaks TLS: use an endpoint amqps://")
	errTLSToPlain = errors.New("the port does not speak TLS: use an endpoint amqp://, or the TLS port")
)

// client dials by amqp091-go. Its recovery stays off: it would let an acknowledgement of
// an old delivery settle another message (M1 of the package comment).
type client struct{}

// Dial connects, logs in and opens the virtual host.
func (client) Dial(ctx context.Context, target Target) (Connection, error) {
	ctx, cancel := context.WithTimeout(ctx, handshakeLimit)
	defer cancel()
	var dialer net.Dialer
	raw, err := dialer.DialContext(ctx, "tcp", target.Address)
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller names the endpoint
	}
	socket := &socket{Conn: raw}
	defer context.AfterFunc(ctx, socket.cut)()
	conn, err := handshake(ctx, socket, target)
	if err != nil {
		socket.cut()
		return nil, socket.explain(err)
	}
	return &connection{conn, socket}, nil
}

func handshake(ctx context.Context, socket *socket, target Target) (*amqp.Connection, error) {
	var stream net.Conn = socket
	if target.TLS != nil {
		client := tls.Client(socket, target.TLS)
		err := client.HandshakeContext(ctx)
		if err != nil {
			if _, plain := errors.AsType[tls.RecordHeaderError](err); plain {
				err = errTLSToPlain
			}
			return nil, fmt.Errorf("TLS: %w", err)
		}
		stream = client
	}
	properties := amqp.NewConnectionProperties()
	properties.SetClientConnectionName(target.Name)
	conn, err := amqp.Open(stream, amqp.Config{
		SASL:       []amqp.Authentication{&amqp.PlainAuth{Username: target.Login.Username, Password: target.Login.Password}},
		Vhost:      target.VirtualHost,
		Heartbeat:  heartbeat,
		Locale:     "en_US",
		Properties: properties,
		FrameSize:  frameSize,
	})
	return conn, err //nolint:wrapcheck // the caller names the endpoint
}

// frameSize is RabbitMQ's own.
const frameSize = 131072

// connection is amqp091-go's, and its socket.
type connection struct {
	*amqp.Connection
	socket *socket
}

// Channel opens a channel.
func (c *connection) Channel() (Channel, error) {
	channel, err := c.Connection.Channel()
	if err != nil {
		return nil, err //nolint:wrapcheck // the caller says what it was for
	}
	return channel, nil
}

// Abort cuts the connection.
func (c *connection) Abort() { c.socket.cut() }

// socket is a TCP connection whose writes have a deadline.
type socket struct {
	net.Conn
	read  atomic.Bool // something
	alert atomic.Bool // what was read first is an alert of TLS
}

func (s *socket) cut() { _ = s.Close() }

func (s *socket) Write(b []byte) (int, error) {
	if err := s.SetWriteDeadline(time.Now().Add(writeLimit)); err != nil {
		return 0, err //nolint:wrapcheck // it is a connection
	}
	return s.Conn.Write(b) //nolint:wrapcheck // it is a connection
}

func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if n > 0 && !s.read.Swap(true) {
		const alert = 0x15
		s.alert.Store(b[0] == alert)
	}
	return n, err //nolint:wrapcheck // it is a connection
}

// explain tells the error of a handshake in plain text to a TLS port.
func (s *socket) explain(err error) error {
	if s.alert.Load() {
		if _, isAMQP := errors.AsType[*amqp.Error](err); isAMQP {
			return errPlainToTLS
		}
	}
	return err
}
