package rabbitmq

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/sources"
)

// frames writes what settles the deliveries with these tags, which are in order. Everything
// of the channel is settled below a tag.
type frames func(l *link, tags []uint64, below uint64) error

// Ack acknowledges records, each over the link that delivered it: with one frame those
// below which everything of the channel is settled, and one by one the others (M2).
// Nothing is sent for a record whose link has ended (M1), or that is settled (M16).
func (p *partition) Ack(ctx context.Context, records []sources.Record) error {
	return p.settle(ctx, records, func(l *link, tags []uint64, below uint64) error {
		n := 0
		for n < len(tags) && tags[n] < below {
			n++
		}
		if n > 0 {
			if err := l.channel.Ack(tags[n-1], n > 1); err != nil {
				return err //nolint:wrapcheck // told as the first cause
			}
		}
		for _, tag := range tags[n:] {
			if err := l.channel.Ack(tag, false); err != nil {
				return err //nolint:wrapcheck // told as the first cause
			}
		}
		return nil
	})
}

// Reject gives records up: the broker dead-letters them, with the reason rejected.
func (p *partition) Reject(ctx context.Context, records []sources.Record) error {
	return p.settle(ctx, records, nack(false))
}

func nack(requeue bool) frames {
	return func(l *link, tags []uint64, _ uint64) error {
		for _, tag := range tags {
			if err := l.channel.Nack(tag, false, requeue); err != nil {
				return err //nolint:wrapcheck // told as the first cause
			}
		}
		return nil
	}
}

// settle settles records over their links, by frames that send writes.
func (p *partition) settle(ctx context.Context, records []sources.Record, send frames) error {
	var stale []sources.Record
	first := errStale
	for from := 0; from < len(records); {
		l, _ := linkOf(&records[from])
		to := from + 1
		for to < len(records) {
			if other, _ := linkOf(&records[to]); other != l {
				break
			}
			to++
		}
		if l != nil {
			old, err := l.settle(ctx, records[from:to], send)
			if ctx.Err() != nil && err != nil && len(old) == 0 {
				return err
			}
			if err != nil {
				first = err
			}
			stale = append(stale, old...)
		}
		from = to
	}
	if len(stale) > 0 {
		return &sources.AckError{Stale: stale, Err: first}
	}
	return nil
}

// settle settles records of one link, and returns those that cannot be any more. An error
// without any means that nothing was done.
func (l *link) settle(ctx context.Context, records []sources.Record, send frames) ([]sources.Record, error) {
	of := l.partition
	if err := l.take(ctx); err != nil {
		return nil, err
	}
	defer l.give()
	of.mu.Lock()
	if l.dead.Load() {
		var stale []sources.Record
		for i := range records {
			if _, tag := linkOf(&records[i]); l.book.isOpen(tag) {
				stale = append(stale, records[i])
			}
		}
		of.mu.Unlock()
		return stale, errStale
	}
	tags := l.tags[:0]
	for i := range records {
		_, tag := linkOf(&records[i])
		if e := l.book.at(tag); e != nil && e.state == handed {
			l.handed--
		}
		if l.book.settle(tag) {
			tags = append(tags, tag)
		}
	}
	below := l.book.advance()
	of.mu.Unlock()
	l.tags = tags
	if !slices.IsSorted(tags) {
		slices.Sort(tags)
	}
	if len(tags) == 0 {
		return nil, nil
	}
	// The frames are written whatever becomes of ctx: half of them would be a fault.
	err := l.call(context.WithoutCancel(ctx), func() error { return send(l, tags, below) })
	if err != nil {
		of.mu.Lock()
		of.drop(l, err)
		of.mu.Unlock()
		return slices.Clone(records), err
	}
	return nil, nil
}

