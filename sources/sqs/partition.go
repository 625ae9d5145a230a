package sqs

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// partition is the queue. Receives run in goroutines of its own, under its own
// context: a caller that gives up leaves its receive running, and what that
// brings goes to others or to the stock. So no receive is cut in a way that
// leaves messages hidden with nobody knowing of them.
type partition struct {
	source *Source
	setup  *setup
	life   time.Duration // how long a received message may be handed out
	rest   time.Duration // how long after that it is the mapping's still

	work context.Context //nolint:containedctx // of the receives, which outlive the calls that start them
	cut  context.CancelFunc
	crew *crew

	heart   *heartbeat // nil if off
	handled handled

	mu      sync.Mutex // of what follows; nothing blocks under it
	line    line
	asked   int // places that the shared receives under way asked for
	stock   stock
	closing bool
}

var (
	_ sources.Partition = (*partition)(nil)
	_ sources.Releaser  = (*partition)(nil)
	_ sources.Failer    = (*partition)(nil)
)

func newPartition(ctx context.Context, s *Source) *partition {
	const tenth = 10

	visibility := s.setup.visibility
	p := &partition{
		source: s,
		setup:  s.setup,
		// The timeout began before the answer arrived.
		life:  visibility - min(time.Second, visibility/tenth),
		stock: stock{whole: s.queue.fifo, slow: visibility / tenth},
	}
	p.work, p.cut = context.WithCancel(context.WithoutCancel(ctx))
	p.crew = newCrew(p.receive)

	if s.options.Heartbeat {
		// Stock is not extended: what leaves it must live until the next beat,
		// which comes after a third.
		p.rest = p.life - visibility/2
		p.life -= p.rest
		p.heart = startHeartbeat(p) //nolint:contextcheck // lives as long as the partition
	}

	return p
}

// ID is the queue's name.
func (p *partition) ID() string { return p.source.queue.name }

// Fetch takes from stock, or waits for a receive: one of its own, or a shared
// one, see [partition.shares].
func (p *partition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	err := ctx.Err()
	if err != nil {
		return 0, err
	}

	n, err := p.fetch(ctx, buf, wait)
	p.heart.add(buf[:n])

	return n, err
}

func (p *partition) fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	now := time.Now()

	p.mu.Lock()

	n := p.stock.take(buf, now)
	if n > 0 {
		p.mu.Unlock()

		return n, nil
	}

	w := p.line.enter(buf, now.Add(wait))

	if p.shares(len(buf), wait) {
		p.line.join(w)
		p.share(now)
	} else {
		//nolint:contextcheck // a receive outlives the call that starts it
		p.crew.begin(p.work, order{own: w, places: min(len(buf), mostEntries), wait: p.waitSeconds(wait)})
	}
	p.mu.Unlock()

	select {
	case <-w.served:
	case <-ctx.Done():
	}

	p.mu.Lock()
	defer p.mu.Unlock()

	return p.line.leave(w, ctx)
}

// shares tells whether a Fetch waits for a shared receive: small and idle ones
// do, so that lanes of small batches cost few calls. A batch that is gathering
// takes exactly what it wants, and so does FIFO, where a receive must not be
// split over lanes (P4 of the design: order within a group).
func (p *partition) shares(places int, wait time.Duration) bool {
	return !p.source.queue.fifo && places < mostEntries && wait >= p.source.options.WaitTime
}

// waitSeconds is the long poll for a Fetch that may wait so long.
func (p *partition) waitSeconds(wait time.Duration) int32 {
	return seconds(min(wait, p.source.options.WaitTime))
}

// Close makes the stock visible again at once, and what the receives under way
// bring as soon as they do. It waits for these, at most the rest of their long
// poll, and cuts them off when ctx is done.
func (p *partition) Close(ctx context.Context) error {
	p.heart.stop()

	p.mu.Lock()
	p.closing = true
	p.mu.Unlock()

	err := p.giveBack(ctx)
	done := make(chan struct{})

	go func() {
		p.crew.busy.Wait()
		close(done)
	}()

	select {
	case <-done:
	case <-ctx.Done():
	}

	p.cut()
	<-done
	p.crew.members.Wait()

	return err
}

// giveBack empties the stock.
func (p *partition) giveBack(ctx context.Context) error {
	p.mu.Lock()
	left := p.stock.empty(time.Now().Add(-p.rest))
	p.mu.Unlock()

	err := p.Release(ctx, left)
	if err != nil {
		return fmt.Errorf("sqs: queue %s: some of %d messages not given back: %w", p.ID(), len(left), err)
	}

	return nil
}
