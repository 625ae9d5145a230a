package rabbitmq

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"
)

// link is one life of the channel: what was delivered over it can be acknowledged on it
// alone. When it ends another link takes its place, and what it delivered is the broker's
// again.
type link struct {
	*session
	partition *partition
	serial    uint64
	dead      atomic.Bool
	// turn has a token while nobody speaks on the channel.
	turn chan struct{}
	tag  string // of the consumer; whoever has the turn
	tags []uint64
	// deliveries are the pump's. nudge has a token when it is to look whether another
	// prefetch is wanted.
	deliveries <-chan amqp.Delivery
	nudge      chan struct{}
	block      *block
	received   uint64
	prefetch   int
	largest    int // bytes of messages that came lately
	warned     bool

	// Guarded by the partition's mutex.
	book   ledger
	buffer queue
	handed int
	asked  bool // the consumer was cancelled by us
}

// blockSize is how many deliveries are allocated together.
const blockSize = 16

// block is what some deliveries share: they live as long as the last of them.
type block struct {
	deliveries [blockSize]amqp.Delivery
	used       int
	ids        string // of all of them, one after the other
	ends       [blockSize]uint16
}

// next returns a place for a delivery with its tag, and the ID that this has if the
// sender gave none.
func (l *link) next() (*amqp.Delivery, string) {
	b := l.block
	if b == nil || b.used == blockSize {
		b = &block{}
		const decimal, digits = 10, 24
		ids := make([]byte, 0, blockSize*digits)
		for i := range blockSize {
			ids = append(strconv.AppendUint(ids, l.serial, decimal), '-')
			ids = strconv.AppendUint(ids, l.received+uint64(i)+1, decimal)
			b.ends[i] = uint16(len(ids)) //nolint:gosec // far less
		}
		b.ids = string(ids)
		l.block = b
	}
	i := b.used
	b.used++
	from := uint16(0)
	if i > 0 {
		from = b.ends[i-1]
	}
	return &b.deliveries[i], b.ids[from:b.ends[i]]
}

// subscribe begins to consume.
func (l *link) subscribe(ctx context.Context) error {
	l.nextTag()
	err := l.call(ctx, func() error {
		if err := l.channel.Qos(l.prefetch, 0, false); err != nil {
			return err //nolint:wrapcheck // wrapped below
		}
		deliveries, err := l.channel.Consume(l.partition.source.options.Queue, l.tag, false, false, false, false, nil)
		l.deliveries = deliveries
		return err //nolint:wrapcheck // wrapped below
	})
	if err != nil {
		return fmt.Errorf("rabbitmq: consume %s: %w", l.partition.source.name(), err)
	}
	return nil
}

// nextTag gives the consumer a tag: another one each time.
func (l *link) nextTag() {
	base := l.partition.source.options.ConsumerTag
	if l.tag == base {
		l.tag = base + "+"
	} else {
		l.tag = base
	}
}

// pump takes deliveries from the client until there are no more.
func (l *link) pump(ctx context.Context) {
	for {
		select {
		case d, ok := <-l.deliveries:
			if !ok {
				l.ended()
				return
			}
			if !l.receive(&d) || !l.more() {
				return
			}
		case <-l.nudge:
		}
		if n := l.wanted(); n != l.prefetch {
			if err := l.resize(ctx, n); err != nil {
				l.partition.end(l, err)
				return
			}
		}
	}
}

// more takes over what else the client has, before anybody is woken for it: a lane that
// is woken for each message has a processor change hands as often. It reports false if the
// link is of no use any more.
func (l *link) more() bool {
	const most = 1000
	defer l.partition.signal()
	yielded := false
	for range most {
		select {
		case d, ok := <-l.deliveries:
			if !ok {
				l.ended()
				return false
			}
			if !l.receive(&d) {
				return false
			}
			yielded = false
		default:
			if yielded {
				return true
			}
			yielded = true
			runtime.Gosched() // the client's goroutine may have the next
		}
	}
	return true
}

// ended says that the client has no more deliveries, and why.
func (l *link) ended() {
	const wait = time.Second
	err := errGone
	if !l.partition.stopped(l) {
		err = l.end(wait)
	}
	l.partition.end(l, err)
}

