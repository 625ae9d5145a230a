package activemq

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/Azure/go-amqp"
)

const (
	// idleTimeout is after how long a silent broker is taken for dead. Both sides send
	// something twice in that time.
	idleTimeout = 30 * time.Second
	// writeTimeout bounds one write on a connection.
	writeTimeout = 10 * time.Second
	// settlers is how many settlements are under way at once. The client waits for each
	// to be written; so what it writes meanwhile goes with it.
	settlers = 4
	// looks is how often the client is asked for more messages when there is one.
	looks = 3
)

// dialer is the Client that speaks AMQP 1.0.
type dialer struct {
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	secure *tls.Config
}

// Attach connects, logs in, and opens a link with a credit of 0.
func (d *dialer) Attach(ctx context.Context, to Target) (Link, error) {
	wire, err := d.connect(ctx, to)
	if err != nil {
		return nil, err
	}
	link, err := attach(ctx, wire, to)
	if err == nil {
		return link, nil
	}
	_ = wire.Close()
	if wire.spoke == tlsAlert && !to.TLS {
		return nil, errSpeaksTLS
	}
	return nil, err
}

// connect opens the connection that AMQP goes over.
func (d *dialer) connect(ctx context.Context, to Target) (*wire, error) {
	conn, err := d.dial(ctx, "tcp", to.Address)
	if err != nil {
		return nil, err
	}
	if !to.TLS {
		return &wire{Conn: conn}, nil
	}
	config := d.secure.Clone()
	if config.ServerName == "" {
		config.ServerName = to.Host
	}
	secured := tls.Client(conn, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return &wire{Conn: secured}, nil
}

// tlsAlert is the first byte that a listener for TLS says to somebody who speaks
// something else.
const tlsAlert = 0x15

var errSpeaksTLS = errors.New("the endpoint speaks TLS, and amqp:// is plain text: say amqp+ssl://")

// wire remembers what the broker said first.
type wire struct {
	net.Conn

	spoke byte
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if n > 0 && w.spoke == 0 {
		w.spoke = b[0]
	}
	return n, err
}

// attach logs in and opens the link.
func attach(ctx context.Context, wire *wire, to Target) (Link, error) {
	conn, err := amqp.NewConn(ctx, wire, &amqp.ConnOptions{
		ContainerID: to.Container, HostName: to.Host, IdleTimeout: idleTimeout, WriteTimeout: writeTimeout,
		SASLType: amqp.SASLTypePlain(to.Username, to.Password),
	})
	if err != nil {
		return nil, err
	}
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("begin session: %w", err)
	}
	const manual = -1
	receiver, err := session.NewReceiver(ctx, to.Queue, &amqp.ReceiverOptions{Credit: manual, SourceCapabilities: []string{"queue"}})
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("attach to queue: %w", err)
	}
	return &link{wire: wire, conn: conn, receiver: receiver}, nil
}

// link is a Link over AMQP 1.0.
type link struct {
	wire     *wire
	conn     *amqp.Conn
	receiver *amqp.Receiver
}

func (l *link) Credit(messages int) error {
	return l.receiver.IssueCredit(uint32(messages)) //nolint:gosec // as many as a batch has
}

func (l *link) Receive(ctx context.Context, buf []*amqp.Message) (int, error) {
	first, err := l.receiver.Receive(ctx, nil)
	if err != nil {
		return 0, err
	}
	buf[0] = first
	n := 1
	for range looks {
		for n < len(buf) {
			if buf[n] = l.receiver.Prefetched(); buf[n] == nil {
				break
			}
			n++
		}
		runtime.Gosched() // the client may have more
	}
	return n, nil
}

// Settle settles some messages at once, in order.
func (l *link) Settle(ctx context.Context, messages []*amqp.Message, how Outcome) error {
	share := (len(messages) + settlers - 1) / settlers
	if share <= 1 {
		return l.settle(ctx, messages, how)
	}
	var (
		all  sync.WaitGroup
		errs [settlers]error
	)
	for i := range errs {
		some := messages[min(i*share, len(messages)):min((i+1)*share, len(messages))]
		all.Go(func() { errs[i] = l.settle(ctx, some, how) })
	}
	all.Wait()
	return errors.Join(errs[:]...)
}

func (l *link) settle(ctx context.Context, messages []*amqp.Message, how Outcome) error {
	for _, m := range messages {
		var err error
		switch how {
		case Accepted:
			err = l.receiver.AcceptMessage(ctx, m)
		case Rejected:
			err = l.receiver.RejectMessage(ctx, m, nil)
		case Undeliverable:
			err = l.receiver.ModifyMessage(ctx, m, &amqp.ModifyMessageOptions{UndeliverableHere: true})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close detaches the link first: a broker that loses the connection counts a delivery of
// all that was not settled.
func (l *link) Close(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		_ = l.wire.Close()
		_ = l.conn.Close()
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = l.wire.Close() })
	defer stop()
	err := l.receiver.Close(ctx)
	if closing := l.conn.Close(); err == nil {
		err = closing
	}
	if _, broken := errors.AsType[*amqp.ConnError](err); broken && ctx.Err() == nil {
		return nil // it is what a close comes to: the queue has everything back
	}
	return err
}
