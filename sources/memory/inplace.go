package memory

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// hiddenInPlace is how long what is fetched stays hidden of a queue that does not
// redeliver: for longer than any process lives.
const hiddenInPlace = 100 * 365 * 24 * time.Hour

// inPlacePartition is a queue of a message broker: what it has handed out stays with the
// mapping until it is settled, or the partition is closed.
type inPlacePartition struct {
	queue queuePartition

	mu   sync.Mutex
	held map[*entry]sources.Record
}

var (
	_ sources.Releaser = (*inPlacePartition)(nil)
	_ sources.Rejecter = (*inPlacePartition)(nil)
	_ sources.Failer   = (*inPlacePartition)(nil)
)

// inPlaceTraits changes the traits of SQS to those of a broker (MQ-10, MQ-11, MQ-25).
func inPlaceTraits(traits sources.Traits, rejects bool) sources.Traits {
	const usual = 100
	traits.Redelivers, traits.Grouped, traits.Rejects = false, false, rejects
	traits.BatchSize.Default, traits.UnwindowedBatchSize = usual, 0
	traits.Window.Default, traits.WindowFromRecord = 500*time.Millisecond, true
	traits.Scaling = sources.Scaling{Initial: 1, Idle: 1, Failing: 1, Max: 1, PerMinute: 60}
	traits.Provisioned = sources.Provisioned{}
	return traits
}

// ID is the queue's name.
func (p *inPlacePartition) ID() string { return p.queue.ID() }

// Fetch takes what is visible.
func (p *inPlacePartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.queue.Fetch(ctx, buf, wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range buf[:n] {
		buf[i].Expires = time.Time{}
		p.held[messageOf(&buf[i]).entry] = buf[i]
	}
	return n, err
}

// Ack deletes the messages.
func (p *inPlacePartition) Ack(ctx context.Context, records []sources.Record) error {
	p.forget(records)
	return p.queue.Ack(ctx, records)
}

// Release makes the messages visible at once.
func (p *inPlacePartition) Release(ctx context.Context, records []sources.Record) error {
	p.forget(records)
	return p.queue.Release(ctx, records)
}

// Reject moves the messages to the dead-letter queue.
func (p *inPlacePartition) Reject(ctx context.Context, records []sources.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.forget(records)
	p.queue.queue.reject(records)
	return nil
}

// Fail leaves the messages hidden until the partition is closed.
func (*inPlacePartition) Fail(context.Context, []sources.Record) error { return nil }

// Close makes visible again what is not settled.
func (p *inPlacePartition) Close(ctx context.Context) error {
	p.mu.Lock()
	left := make([]sources.Record, 0, len(p.held))
	for _, r := range p.held {
		left = append(left, r)
	}
	p.mu.Unlock()
	slices.SortFunc(left, func(a, b sources.Record) int {
		return cmp.Compare(messageOf(&a).entry.sequence, messageOf(&b).entry.sequence)
	})
	p.queue.queue.release(left)
	return p.queue.Close(ctx)
}

func (p *inPlacePartition) forget(records []sources.Record) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range records {
		delete(p.held, messageOf(&records[i]).entry)
	}
}

// reject moves messages in flight to the dead-letter queue, or drops them if there is none.
func (q *Queue) reject(records []sources.Record) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range records {
		m := messageOf(&records[i])
		switch {
		case !q.holds(m):
		case q.options.DeadLetter == nil:
			q.removeEntry(m.entry)
		default:
			q.land(m.entry)
			q.bury(m.entry)
		}
	}
}