// Release gives records back. Those that nobody has begun with go to the mapping's other
// lanes, and with Close to the broker: it would hand them out again to this same consumer,
// and count that. Those that have expired go to the broker at once, which deals with them by
// its own rule (M8). Those that were held for as long as its consumer timeout permits go to
// it too: with one lane together with all that is held, so that order is kept (M9).
func (p *partition) Release(ctx context.Context, records []sources.Record) error {
	now := time.Now()
	var back, expired []sources.Record
	var overdue *link
	p.mu.Lock()
	for i := range records {
		r := &records[i]
		l, tag := linkOf(r)
		if l == nil || l.dead.Load() || !l.book.isOpen(tag) {
			continue
		}
		switch {
		case r.Lasts(now, 0):
			back = append(back, *r)
		case p.source.setup.lanes == 1 && l.isDue(r, tag, now):
			overdue = l
		default:
			expired = append(expired, *r)
		}
	}
	p.buffer(back)
	if overdue != nil {
		p.recycle(overdue, now)
	}
	p.mu.Unlock()
	if len(expired) == 0 {
		return nil
	}
	p.source.setup.logger.Info("messages given back to the broker: they expired, or were held as long as its consumer timeout permits",
		slog.Int("messages", len(expired)))
	return p.settle(ctx, expired, nack(true))
}

// isDue reports whether it is for the consumer timeout that a record is given back, and not
// for its own expiration. The caller holds mu.
func (l *link) isDue(r *sources.Record, tag uint64, now time.Time) bool {
	e := l.book.at(tag)
	d, ok := r.Native.(*amqp.Delivery)
	if e == nil || !ok || l.partition.source.setup.hold <= 0 {
		return false
	}
	life, mortal := lifeOf(d)
	return !mortal || now.Before(e.came.Add(life))
}

// buffer puts records back where they were. The caller holds mu.
func (p *partition) buffer(records []sources.Record) {
	slices.SortStableFunc(records, func(a, b sources.Record) int {
		_, x := linkOf(&a)
		_, y := linkOf(&b)
		return cmp.Compare(x, y)
	})
	l := p.link
	items := make([]item, 0, len(records))
	for i := range records {
		of, tag := linkOf(&records[i])
		if of != l || l == nil {
			continue
		}
		e := l.book.at(tag)
		if e == nil || e.state != handed {
			continue
		}
		e.state = buffered
		l.handed--
		d, _ := records[i].Native.(*amqp.Delivery)
		items = append(items, item{delivery: d, id: records[i].ID, size: records[i].Size})
	}
	if len(items) > 0 {
		l.buffer.putBack(items)
		p.signal()
	}
}

// recycle has a link replaced by a new one, before the broker's consumer timeout ends it.
// The caller holds mu.
func (p *partition) recycle(l *link, now time.Time) {
	if l.dead.Swap(true) {
		return
	}
	p.source.setup.logger.Warn("messages are given back and fetched anew, before the broker's consumer timeout strikes",
		slog.Duration("held", now.Sub(l.book.oldest(true))), slog.Duration("consumerTimeout", p.source.options.ConsumerTimeout),
		slog.Int("messages", l.book.open))
	l.buffer = queue{}
	if p.link == l {
		p.link = nil
	}
	p.source.counters.recycled.Add(1)
	p.connecting = true
	p.all.Go(func() {
		_ = l.close(p.ctx) // and then it is the next one's turn, so that nothing comes in between
		p.mu.Lock()
		p.connecting = false
		if p.stopping {
			p.ended = true
		}
		p.broadcast()
		p.mu.Unlock()
	})
}

// recycleParked gives back what was left alone, before the consumer timeout strikes. The
// caller holds mu.
func (p *partition) recycleParked(l *link) {
	hold := p.source.setup.hold
	if l.book.parked == 0 || hold <= 0 || l.handed > 0 || l.asked {
		return
	}
	if now := time.Now(); now.Sub(l.book.oldest(true)) >= hold {
		p.recycle(l, now)
	}
}

// Fail leaves records alone that are too large for an event document, and that nobody
// takes: they stay in the queue, unacknowledged, and come again when the channel is
// closed.
func (p *partition) Fail(_ context.Context, records []sources.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range records {
		l, tag := linkOf(&records[i])
		if l == nil || !l.book.park(tag) {
			continue
		}
		l.handed--
		select {
		case l.nudge <- struct{}{}:
		default:
		}
	}
	return nil
}
