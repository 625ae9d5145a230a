package rabbitmq

import (
	"context"
	"log/slog"
	"sync"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources"
)

// firstPrefetch is how many messages are fetched at most before it is known how large
// they are.
const firstPrefetch = 100

// partition is the queue as it is read, over one link after the other.
type partition struct {
	source *Source
	ctx    context.Context //nolint:containedctx // ends when the partition is closed
	cancel context.CancelFunc
	all    sync.WaitGroup // its goroutines
	// arrived has a token while there is something that a waiting Fetch may look at.
	arrived chan struct{}

	mu         sync.Mutex
	ready      *session // that nobody consumes on yet; nil for none
	link       *link    // nil while there is none
	connecting bool
	serial     uint64 // of the last link
	// failure is of the last link or attempt to have one, and not told yet; failures counts
	// those. changed is closed at each, and in the end.
	failure  error
	last     error
	failures int
	waiting  int // Fetches
	changed  chan struct{}
	stopping bool
	ended    bool // nothing more comes
	closing  bool
}

var (
	_ sources.Partition      = (*partition)(nil)
	_ sources.Releaser       = (*partition)(nil)
	_ sources.Rejecter       = (*partition)(nil)
	_ sources.Failer         = (*partition)(nil)
	_ sources.Holder         = (*partition)(nil)
	_ sources.Stopper        = (*partition)(nil)
	_ sources.BatchDescriber = (*partition)(nil)
)

func newPartition(s *Source, ready *session) *partition {
	p := &partition{source: s, ready: ready, arrived: make(chan struct{}, 1), changed: make(chan struct{})}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	return p
}

// ID is QUEUE::VHOST, as the event document names the queue (MQ-71).
func (p *partition) ID() string { return p.source.id }

// AppendBatchInfo describes a batch in failure records.
func (p *partition) AppendBatchInfo(dst []byte, records []sources.Record) []byte {
	return p.source.describeBatch(dst, records)
}

// Fetch returns what the broker has sent. It connects, and connects again, as need be:
// one attempt, whose failure it returns.
func (p *partition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err //nolint:wrapcheck // the contract asks for it
	}
	var timer *time.Timer
	seen := -1
	for {
		n, changed, err := p.look(buf, &seen)
		if n > 0 || err != nil || wait <= 0 {
			p.leave()
			return n, err
		}
		if timer == nil {
			timer = time.NewTimer(wait)
			defer timer.Stop()
		}
		select {
		case <-ctx.Done():
			p.leave()
			return 0, ctx.Err() //nolint:wrapcheck // the contract asks for it
		case <-timer.C:
			p.leave()
			return 0, nil
		case <-p.arrived:
		case <-changed:
		}
	}
}

// look takes what there is. seen is how many failures the Fetch knows of, -1 at first.
func (p *partition) look(buf []sources.Record, seen *int) (n int, changed <-chan struct{}, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if *seen < 0 {
		p.waiting++
		*seen = p.failures
		if err = p.failure; err != nil {
			p.failure = nil
			return 0, nil, err
		}
	}
	if *seen != p.failures {
		return 0, nil, p.last
	}
	if p.link != nil {
		p.recycleParked(p.link)
	}
	if p.link != nil {
		n = p.link.hand(buf)
		if p.link.buffer.len() > 0 {
			p.signal()
		}
	}
	switch {
	case n > 0:
	case p.ended:
		p.signal()
		return 0, nil, sources.ErrEnd
	case p.link == nil && !p.connecting && !p.closing:
		p.connecting = true
		p.all.Go(p.connect)
	}
	return n, p.changed, nil
}

func (p *partition) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting--
}

// signal has one waiting Fetch look.
func (p *partition) signal() {
	select {
	case p.arrived <- struct{}{}:
	default:
	}
}

// broadcast has all waiting Fetches look. The caller holds mu.
func (p *partition) broadcast() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// connect makes the next link.
func (p *partition) connect() {
	p.mu.Lock()
	x := p.ready
	p.ready = nil
	p.serial++
	serial := p.serial
	p.mu.Unlock()
	ctx, cancel := context.WithTimeout(p.ctx, startLimit)
	defer cancel()
	var err error
	if x == nil {
		x, err = p.source.dial(ctx)
	}
	if err != nil {
		p.fail(err)
		return
	}
	l := &link{
		session: x, partition: p, serial: serial, prefetch: p.source.setup.prefetch,
		turn: make(chan struct{}, 1), nudge: make(chan struct{}, 1),
	}
	if p.source.options.PrefetchBytes > 0 {
		l.prefetch = min(l.prefetch, firstPrefetch)
	}
	l.turn <- struct{}{}
	p.all.Go(l.watchBlocked)
	if err = l.subscribe(ctx); err != nil {
		x.conn.Abort()
		p.fail(err)
		return
	}
	p.begin(l)
}

