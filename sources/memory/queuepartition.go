package memory

import (
	"context"
	"time"

	"github.com/openesm/openesm/sources"
)

type queuePartition struct {
	source *queueSource
	queue  *Queue
	hidden time.Duration // how long a receive hides messages
}

// ID is the queue's name.
func (p *queuePartition) ID() string { return p.queue.options.Name }

// Fetch takes what is visible.
func (p *queuePartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var timer *time.Timer
	for {
		n, end, finished := p.queue.receive(buf, p.hidden)
		switch {
		case n > 0:
			return n, nil
		case end:
			return 0, sources.ErrEnd
		case wait <= 0:
			return 0, nil
		}
		if timer == nil {
			timer = time.NewTimer(wait)
			defer timer.Stop()
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-timer.C:
			return 0, nil
		case <-p.queue.arrived:
		case <-p.queue.visible.C:
			p.queue.disarm()
		case <-finished:
		}
	}
}

// Ack deletes the messages.
func (p *queuePartition) Ack(ctx context.Context, records []sources.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if stale := p.queue.remove(records); len(stale) > 0 {
		return &sources.AckError{Stale: stale, Err: errStale}
	}
	return nil
}

// Release makes the messages visible at once. The receive still counts for the
// dead-letter rule, as it does with SQS.
func (p *queuePartition) Release(ctx context.Context, records []sources.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.queue.release(records)
	return nil
}

// Fail has the messages come back after the queue's visibility timeout (SQS-44).
func (p *queuePartition) Fail(ctx context.Context, records []sources.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.queue.fail(records)
	return nil
}

// Extend hides the messages for as long as if they were received now.
func (p *queuePartition) Extend(ctx context.Context, records []sources.Record) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if !p.queue.extend(records, p.hidden) {
		return errStale
	}
	return nil
}

// Close leaves what is in flight to the visibility timeout.
func (p *queuePartition) Close(context.Context) error {
	select {
	case p.source.free <- struct{}{}:
	default: // closed before
	}
	return nil
}
