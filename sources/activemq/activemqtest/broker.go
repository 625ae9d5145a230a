package activemqtest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/sources/activemq"
)

// DeadLetters is the queue of what expired or was rejected.
const DeadLetters = "ActiveMQ.DLQ"

// Broker is a broker in memory. Make one with [NewBroker].
type Broker struct {
	mu     sync.Mutex
	queues map[string]*queue
	links  []*link // that are open, in the order in which they were opened
	names  map[string]bool
	order  uint64
	gate   Gate
	fault  func(Call) error
	watch  func(Event)
	login  *[2]string
	strict bool
	fail   error // of every Attach
	silent bool
}

// queue is one queue.
type queue struct {
	name   string
	ready  []*entry
	held   map[*entry]struct{} // delivered and not settled
	owners map[string]*link
	turn   int // whose turn among links is it
}

// entry is a message in a queue.
type entry struct {
	message *amqp.Message // as it was sent
	number  uint64
	count   uint32 // deliveries that failed
	expires time.Time
	link    *link
}

// NewBroker returns a broker that makes queues on demand and takes every login.
func NewBroker() *Broker {
	return &Broker{queues: make(map[string]*queue), names: make(map[string]bool)}
}

// Client returns a client that connects to the broker, whatever the endpoint.
func (b *Broker) Client() activemq.Client { return client{b} }

// SetLogin has the broker refuse every other login.
func (b *Broker) SetLogin(username, password string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.login = &[2]string{username, password}
}

// SetStrict has the broker refuse links to queues that AddQueue or Send did not make.
func (b *Broker) SetStrict(strict bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.strict = strict
}

// SetDown has every attempt to connect fail with err, nil for none.
func (b *Broker) SetDown(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// SetSilent has the broker send nothing and answer no call, as one that is not there any
// more and whose connections are open. What was asked meanwhile stays unanswered.
func (b *Broker) SetSilent(silent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silent = silent
	for _, q := range b.queues {
		b.dispatch(q)
	}
}

// AddQueue makes a queue.
func (b *Broker) AddQueue(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue(name)
}

// DeleteQueue deletes a queue with its messages, and ends the links to it.
func (b *Broker) DeleteQueue(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range slices.Clone(b.links) {
		if l.queue.name == name {
			b.drop(l, 0, &amqp.LinkError{RemoteErr: &amqp.Error{Condition: amqp.ErrCondResourceDeleted}})
		}
	}
	delete(b.queues, name)
}

func (b *Broker) queue(name string) *queue {
	q := b.queues[name]
	if q == nil {
		q = &queue{name: name, owners: make(map[string]*link), held: make(map[*entry]struct{})}
		b.queues[name] = q
	}
	return q
}

// Text is a persistent text message.
func Text(body string) *amqp.Message {
	const usual = 4
	return &amqp.Message{Value: body, Header: &amqp.MessageHeader{Durable: true, Priority: usual}}
}

// Grouped is a persistent text message of a message group.
func Grouped(group, body string) *amqp.Message {
	m := Text(body)
	m.Properties = &amqp.MessageProperties{GroupID: &group}
	return m
}

// Send puts messages into a queue, which it makes if need be. They must not be changed
// afterwards.
func (b *Broker) Send(name string, messages ...*amqp.Message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queue(name)
	for _, m := range messages {
		b.order++
		e := &entry{message: m, number: b.order}
		if h := m.Header; h != nil && h.TTL > 0 {
			e.expires = time.Now().Add(h.TTL)
		}
		q.ready = append(q.ready, e)
	}
	b.dispatch(q)
}

// Cut cuts all connections: what was not settled comes again, with a delivery more.
func (b *Broker) Cut() { b.CutConnections("") }

// CutConnections is Cut for those connections whose names begin so. It returns how many
// there were.
func (b *Broker) CutConnections(prefix string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	cut := 0
	for _, l := range slices.Clone(b.links) {
		if strings.HasPrefix(l.container, prefix) {
			b.drop(l, 1, &amqp.ConnError{})
			cut++
		}
	}
	return cut
}

// Len is how many messages a queue has, those that are delivered and not settled included.
func (b *Broker) Len(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queue(name)
	b.expire(q)
	return len(q.ready) + len(q.held)
}

// Unsettled is how many messages of a queue are delivered and not settled.
func (b *Broker) Unsettled(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.queue(name).held)
}

// Messages are the messages of a queue, in order, with the deliveries that failed so far.
func (b *Broker) Messages(name string) []*amqp.Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.queue(name)
	b.expire(q)
	all := slices.AppendSeq(slices.Clone(q.ready), maps.Keys(q.held))
	slices.SortFunc(all, byNumber)
	messages := make([]*amqp.Message, len(all))
	for i, e := range all {
		messages[i] = e.delivery()
	}
	return messages
}

// Links is how many links to a queue are open.
func (b *Broker) Links(name string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, l := range b.links {
		if l.queue.name == name {
			n++
		}
	}
	return n
}

func byNumber(a, b *entry) int {
	if a.number < b.number {
		return -1
	}
	return 1
}