// begin has a link serve the partition.
func (p *partition) begin(l *link) {
	p.mu.Lock()
	p.connecting = false
	if p.closing {
		p.mu.Unlock()
		l.dead.Store(true)
		l.conn.Abort()
		return
	}
	p.link = l
	stopping := p.stopping
	l.asked = stopping
	p.mu.Unlock()
	p.source.setup.logger.Debug("consuming", slog.String("endpoint", l.endpoint), slog.Int("prefetch", l.prefetch))
	p.all.Go(func() { l.pump(p.ctx) })
	if stopping {
		l.stop(p.ctx)
	}
}

// watchBlocked tells that the broker blocks the connection: it is in need.
func (l *link) watchBlocked() {
	for b := range l.blocked {
		if b.Active {
			l.partition.source.setup.logger.Warn("the broker is in need and blocks connections that publish; this one only consumes",
				slog.String("reason", b.Reason))
		} else {
			l.partition.source.setup.logger.Info("the broker blocks connections no more")
		}
	}
}

// fail says that there is no link now, and why.
func (p *partition) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.connecting = false
	p.failed(err)
}

// failed tells all waiting Fetches of a failure, or the next one. The caller holds mu.
func (p *partition) failed(err error) {
	p.failures++
	p.last = err
	if p.waiting == 0 {
		p.failure = err
	}
	if p.stopping {
		p.ended = true
	}
	p.broadcast()
}

// took buffers a delivery, and reports false if its link is of no use any more.
func (p *partition) took(l *link, i item, came time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.dead.Load() {
		return false
	}
	if !l.book.add(i.delivery.DeliveryTag, came) {
		p.drop(l, errTag)
		return false
	}
	l.buffer.push(i)
	return true
}

// end says that a link's deliveries have ended: as was asked, or by a fault.
func (p *partition) end(l *link, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.asked && !l.dead.Load() {
		p.ended = true
		p.broadcast()
		return
	}
	p.drop(l, err)
}

// drop lets a link go, with all that it delivered. The caller holds mu.
func (p *partition) drop(l *link, err error) {
	if l.dead.Swap(true) {
		return
	}
	held := time.Duration(0)
	if oldest := l.book.oldest(true); !oldest.IsZero() {
		held = time.Since(oldest)
	}
	l.buffer = queue{}
	if p.link == l {
		p.link = nil
	}
	p.source.setup.logger.Warn("the link to the broker ended, what it delivered and is not settled comes again",
		slog.Any("error", err), slog.Int("messages", l.book.open), slog.Duration("held", held))
	p.failed(err)
	p.all.Go(func() { _ = l.close(p.ctx) })
}

// stopped reports whether the end of a link's consumer was asked for.
func (p *partition) stopped(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.asked || p.closing
}

func (p *partition) parkedOf(l *link) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return l.book.parked
}

// Stop has the broker send no more. What it has sent is still fetched.
func (p *partition) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping || p.closing {
		return
	}
	p.stopping = true
	switch l := p.link; {
	case l != nil:
		l.asked = true
		p.all.Go(func() { l.stop(p.ctx) })
	case !p.connecting:
		p.ended = true
		p.broadcast()
	}
}

// Close gives back what is not settled, by closing the channel: that is one delivery of a
// quorum queue's limit for each (M5). It waits for the broker to have read all
// acknowledgements.
func (p *partition) Close(ctx context.Context) error {
	p.mu.Lock()
	p.closing, p.ended = true, true
	l, ready := p.link, p.ready
	p.link, p.ready = nil, nil
	if l != nil {
		l.asked = true
	}
	p.broadcast()
	p.mu.Unlock()
	var err error
	switch {
	case l != nil:
		err = l.close(ctx)
		l.dead.Store(true)
	case ready != nil:
		err = ready.close(ctx)
	}
	p.cancel()
	p.all.Wait()
	p.source.open.CompareAndSwap(p, nil)
	select {
	case <-p.source.accepted:
	default:
	}
	return err
}

// hand fills buf from the buffer. The caller holds mu.
func (l *link) hand(buf []sources.Record) int {
	n := 0
	for n < len(buf) && l.buffer.len() > 0 {
		i := l.buffer.pop()
		e := l.book.at(i.delivery.DeliveryTag)
		if e == nil || e.state != buffered {
			continue
		}
		e.state = handed
		l.handed++
		buf[n] = l.record(i, e.came)
		n++
	}
	return n
}

// linkOf is the link over which a record came, nil if it is none of this package.
func linkOf(r *sources.Record) (*link, uint64) {
	d, ok := r.Native.(*amqp.Delivery)
	if !ok {
		return nil, 0
	}
	l, _ := d.Acknowledger.(*link)
	return l, d.DeliveryTag
}

// Holds reports whether the link over which a record came still lives.
func (p *partition) Holds(r *sources.Record) bool {
	l, _ := linkOf(r)
	return l != nil && !l.dead.Load()
}
