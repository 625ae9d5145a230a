package rabbitmqtest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources/rabbitmq"
)

// Options say what kind of broker to make. The zero value is one with the user guest, whose
// password is guest, and the virtual host "/".
type Options struct {
	// Users are the passwords by user name.
	Users map[string]string
	// VirtualHosts that there are besides "/".
	VirtualHosts []string
	// ConsumerTimeout is how long a consumer may hold a message. Default 30 minutes.
	ConsumerTimeout time.Duration
	// Watch, if it is not nil, is told of what happens to messages. It must not call the
	// broker.
	Watch func(e Event)
}

// Event is something that happened to a message.
type Event struct {
	// What happened: "delivered", "acked", "returned" or "dead".
	What string
	// Queue is the queue that the message is, or was, in.
	Queue string
	// Body is the message's.
	Body []byte
}

// Call is a call of a client that is under way.
type Call struct {
	// Name is that of the method: Dial, Channel, QueueDeclarePassive, Qos, Consume, Get,
	// Cancel, Ack, Nack, Close or CloseDeadline.
	Name string
	// Do makes the call.
	Do func() error
	// Cut cuts its connection, as a failing network does.
	Cut func()
}

// Client is a dialer whose calls a test can see, delay and have fail.
type Client struct {
	broker *Broker
	calls  func(c Call) error
}

var _ rabbitmq.Dialer = (*Client)(nil)

// Client returns a dialer each call of which goes through calls, which makes it or does
// not, and whose error the call returns. It is called concurrently.
func (b *Broker) Client(calls func(c Call) error) *Client { return &Client{b, calls} }

// Cut cuts the connections that the client has dialled.
func (c *Client) Cut() {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	for conn := range maps.Clone(c.broker.conns) {
		if conn.client == c {
			conn.cut()
		}
	}
}

// Dial is the broker's Dial.
func (c *Client) Dial(ctx context.Context, target rabbitmq.Target) (rabbitmq.Connection, error) {
	var made rabbitmq.Connection
	err := c.calls(Call{Name: "Dial", Cut: func() {}, Do: func() (err error) {
		made, err = c.broker.dial(ctx, target, c)
		return err
	}})
	if err != nil {
		if made != nil {
			made.Abort()
		}
		return nil, err
	}
	return made, nil
}

// QueueOptions say what kind of queue to declare. The zero value is a classic queue of the
// virtual host "/" without limits.
type QueueOptions struct {
	// VirtualHost that has the queue. Default "/".
	VirtualHost string
	// Quorum makes a quorum queue, which counts deliveries.
	Quorum bool
	// Stream makes a stream, which cannot be read here.
	Stream bool
	// DeliveryLimit is how often a message of a quorum queue may come back; 0 for ever.
	DeliveryLimit int
	// MessageTTL is how long messages live; 0 for ever.
	MessageTTL time.Duration
	// DeadLetters is the queue that gets what is rejected or expires; "" for none.
	DeadLetters string
}

// Broker is a RabbitMQ in the process. Make it with [NewBroker].
type Broker struct {
	options Options

	mu       sync.Mutex
	queues   map[string]*queue
	conns    map[*conn]bool
	refusing bool
	peak     int // the most unacknowledged messages of one channel so far
	all      sync.WaitGroup
}

// NewBroker returns a broker without queues.
func NewBroker(options Options) *Broker {
	if options.Users == nil {
		options.Users = map[string]string{"guest": "guest"}
	}
	options.ConsumerTimeout = cmp.Or(options.ConsumerTimeout, rabbitmq.DefaultConsumerTimeout)
	return &Broker{options: options, queues: make(map[string]*queue), conns: make(map[*conn]bool)}
}

var _ rabbitmq.Dialer = (*Broker)(nil)

// Declare makes a queue. One that is there keeps its messages and gets other options.
func (b *Broker) Declare(name string, options QueueOptions) {
	b.mu.Lock()
	defer b.mu.Unlock()
	options.VirtualHost = cmp.Or(options.VirtualHost, "/")
	q := b.find(options.VirtualHost, name)
	if q == nil {
		q = &queue{broker: b, name: name}
		b.queues[key(options.VirtualHost, name)] = q
	}
	q.options = options
}

func key(virtualHost, name string) string { return virtualHost + "\x00" + name }

func (b *Broker) find(virtualHost, name string) *queue { return b.queues[key(virtualHost, name)] }

