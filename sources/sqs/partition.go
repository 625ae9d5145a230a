package sqs

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/pool"
)

// emptyPause is how long a Fetch that may not wait for a long poll waits after a
// short poll that brought nothing.
const emptyPause = 200 * time.Millisecond

// partition is the queue. Receives run in goroutines of its own, under its own
// context: a Fetch that gives up leaves its receive running, and what that brings
// goes to another Fetch, the next one, or back to the queue. So no receive is cut in
// a way that leaves messages hidden with nobody knowing of them.
type partition struct {
	source *Source
	setup  *setup

	work context.Context //nolint:containedctx // of the receives, which outlive the calls that start them
	cut  context.CancelFunc
	pool *pool.Pool[request]

	watch     sync.WaitGroup // of the goroutine that asks for the backlog
	stopWatch context.CancelFunc

	heart   *heartbeat // nil if off
	handled handled
	denied  atomic.Bool // Fail lacks the permission

	mu       sync.Mutex // of what follows; nothing blocks under it
	waiters  waiters
	asked    int           // units that the shared receives under way asked for
	dry      bool          // the last long poll brought nothing
	answer   time.Duration // that the last receive took which brought something
	lingerer *time.Timer   // of a receive that waits for others to share it
	// lingering says that such a receive will begin, at lingers.
	lingering bool
	lingers   time.Time
	company   int // how many Fetches waited when that was decided
	vain      int // how many receives do not wait the next time that nobody came
	skips     int // how many more do not wait now
	late      late
	stopped   bool // no receive begins any more
	closing   bool // what comes is given back
}

var (
	_ sources.Partition = (*partition)(nil)
	_ sources.Releaser  = (*partition)(nil)
	_ sources.Failer    = (*partition)(nil)
	_ sources.Extender  = (*partition)(nil)
	_ sources.Stopper   = (*partition)(nil)
)

func newPartition(ctx context.Context, s *Source) *partition { //nolint:contextcheck // calls outlive the one that starts them
	const rest = 30 * time.Second // of goroutines that have nothing to do
	p := &partition{
		source: s, setup: s.setup,
		waiters: waiters{whole: s.queue.FIFO}, late: late{whole: s.queue.FIFO},
	}
	p.work, p.cut = context.WithCancel(context.WithoutCancel(ctx))
	p.pool = pool.New(func() func(request) {
		receipt := new(receipt)
		return func(r request) { p.do(r, receipt) }
	}, rest)
	watched, stop := context.WithCancel(p.work)
	p.stopWatch = stop
	p.watch.Go(func() { p.watchBacklog(watched) })
	if s.options.Heartbeat {
		p.heart = startHeartbeat(p) //nolint:contextcheck // lives as long as the partition
	}
	return p
}

// ID is the queue's name.
func (p *partition) ID() string { return p.source.queue.Name }

// Fetch takes what came late, or waits for receives. If it may not wait for a long
// poll it makes short ones, with pauses.
func (p *partition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if wait <= 0 || wait >= shortest {
		return p.fetch(ctx, buf, wait)
	}
	deadline := time.Now().Add(wait)
	for {
		n, err := p.fetch(ctx, buf, max(time.Until(deadline), 1))
		left := time.Until(deadline)
		if n > 0 || err != nil || left <= 0 {
			return n, err
		}
		if left >= emptyPause+answerTime {
			left = emptyPause
		}
		if err := rest(ctx, left); err != nil || !time.Now().Before(deadline) {
			return 0, err
		}
	}
}

// fetch waits for one receive and what follows from it.
func (p *partition) fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	const short = time.Second // for the one short call of a Fetch that may not wait
	now := time.Now()
	p.mu.Lock()
	if n := p.takeLate(buf, now); n > 0 {
		p.mu.Unlock()
		return n, nil
	}
	grace := wait
	if wait <= 0 {
		grace = short
	}
	w := p.waiters.enter(buf, now.Add(grace))
	if p.stopped || wait >= shortest {
		p.waiters.join(w)
		p.share(now)
	} else {
		w.more = wait > 0 && !p.waiters.whole
		p.begin(request{own: w, places: min(len(buf), maxEntries)})
	}
	p.mu.Unlock()
	return p.await(ctx, w)
}

// await waits until w is served or gives up.
func (p *partition) await(ctx context.Context, w *waiter) (int, error) {
	for {
		signal := false
		select {
		case <-w.signal:
			signal = true
		case <-w.timer.C:
		case <-ctx.Done():
		}
		p.mu.Lock()
		if signal && w.waits { // it gathers, and has another deadline
			w.timer.Reset(time.Until(w.deadline))
			p.mu.Unlock()
			continue
		}
		gaveUp := w.waits
		n, err := p.waiters.leave(w)
		p.mu.Unlock()
		if gaveUp && n == 0 && err == nil {
			err = ctx.Err()
		}
		return n, err
	}
}

// Stop has no further receive begin. See [sources.Stopper].
func (p *partition) Stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
	p.share(time.Now())
}

// Close gives back what came late at once, and what the receives under way bring as
// soon as they do. It waits for these, at most the rest of their long poll and ten
// seconds: a long poll cannot be ended without losing what it brings. It cuts them
// off when ctx is done.
func (p *partition) Close(ctx context.Context) error {
	p.heart.stop()
	p.stopWatch()
	p.mu.Lock()
	p.stopped, p.closing = true, true
	if p.lingerer != nil {
		p.lingerer.Stop()
	}
	p.mu.Unlock()
	err := p.giveBack(ctx)
	done := make(chan struct{})
	go func() {
		p.pool.Close()
		p.watch.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	p.cut()
	<-done
	return err
}

// giveBack makes what came late visible again.
func (p *partition) giveBack(ctx context.Context) error {
	p.mu.Lock()
	left := p.late.empty()
	p.mu.Unlock()
	err := p.Release(ctx, left)
	if err != nil {
		return fmt.Errorf("sqs: queue %s: some of %d messages not given back: %w", p.ID(), len(left), err)
	}
	return nil
}

// tell tells of a failure that no call returns. The mapping logs what it is told.
func (p *partition) tell(what string, err error) {
	if p.work.Err() != nil {
		return // cut off by Close
	}
	if p.setup.report != nil {
		p.setup.report(fmt.Errorf("%s: %w", what, err))
	}
	if p.setup.report == nil || p.source.options.Logger != nil {
		p.setup.logger.Warn(what, "queue", p.ID(), "error", err)
	}
}

// rest waits for d, or until ctx is done: then it returns ctx's error.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
