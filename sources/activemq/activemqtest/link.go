package activemqtest

import (
	"context"
	"errors"
	"slices"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/sources/activemq"
)

// link is a link to a queue. All of it is guarded by the mutex of its broker.
type link struct {
	broker    *Broker
	queue     *queue
	container string
	credit    int
	inbox     []*amqp.Message
	coming    map[*amqp.Message]*entry // delivered and not settled
	signal    chan struct{}            // there is something to receive
	broken    error
}

var errClosed = errors.New("link closed")

func (l *link) rouse() {
	select {
	case l.signal <- struct{}{}:
	default:
	}
}

// Credit takes effect at once.
func (l *link) Credit(messages int) error {
	l.broker.mu.Lock()
	defer l.broker.mu.Unlock()
	if l.broken != nil {
		return l.broken
	}
	l.credit += messages
	l.broker.dispatch(l.queue)
	return nil
}

// arrive puts a message into the inbox. The caller holds mu.
func (l *link) arrive(e *entry) {
	if l.broken != nil || e.link != l {
		return
	}
	m := e.delivery()
	if l.coming == nil {
		l.coming = make(map[*amqp.Message]*entry)
	}
	l.coming[m] = e
	l.inbox = append(l.inbox, m)
	l.broker.tell(Event{What: Delivered, Queue: l.queue.name, Message: e.message, Container: l.container})
	l.rouse()
}

// Receive waits for messages.
func (l *link) Receive(ctx context.Context, buf []*amqp.Message) (int, error) {
	for {
		n, err := l.take(buf)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-l.signal:
		}
	}
}

func (l *link) take(buf []*amqp.Message) (int, error) {
	l.broker.mu.Lock()
	defer l.broker.mu.Unlock()
	if l.broken != nil {
		return 0, l.broken
	}
	n := copy(buf, l.inbox)
	l.inbox = slices.Delete(l.inbox, 0, n)
	if len(l.inbox) > 0 {
		l.rouse()
	}
	return n, nil
}

// Settle settles messages.
func (l *link) Settle(ctx context.Context, messages []*amqp.Message, how activemq.Outcome) error {
	return l.broker.call(ctx, Call{Do: "Settle", Container: l.container, Messages: messages, Outcome: how}, func() error {
		if l.broken != nil {
			return l.broken
		}
		for _, m := range messages {
			l.settle(m, how)
		}
		return nil
	})
}

func (l *link) settle(m *amqp.Message, how activemq.Outcome) {
	e := l.coming[m]
	if e == nil {
		return
	}
	delete(l.coming, m)
	delete(l.queue.held, e)
	if how == activemq.Accepted {
		l.broker.tell(Event{What: Settled, Queue: l.queue.name, Message: e.message, Container: l.container})
		return
	}
	l.broker.bury(l.queue, e)
}

// Close gives back what is not settled. If ctx is done the connection is cut.
func (l *link) Close(ctx context.Context) error {
	err := l.broker.call(ctx, Call{Do: "Close", Container: l.container}, func() error {
		l.broker.drop(l, 0, errClosed)
		return nil
	})
	if err != nil {
		l.broker.mu.Lock()
		defer l.broker.mu.Unlock()
		l.broker.drop(l, 1, err)
	}
	return err
}
