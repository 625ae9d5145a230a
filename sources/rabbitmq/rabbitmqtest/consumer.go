package rabbitmqtest

import (
	"slices"

	amqp "github.com/rabbitmq/amqp091-go"
)

// consumer is a consumer. All of it is guarded by the broker's mutex.
type consumer struct {
	channel  *channel
	queue    *queue
	tag      string
	prefetch int
	unacked  int
	buffer   []amqp.Delivery
	out      chan amqp.Delivery
	more     chan struct{} // has a token when the buffer has got something, or finished
	gone     chan struct{} // closed with the channel
	finished bool
}

// deliver sends a message.
func (c *consumer) deliver(m *message) {
	c.unacked++
	c.buffer = append(c.buffer, c.channel.hold(m, c.queue, c))
	c.wake()
}

func (c *consumer) wake() {
	select {
	case c.more <- struct{}{}:
	default:
	}
}

// run hands out what was sent, as the client does: nothing of the broker waits for it.
func (c *consumer) run() {
	defer close(c.out)
	for {
		c.channel.conn.broker.mu.Lock()
		some, finished := c.buffer, c.finished
		c.buffer = nil
		c.channel.conn.broker.mu.Unlock()
		for _, d := range some {
			select {
			case c.out <- d:
			case <-c.gone:
				return
			}
		}
		if len(some) > 0 {
			continue
		}
		if finished {
			return
		}
		select {
		case <-c.more:
		case <-c.gone:
			return
		}
	}
}

// leave takes the consumer from its queue.
func (c *consumer) leave() {
	c.queue.consumers = slices.DeleteFunc(c.queue.consumers, func(other *consumer) bool { return other == c })
	delete(c.channel.consumers, c.tag)
}

// finish ends the deliveries after those that were sent.
func (c *consumer) finish() {
	c.finished = true
	c.wake()
}

// cancelled tells the client that the broker has ended the consumer.
func (c *consumer) cancelled() {
	for _, receiver := range c.channel.cancels {
		select {
		case receiver <- c.tag:
		default:
		}
	}
	c.leave()
	c.finish()
}