// delivery is the message as the broker hands it out.
func (e *entry) delivery() *amqp.Message {
	m := *e.message
	if e.count > 0 || m.Header != nil {
		var h amqp.MessageHeader
		if m.Header != nil {
			h = *m.Header
		}
		h.DeliveryCount = e.count
		m.Header = &h
	}
	return &m
}

// group is the message group, "" for none.
func (e *entry) group() string {
	if p := e.message.Properties; p != nil && p.GroupID != nil {
		return *p.GroupID
	}
	return ""
}

// container names the connection that a message was delivered over, "" for none.
func (e *entry) container() string {
	if e.link == nil {
		return ""
	}
	return e.link.container
}

// expire has what expired leave a queue. The caller holds mu.
func (b *Broker) expire(q *queue) {
	now := time.Now()
	q.ready = slices.DeleteFunc(q.ready, func(e *entry) bool {
		over := !e.expires.IsZero() && !now.Before(e.expires)
		if over {
			b.bury(q, e)
		}
		return over
	})
}

// bury puts a message into the dead-letter queue, if it is persistent.
func (b *Broker) bury(q *queue, e *entry) {
	b.tell(Event{What: Buried, Queue: q.name, Message: e.message, Container: e.container()})
	if h := e.message.Header; h == nil || !h.Durable || q.name == DeadLetters {
		return
	}
	dead := b.queue(DeadLetters)
	b.order++
	dead.ready = append(dead.ready, &entry{message: e.message, number: b.order, count: e.count})
	b.dispatch(dead)
}

// dispatch sends what is ready to links that have credit. The caller holds mu.
func (b *Broker) dispatch(q *queue) {
	able := func(l *link) bool { return l.queue == q && l.credit > 0 }
	if b.silent || !slices.ContainsFunc(b.links, able) {
		return
	}
	b.expire(q)
	kept := q.ready[:0]
	for _, e := range q.ready {
		l := b.choose(q, e)
		if l == nil {
			kept = append(kept, e)
			continue
		}
		l.credit--
		e.link = l
		q.held[e] = struct{}{}
		b.later(l, e)
	}
	clear(q.ready[len(kept):])
	q.ready = kept
}

// choose returns the link that a message goes to: that of its group, or else one with
// credit, by turns.
func (b *Broker) choose(q *queue, e *entry) *link {
	if owner := q.owners[e.group()]; owner != nil && e.group() != "" {
		if owner.credit > 0 {
			return owner
		}
		return nil
	}
	var able []*link
	for _, l := range b.links {
		if l.queue == q && l.credit > 0 {
			able = append(able, l)
		}
	}
	if len(able) == 0 {
		return nil
	}
	q.turn++
	l := able[q.turn%len(able)]
	if group := e.group(); group != "" {
		q.owners[group] = l
	}
	return l
}

// drop ends a link, whose messages are the queue's again with so many deliveries more.
func (b *Broker) drop(l *link, more uint32, err error) {
	if l.broken != nil {
		return
	}
	l.broken = err
	l.inbox = nil
	b.links = slices.DeleteFunc(b.links, func(other *link) bool { return other == l })
	delete(b.names, l.container)
	q := l.queue
	for group, owner := range q.owners {
		if owner == l {
			delete(q.owners, group)
		}
	}
	var back []*entry
	for e := range q.held {
		if e.link == l {
			back = append(back, e)
		}
	}
	slices.SortFunc(back, byNumber)
	for _, e := range back {
		delete(q.held, e)
		b.tell(Event{What: Returned, Queue: q.name, Message: e.message, Container: l.container})
		e.link = nil
		e.count += more
	}
	q.ready = append(q.ready, back...)
	slices.SortFunc(q.ready, byNumber)
	l.rouse()
	b.dispatch(q)
}

// attach opens a link. The caller holds mu.
func (b *Broker) attach(to activemq.Target) (*link, error) {
	switch {
	case b.fail != nil:
		return nil, b.fail
	case b.login != nil && *b.login != [2]string{to.Username, to.Password}:
		return nil, errors.New("SASL PLAIN auth failed with code 0x1: ")
	case b.names[to.Container]:
		return nil, &amqp.ConnError{RemoteErr: &amqp.Error{Condition: amqp.ErrCondInvalidField, Description: "client already connected"}}
	case b.strict && b.queues[to.Queue] == nil:
		return nil, &amqp.Error{Condition: amqp.ErrCondUnauthorizedAccess, Description: "not authorized to create: queue://" + to.Queue}
	}
	l := &link{broker: b, queue: b.queue(to.Queue), container: to.Container, signal: make(chan struct{}, 1)}
	b.links = append(b.links, l)
	b.names[to.Container] = true
	return l, nil
}

// client is a client of a broker.
type client struct{ broker *Broker }

func (c client) Attach(ctx context.Context, to activemq.Target) (activemq.Link, error) {
	var l *link
	err := c.broker.call(ctx, Call{Do: "Attach", Container: to.Container}, func() (err error) {
		l, err = c.broker.attach(to)
		return err
	})
	if err == nil {
		return l, nil
	}
	c.broker.CutConnections(to.Container) // if nobody waited for it any more
	return nil, err
}
