package activemq

import (
	"context"
	"errors"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/sources"
)

// native is the message of a record of this package.
func native(r *sources.Record) *Message {
	m, _ := r.Native.(*Message)
	return m
}

// Ack accepts messages, each by itself: others may be unfinished in between (MQ-30, MQ-31).
func (p *partition) Ack(ctx context.Context, records []sources.Record) error {
	return p.settle(ctx, records, Accepted)
}

// Reject has the broker keep messages as dead letters. ActiveMQ Classic drops those that
// are not persistent, unless its dead letter strategy says otherwise. So of these what is
// given up only because no event document can hold it stays in the queue.
func (p *partition) Reject(ctx context.Context, records []sources.Record) error {
	rejected := make([]sources.Record, 0, len(records))
	for i := range records {
		m := native(&records[i])
		if m != nil && !m.document.Persistent && p.oversized(m) {
			p.finish(records[i : i+1])
			continue
		}
		rejected = append(rejected, records[i])
	}
	return p.settle(ctx, rejected, Rejected)
}

// oversized reports whether no event document can hold a message (MQ-40).
func (p *partition) oversized(m *Message) bool {
	most := p.source.settings.BatchBytes
	return most > 0 && p.source.encoder.Overhead()+m.size > most
}

// settle settles what came over the link that lives. The broker does not confirm it: what
// is under way when a link breaks may be delivered again. After an error nobody knows
// what is settled, so the link is given up and the broker asked.
func (p *partition) settle(ctx context.Context, records []sources.Record, how Outcome) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.mu.Lock()
	l := p.life
	p.mu.Unlock()
	messages := make([]*amqp.Message, 0, len(records))
	var stale []sources.Record
	for i := range records {
		m := native(&records[i])
		switch {
		case m == nil || m.settled.Swap(true): // settled before, which is harmless
		case m.life != l || l.lost.Load():
			stale = append(stale, records[i])
		default:
			messages = append(messages, m.Message)
		}
	}
	if err := p.send(ctx, l, messages, how); err != nil {
		p.broken(l, err) //nolint:contextcheck // it lasts as long as the partition, not as the call
		stale = append(stale[:0], records...)
	}
	p.finish(records)
	if len(stale) > 0 {
		return &sources.AckError{Stale: stale, Err: errStale}
	}
	return nil
}

func (p *partition) send(ctx context.Context, l *life, messages []*amqp.Message, how Outcome) error {
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	return l.link.Settle(ctx, messages, how)
}

// finish frees the groups of records.
func (p *partition) finish(records []sources.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range records {
		if m := native(&records[i]); m != nil && m.life == p.life {
			p.buffer.finish(m)
		}
	}
	if len(p.buffer.messages) > 0 || p.short {
		p.wakeLocked()
	}
}

// Release puts records back into the buffer, for the next Fetch. The broker is not told:
// ActiveMQ Classic keeps what is released for the link that released it. Others have it
// when the link is closed, without a delivery more. What has expired is not for this link
// any more: the broker deals with it by its rules, ActiveMQ Classic as with a dead letter.
func (p *partition) Release(ctx context.Context, records []sources.Record) error {
	now := time.Now()
	var (
		back    []*Message
		expired []sources.Record
	)
	p.mu.Lock()
	for i := range records {
		m := native(&records[i])
		switch {
		case m == nil || m.life != p.life || !m.out || m.settled.Load():
		case !records[i].Lasts(now, 0):
			expired = append(expired, records[i])
		default:
			back = append(back, m)
		}
	}
	p.buffer.putBack(back)
	p.wakeLocked()
	p.mu.Unlock()
	if len(expired) == 0 {
		return nil
	}
	err := p.settle(ctx, expired, Undeliverable)
	if errors.Is(err, errStale) {
		return nil // the queue has them
	}
	return err
}

// Holds reports whether the link over which a record came lives. If it does not the engine
// forgets the record, and others of its group may follow.
func (p *partition) Holds(r *sources.Record) bool {
	m := native(r)
	if m == nil || !m.life.lost.Load() {
		return true
	}
	if !m.dropped.Swap(true) {
		p.timer.Reset(0) // somebody may wait for it
	}
	return false
}
