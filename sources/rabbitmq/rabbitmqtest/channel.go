package rabbitmqtest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources/rabbitmq"
)

// conn is a connection. All of it is guarded by the broker's mutex.
type conn struct {
	broker      *Broker
	client      *Client // nil for the broker's own
	virtualHost string
	channels    []*channel
	closes      []chan *amqp.Error
	blocks      []chan amqp.Blocking
	closed      bool
}

// Channel opens a channel.
func (c *conn) Channel() (rabbitmq.Channel, error) {
	var made *channel
	err := c.through("Channel", func() error {
		if c.closed {
			return amqp.ErrClosed
		}
		made = &channel{conn: c, unacked: map[uint64]*delivery{}, consumers: map[string]*consumer{}}
		c.channels = append(c.channels, made)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return made, nil
}

// through makes a call, by way of the client's. do runs with the broker locked.
func (c *conn) through(call string, do func() error) error {
	locked := func() error {
		c.broker.mu.Lock()
		defer c.broker.mu.Unlock()
		return do()
	}
	if c.client == nil {
		return locked()
	}
	return c.client.calls(Call{Name: call, Do: locked, Cut: c.Abort})
}

// through makes a call on the channel, by way of the client's.
func (ch *channel) through(call string, do func() error) error {
	return ch.conn.through(call, func() error {
		if ch.closed {
			return amqp.ErrClosed
		}
		return do()
	})
}

// NotifyClose registers a receiver.
func (c *conn) NotifyClose(receiver chan *amqp.Error) chan *amqp.Error {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.closed {
		close(receiver)
	} else {
		c.closes = append(c.closes, receiver)
	}
	return receiver
}

// NotifyBlocked registers a receiver.
func (c *conn) NotifyBlocked(receiver chan amqp.Blocking) chan amqp.Blocking {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	if c.closed {
		close(receiver)
	} else {
		c.blocks = append(c.blocks, receiver)
	}
	return receiver
}

// CloseDeadline closes the connection.
func (c *conn) CloseDeadline(time.Time) error {
	return c.through("CloseDeadline", func() error {
		if c.closed {
			return amqp.ErrClosed
		}
		c.shut(nil)
		return nil
	})
}

// Abort cuts the connection.
func (c *conn) Abort() {
	c.broker.mu.Lock()
	defer c.broker.mu.Unlock()
	c.shut(&amqp.Error{Code: amqp.FrameError, Reason: "use of closed network connection"})
}

// shut ends the connection with an error, nil for a clean end.
func (c *conn) shut(err *amqp.Error) {
	if c.closed {
		return
	}
	c.closed = true
	delete(c.broker.conns, c)
	tell(c.closes, err)
	for _, receiver := range c.blocks {
		close(receiver)
	}
	for _, ch := range c.channels {
		ch.shut(err)
	}
}

// tell tells receivers of an end, as far as they have room.
func tell(receivers []chan *amqp.Error, err *amqp.Error) {
	for _, receiver := range receivers {
		if err != nil {
			select {
			case receiver <- err:
			default:
			}
		}
		close(receiver)
	}
}

// channel is a channel. All of it is guarded by the broker's mutex.
type channel struct {
	conn      *conn
	prefetch  int
	tag       uint64
	unacked   map[uint64]*delivery
	consumers map[string]*consumer
	all       []*consumer // those that have left, too
	closes    []chan *amqp.Error
	cancels   []chan string
	closed    bool
	timeout   *time.Timer
}

// delivery is a message that a channel holds.
type delivery struct {
	*message
	queue    *queue
	consumer *consumer // nil for Get
	since    time.Time
}

// refuse ends the channel with an error of the broker's.
func (ch *channel) refuse(code int, format string, args ...any) error {
	err := &amqp.Error{Code: code, Reason: fmt.Sprintf(format, args...), Server: true, Recover: true}
	ch.shut(err)
	return err
}

// QueueDeclarePassive looks for a queue.
func (ch *channel) QueueDeclarePassive(name string, _, _, _, _ bool, _ amqp.Table) (amqp.Queue, error) {
	var found amqp.Queue
	err := ch.through("QueueDeclarePassive", func() error {
		q, err := ch.find(name)
		if err == nil {
			found = amqp.Queue{Name: name, Messages: len(q.ready), Consumers: len(q.consumers)}
		}
		return err
	})
	return found, err
}

func (ch *channel) find(name string) (*queue, error) {
	if q := ch.conn.broker.find(ch.conn.virtualHost, name); q != nil {
		return q, nil
	}
	return nil, ch.refuse(amqp.NotFound, "NOT_FOUND - no queue '%s' in vhost '%s'", name, ch.conn.virtualHost)
}

// Qos sets the prefetch of the consumers to come: 16 bits of it, as on the wire.
func (ch *channel) Qos(count, _ int, global bool) error {
	return ch.through("Qos", func() error {
		if global {
			return ch.refuse(amqp.NotImplemented, "NOT_IMPLEMENTED - global prefetch")
		}
		ch.prefetch = int(uint16(count)) //nolint:gosec // as the client does
		return nil
	})
}

// Consume begins to deliver.
func (ch *channel) Consume(name, tag string, autoAck, _, _, _ bool, args amqp.Table) (<-chan amqp.Delivery, error) {
	var out <-chan amqp.Delivery
	err := ch.through("Consume", func() (err error) {
		out, err = ch.consume(name, tag, autoAck, args)
		return err
	})
	return out, err
}

func (ch *channel) consume(name, tag string, autoAck bool, args amqp.Table) (<-chan amqp.Delivery, error) {
	q, err := ch.find(name)
	if err != nil {
		return nil, err
	}
	if _, offset := args["x-stream-offset"]; offset && !q.options.Stream {
		return nil, ch.refuse(amqp.PreconditionFailed, "PRECONDITION_FAILED - invalid arg 'x-stream-offset' for queue '%s'", name)
	}
	if autoAck || ch.consumers[tag] != nil {
		return nil, ch.refuse(amqp.NotAllowed, "NOT_ALLOWED - attempt to reuse consumer tag '%s', or to consume without acknowledgements", tag)
	}
	c := &consumer{
		channel: ch, queue: q, tag: tag, prefetch: ch.prefetch,
		out: make(chan amqp.Delivery), more: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	ch.consumers[tag] = c
	ch.all = append(ch.all, c)
	ch.conn.broker.all.Go(c.run)
	if !q.options.Stream {
		q.consumers = append(q.consumers, c)
		q.serve()
	}
	return c.out, nil
}

// Get takes one message.
func (ch *channel) Get(name string, _ bool) (amqp.Delivery, bool, error) {
	var (
		d  amqp.Delivery
		ok bool
	)
	err := ch.through("Get", func() (err error) {
		d, ok, err = ch.get(name)
		return err
	})
	return d, ok, err
}

func (ch *channel) get(name string) (amqp.Delivery, bool, error) {
	q, err := ch.find(name)
	if err != nil {
		return amqp.Delivery{}, false, err
	}
	if q.options.Stream {
		return amqp.Delivery{}, false, ch.refuse(amqp.NotImplemented, "NOT_IMPLEMENTED - basic.get not supported by stream queues")
	}
	if len(q.ready) == 0 {
		return amqp.Delivery{}, false, nil
	}
	m := q.ready[0]
	q.ready = q.ready[1:]
	q.unacked++
	return ch.hold(m, q, nil), true, nil
}

// hold notes that the channel has a message, and returns its delivery.
func (ch *channel) hold(m *message, q *queue, c *consumer) amqp.Delivery {
	ch.tag++
	ch.unacked[ch.tag] = &delivery{message: m, queue: q, consumer: c, since: time.Now()}
	ch.conn.broker.peak = max(ch.conn.broker.peak, len(ch.unacked))
	ch.conn.broker.tell("delivered", q, m)
	ch.watch()
	headers := m.Headers
	if q.options.Quorum && m.returns > 0 {
		headers = maps.Clone(headers)
		if headers == nil {
			headers = amqp.Table{}
		}
		headers["x-delivery-count"] = int64(m.returns)
	}
	tag := ""
	if c != nil {
		tag = c.tag
	}
	return amqp.Delivery{
		Headers: headers, ContentType: m.ContentType, ContentEncoding: m.ContentEncoding, DeliveryMode: m.DeliveryMode,
		Priority: m.Priority, CorrelationId: m.CorrelationId, ReplyTo: m.ReplyTo, Expiration: m.Expiration, MessageId: m.MessageId,
		Timestamp: m.Timestamp, Type: m.Type, UserId: m.UserId, AppId: m.AppId, ConsumerTag: tag,
		DeliveryTag: ch.tag, Redelivered: m.redelivered, RoutingKey: q.name, Body: slices.Clone(m.Body),
	}
}

// watch ends the channel when a message is held for too long.
func (ch *channel) watch() {
	if ch.timeout != nil || len(ch.unacked) == 0 {
		return
	}
	limit := ch.conn.broker.options.ConsumerTimeout
	oldest := time.Time{}
	for _, d := range ch.unacked {
		if oldest.IsZero() || d.since.Before(oldest) {
			oldest = d.since
		}
	}
	ch.timeout = time.AfterFunc(time.Until(oldest.Add(limit)), func() {
		ch.conn.broker.mu.Lock()
		defer ch.conn.broker.mu.Unlock()
		ch.timeout = nil
		for _, d := range ch.unacked {
			if !ch.closed && time.Since(d.since) >= limit {
				_ = ch.refuse(amqp.PreconditionFailed, "PRECONDITION_FAILED - delivery acknowledgement on channel 1 timed out. "+
					"Timeout value used: %d ms", limit.Milliseconds())
				return
			}
		}
		if !ch.closed {
			ch.watch()
		}
	})
}

// Cancel ends a consumer. What it was sent still comes.
func (ch *channel) Cancel(tag string, _ bool) error {
	return ch.through("Cancel", func() error {
		if c := ch.consumers[tag]; c != nil {
			c.leave()
			c.finish()
		}
		return nil
	})
}

// Ack removes messages.
func (ch *channel) Ack(tag uint64, multiple bool) error {
	return ch.settle("Ack", tag, multiple, func(d *delivery) {
		d.queue.acked++
		ch.conn.broker.tell("acked", d.queue, d.message)
	})
}

// Nack gives messages back, or has them dead-lettered.
func (ch *channel) Nack(tag uint64, multiple, requeue bool) error {
	return ch.settle("Nack", tag, multiple, func(d *delivery) {
		if requeue {
			d.queue.putBack(d.message)
		} else {
			d.queue.bury(d.message, "rejected")
		}
	})
}

// settle settles deliveries. What it refuses ends the channel, and the call does not tell:
// the frame is on its way.
func (ch *channel) settle(call string, tag uint64, multiple bool, each func(*delivery)) error {
	return ch.through(call, func() error {
		if ch.unacked[tag] == nil {
			_ = ch.refuse(amqp.PreconditionFailed, "PRECONDITION_FAILED - unknown delivery tag %d", tag)
			return nil
		}
		ch.settled(tag, multiple, each)
		return nil
	})
}

func (ch *channel) settled(tag uint64, multiple bool, each func(*delivery)) {
	tags := []uint64{tag}
	if multiple {
		tags = slices.DeleteFunc(ch.tags(), func(t uint64) bool { return t > tag })
	}
	touched := map[*queue]bool{}
	for _, t := range tags {
		d := ch.unacked[t]
		ch.letGo(t)
		each(d)
		touched[d.queue] = true
	}
	for q := range touched {
		q.serve()
	}
}

func (ch *channel) tags() []uint64 { return slices.Sorted(maps.Keys(ch.unacked)) }

func (ch *channel) letGo(tag uint64) {
	d := ch.unacked[tag]
	delete(ch.unacked, tag)
	d.queue.unacked--
	if d.consumer != nil {
		d.consumer.unacked--
	}
}

// NotifyClose registers a receiver.
func (ch *channel) NotifyClose(receiver chan *amqp.Error) chan *amqp.Error {
	ch.conn.broker.mu.Lock()
	defer ch.conn.broker.mu.Unlock()
	if ch.closed {
		close(receiver)
	} else {
		ch.closes = append(ch.closes, receiver)
	}
	return receiver
}

// NotifyCancel registers a receiver.
func (ch *channel) NotifyCancel(receiver chan string) chan string {
	ch.conn.broker.mu.Lock()
	defer ch.conn.broker.mu.Unlock()
	if ch.closed {
		close(receiver)
	} else {
		ch.cancels = append(ch.cancels, receiver)
	}
	return receiver
}

// Close closes the channel: what it holds is ready again.
func (ch *channel) Close() error {
	return ch.through("Close", func() error {
		ch.shut(nil)
		return nil
	})
}

// shut ends the channel with an error, nil for a clean end.
func (ch *channel) shut(err *amqp.Error) {
	if ch.closed {
		return
	}
	ch.closed = true
	tell(ch.closes, err)
	for _, receiver := range ch.cancels {
		close(receiver)
	}
	if ch.timeout != nil {
		ch.timeout.Stop()
	}
	for _, c := range ch.all {
		c.leave()
		c.finish()
		close(c.gone)
	}
	touched := map[*queue]bool{}
	tags := ch.tags()
	for _, tag := range tags {
		d := ch.unacked[tag]
		ch.letGo(tag)
		if !d.queue.deleted {
			d.queue.putBack(d.message)
			touched[d.queue] = true
		}
	}
	for q := range touched {
		q.serve()
	}
}
