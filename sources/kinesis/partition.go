package kinesis

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/lease"
)

// partition is a shard while this worker has its lease. Fetch is called by one
// goroutine, Ack by one at a time.
type partition struct {
	source *Source
	id     string
	held   *lease.Held
	reader reader
	lag    lag

	// Of Fetch, and of Close after it.
	stock    stock
	read     checkpoint.Position // behind all that was read
	fetched  checkpoint.Position // of the last record that Fetch returned
	trail    trail
	ended    bool // the shard was read to its end
	children []lease.Shard

	mu       sync.Mutex
	position checkpoint.Position // that is stored
	window   []byte              // that is stored with it
}

var (
	_ sources.Partition      = (*partition)(nil)
	_ sources.Revocable      = (*partition)(nil)
	_ sources.WindowKeeper   = (*partition)(nil)
	_ sources.BatchDescriber = (*partition)(nil)
)

// reader reads a shard on and on. It is used by one goroutine.
type reader interface {
	// next returns what comes next, which may be nothing: after wait, or a little
	// later, it returns in any case. Its errors may pass; it goes on where it was.
	next(ctx context.Context, wait time.Duration) (answer, error)
	// ahead reads on beside what was brought last, if it likes.
	ahead()
	// close lets go of what the reader holds.
	close()
}

func newPartition(s *Source, held *lease.Held) *partition {
	l := held.Lease()
	at := l.Position
	from := s.resumed(at)
	p := &partition{
		source: s, id: held.Shard(), held: held, read: from, fetched: from, position: at, window: l.Window,
	}
	if s.fanOut != nil {
		p.reader = newSubscriber(p)
	} else {
		p.reader = newPoller(p)
	}
	return p
}

// ID is the shard's.
func (p *partition) ID() string { return p.id }

// OnRevoke has revoked called when another worker has asked for the shard, and lost when
// it has it, or may have it soon.
func (p *partition) OnRevoke(revoked, lost func()) {
	p.held.OnAsked(revoked)
	p.held.OnLost(lost)
}

// Fetch returns what was read before, or reads on.
func (p *partition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	err := ctx.Err()
	if err != nil {
		return 0, err
	}
	until := time.Now().Add(wait)
	for {
		n := p.unstock(buf)
		p.lag.fetch(buf[:n], p.stock.arrival())
		if n > 0 {
			return n, nil
		}
		if p.ended {
			return 0, sources.ErrEnd
		}
		left := time.Until(until)
		if wait > 0 && left <= 0 {
			return 0, nil
		}
		a, err := p.reader.next(ctx, left)
		p.take(a)
		p.reader.ahead()
		switch {
		case p.isLost():
			return 0, sources.ErrLost
		case p.trail.loss != nil:
			err, p.trail.loss = p.trail.loss, nil
			return 0, err
		case !p.stock.empty():
		case err != nil:
			return 0, err
		case wait <= 0 && !p.ended:
			return 0, nil
		}
	}
}

// take stocks an answer.
func (p *partition) take(a answer) {
	p.follow(&a)
	if len(a.records) > 0 {
		p.put(a.records)
	}
	if a.answered {
		p.lag.answer(a.behind, time.Now())
	}
	if a.ended {
		p.ended, p.children = true, childrenOf(a.children)
	}
}

func (p *partition) isLost() bool {
	select {
	case <-p.held.Lost():
		return true
	default:
		return false
	}
}

// Ack stores the position behind the last of records, and no window.
func (p *partition) Ack(ctx context.Context, records []sources.Record) error {
	return p.AckWindow(ctx, records, nil)
}

// Window returns what was stored with the position when the shard was taken.
func (p *partition) Window() []byte { return p.held.Lease().Window }

// AckWindow stores the position behind the last of records, and a window.
func (p *partition) AckWindow(ctx context.Context, records []sources.Record, window []byte) error {
	err := ctx.Err()
	if err != nil {
		return err
	}
	p.mu.Lock()
	position := p.position
	p.mu.Unlock()
	if last := len(records) - 1; last >= 0 {
		if to := native(&records[last]).position(); behind(to, p.source.resumed(position)) {
			position = to
		}
	}
	err = p.held.Commit(ctx, position, window)
	if err != nil {
		return err
	}
	if last := len(records) - 1; last >= 0 {
		p.lag.settle(native(&records[last]).position(), records[last].Time)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position, p.window = position, window
	return nil
}

// settled reports whether the shard is done with: it was read to its end, all of it
// was settled, and no window is open (KIN-75).
func (p *partition) settled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.source.resumed(p.position)
	return p.ended && p.stock.empty() && len(p.window) == 0 && (at == p.fetched || !behind(p.fetched, at))
}

// Close gives the lease back, or ends the shard if it is done with, so that its
// children can be read.
func (p *partition) Close(ctx context.Context) error {
	p.source.forget(p)
	p.reader.close()
	if !p.isLost() && p.settled() {
		err := p.end(ctx)
		if err == nil {
			return nil
		}
		return errors.Join(err, p.held.Release(ctx)) // the next owner ends it
	}
	return p.held.Release(ctx)
}

// failed wraps the error of a call for the shard.
func (p *partition) failed(operation string, err error) error {
	target := "shard " + p.id + " of stream " + p.source.stream.name
	if operation == "SubscribeToShard" {
		target += " for consumer " + p.source.consumer
	}
	return failed(operation, target, err)
}

// end has the shard ended in the store, as often as it takes within a while: its
// children wait for that.
func (p *partition) end(ctx context.Context) error {
	const most = 8
	delay := retry.Backoff{Initial: 100 * time.Millisecond, Max: 2 * time.Second}
	for failures := 1; ; failures++ {
		err := p.held.End(ctx, p.children)
		if err == nil || failures == most || errors.Is(err, sources.ErrLost) {
			return err
		}
		if !sleep(ctx, delay.Delay(failures, p.source.options.Jitter())) {
			return err
		}
	}
}

// sleep waits and reports whether ctx lived on.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