// Publish puts messages into a queue of the virtual host "/".
func (b *Broker) Publish(name string, messages ...amqp.Publishing) error {
	return b.PublishTo("/", name, messages...)
}

// PublishTo is Publish for any virtual host.
func (b *Broker) PublishTo(virtualHost, name string, messages ...amqp.Publishing) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.find(virtualHost, name)
	if q == nil {
		return fmt.Errorf("rabbitmqtest: no queue %q in virtual host %q", name, virtualHost)
	}
	for _, m := range messages {
		q.publish(m)
	}
	q.serve()
	return nil
}

// Delete deletes a queue of the virtual host "/". Its consumers are cancelled.
func (b *Broker) Delete(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.find("/", name)
	if q == nil {
		return
	}
	delete(b.queues, key("/", name))
	q.deleted = true
	q.disarm()
	for _, c := range slices.Clone(q.consumers) {
		c.cancelled()
	}
}

// Ready is how many messages of a queue wait for a consumer.
func (b *Broker) Ready(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.find("/", name); q != nil {
		q.expire()
		return len(q.ready)
	}
	return 0
}

// Unacked is how many messages of a queue consumers hold.
func (b *Broker) Unacked(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.find("/", name); q != nil {
		return q.unacked
	}
	return 0
}

// Acked is how many messages of a queue were acknowledged.
func (b *Broker) Acked(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if q := b.find("/", name); q != nil {
		return q.acked
	}
	return 0
}

// MostUnacked is the most messages that one channel has held at once.
func (b *Broker) MostUnacked() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.peak
}

// Messages are those of a queue that wait, the next first.
func (b *Broker) Messages(name string) []amqp.Publishing {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.find("/", name)
	if q == nil {
		return nil
	}
	q.expire()
	all := make([]amqp.Publishing, 0, len(q.ready))
	for _, m := range q.ready {
		all = append(all, m.Publishing)
	}
	return all
}

// Cut cuts all connections, as a broker does that is killed, and one whose network fails.
// What was delivered over them is ready again.
func (b *Broker) Cut() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range maps.Clone(b.conns) {
		c.cut()
	}
}

// cut ends a connection as a failing network does. The caller holds mu.
func (c *conn) cut() { c.shut(&amqp.Error{Code: amqp.FrameError, Reason: "EOF"}) }

// Refuse has the broker refuse connections, or no more.
func (b *Broker) Refuse(refuse bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refusing = refuse
}

// Block tells all connections that the broker is in need, or is no more.
func (b *Broker) Block(active bool, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.conns {
		for _, receiver := range c.blocks {
			select {
			case receiver <- amqp.Blocking{Active: active, Reason: reason}:
			default:
			}
		}
	}
}

// Close cuts all connections, refuses others, and leaves no goroutine behind.
func (b *Broker) Close() {
	b.Refuse(true)
	b.Cut()
	b.mu.Lock()
	for _, q := range b.queues {
		q.disarm()
	}
	b.mu.Unlock()
	b.all.Wait()
}

var errRefused = errors.New("connection refused")

// Dial logs in and opens the virtual host.
func (b *Broker) Dial(ctx context.Context, target rabbitmq.Target) (rabbitmq.Connection, error) {
	return b.dial(ctx, target, nil)
}

func (b *Broker) dial(ctx context.Context, target rabbitmq.Target, client *Client) (rabbitmq.Connection, error) {
	if err := ctx.Err(); err != nil {
		return nil, err //nolint:wrapcheck // as a dialer does
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	password, known := b.options.Users[target.Login.Username]
	switch {
	case b.refusing:
		return nil, errRefused
	case !known || password != target.Login.Password:
		return nil, &amqp.Error{Code: amqp.AccessRefused, Reason: "username or password not allowed"}
	case target.VirtualHost != "/" && !slices.Contains(b.options.VirtualHosts, target.VirtualHost):
		return nil, &amqp.Error{Code: amqp.NotAllowed, Reason: "NOT_ALLOWED - vhost " + target.VirtualHost + " not found", Server: true}
	}
	c := &conn{broker: b, client: client, virtualHost: target.VirtualHost}
	b.conns[c] = true
	return c, nil
}

func (b *Broker) tell(what string, q *queue, m *message) {
	if b.options.Watch != nil {
		b.options.Watch(Event{What: what, Queue: q.name, Body: m.Body})
	}
}