// receive takes over a delivery. It reports false if the link is of no use any more.
func (l *link) receive(d *amqp.Delivery) bool {
	place, id := l.next()
	*place = *d
	l.received++
	place.Acknowledger = l
	if place.Body == nil {
		place.Body = []byte{}
	}
	size := l.partition.source.size(place)
	l.largest = max(len(place.Body), l.largest-l.largest/blockSize/4)
	l.lookAtCount(place)
	if place.Redelivered {
		l.partition.source.counters.redelivered.Add(1)
	}
	return l.partition.took(l, item{delivery: place, id: id, size: size}, time.Now())
}

// lookAtCount warns, once a link, of a message whose queue will soon give up on it.
func (l *link) lookAtCount(d *amqp.Delivery) {
	const near = 3
	s := l.partition.source
	if l.warned || d.Headers == nil {
		return
	}
	count, ok := d.Headers["x-delivery-count"].(int64)
	if ok && count >= int64(s.options.DeliveryLimit-near) {
		l.warned = true
		s.setup.logger.Warn("a message is about to reach the delivery limit of its quorum queue: each restart or lost connection counts",
			slog.Int64("deliveries", count), slog.Int("limit", s.options.DeliveryLimit))
	}
}

// wanted is how many messages the consumer may have fetched: a batch for each lane, and
// fewer if they are large.
func (l *link) wanted() int {
	s := l.partition.source
	full, bound := s.setup.prefetch, s.options.PrefetchBytes
	parked := l.partition.parkedOf(l)
	want := full
	if bound > 0 && l.largest > 0 {
		want = min(full, max(bound/l.largest, 1))
	}
	switch {
	case parked > 0 && l.prefetch-parked < (want+1)/2:
		return min(want+parked, maxPrefetch)
	case parked > 0:
		return l.prefetch
	case want == full && l.prefetch < full, 2*want <= l.prefetch, want >= 2*l.prefetch:
		return want
	default:
		return l.prefetch
	}
}

// resize has the consumer replaced by one with another prefetch. What the old one was sent
// comes first.
func (l *link) resize(ctx context.Context, prefetch int) error {
	if err := l.take(ctx); err != nil {
		return err
	}
	defer l.give()
	if l.partition.stopped(l) {
		return nil
	}
	l.prefetch = prefetch
	err := l.call(ctx, func() error { return l.channel.Cancel(l.tag, false) })
	if err != nil {
		return fmt.Errorf("rabbitmq: cancel consumer of %s: %w", l.partition.source.name(), err)
	}
	for d := range l.deliveries {
		if !l.receive(&d) {
			return errGone
		}
	}
	l.partition.signal()
	return l.subscribe(ctx)
}

// stop has the broker send no more.
func (l *link) stop(ctx context.Context) {
	if l.take(ctx) != nil {
		return
	}
	defer l.give()
	if l.call(ctx, func() error { return l.channel.Cancel(l.tag, false) }) != nil {
		l.conn.Abort()
	}
}

// take waits for the turn to speak on the channel.
func (l *link) take(ctx context.Context) error {
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return ctx.Err() //nolint:wrapcheck // the contract asks for it
	}
}

func (l *link) give() { l.turn <- struct{}{} }

// Ack refuses: the mapping settles its messages.
func (*link) Ack(uint64, bool) error { return errSettles }

// Nack refuses: the mapping settles its messages.
func (*link) Nack(uint64, bool, bool) error { return errSettles }

// Reject refuses: the mapping settles its messages.
func (*link) Reject(uint64, bool) error { return errSettles }

// item is a delivery that waits for a Fetch.
type item struct {
	delivery *amqp.Delivery
	id       string
	size     int
}

// queue is a list that is taken from in front.
type queue struct {
	items []item
	head  int
}

func (q *queue) len() int { return len(q.items) - q.head }

func (q *queue) push(i item) { q.items = append(q.items, i) }

func (q *queue) pop() item {
	i := q.items[q.head]
	q.items[q.head] = item{}
	q.head++
	if q.head == len(q.items) {
		q.items, q.head = q.items[:0], 0
	}
	return i
}

// putBack inserts items, in order of their tags, where they were.
func (q *queue) putBack(back []item) {
	rest := q.items[q.head:]
	merged := make([]item, 0, len(rest)+len(back))
	for len(rest) > 0 && len(back) > 0 {
		if back[0].delivery.DeliveryTag < rest[0].delivery.DeliveryTag {
			merged, back = append(merged, back[0]), back[1:]
		} else {
			merged, rest = append(merged, rest[0]), rest[1:]
		}
	}
	q.items, q.head = append(append(merged, back...), rest...), 0
}
