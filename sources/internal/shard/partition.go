package shard

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

// Partition is a shard while this worker has its lease. Fetch is called by one
// goroutine, Ack by one at a time.
type Partition[R any] struct {
	stream *Stream[R]
	id     string
	held   *lease.Held
	reader Reader[R]
	lag    lag

	// Of Fetch, and of Close after it.
	decoder  Decoder[R]
	buffer   []R                 // that were read and not asked for yet
	read     checkpoint.Position // behind all that was read
	fetched  checkpoint.Position // of the last record that Fetch returned
	trail    trail
	ended    bool // the shard was read to its end
	children []lease.Shard

	mu       sync.Mutex
	position checkpoint.Position // that is stored
	window   []byte              // that is stored with it
}

// newPartition returns the partition of a lease, which reads as the stream's options say.
func newPartition[R any](s *Stream[R], held *lease.Held) *Partition[R] {
	l := held.Lease()
	at := l.Position
	from := s.service.Resumed(at)
	p := &Partition[R]{
		stream: s, id: held.Shard(), held: held, read: from, fetched: from, position: at, window: l.Window,
	}
	p.decoder = s.service.NewDecoder(p.id)
	if s.newReader != nil {
		p.reader = s.newReader(p)
	} else {
		p.reader = newPoller(p)
	}
	return p
}

// ID is the shard's.
func (p *Partition[R]) ID() string { return p.id }

// OnRevoke has revoked called when another worker has asked for the shard, and lost when
// it has it, or may have it soon.
func (p *Partition[R]) OnRevoke(revoked, lost func()) {
	p.held.OnAsked(revoked)
	p.held.OnLost(lost)
}

// Lost is closed when the shard is this worker's no more.
func (p *Partition[R]) Lost() <-chan struct{} { return p.held.Lost() }

// Fetch returns what was read before, or reads on.
func (p *Partition[R]) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	err := ctx.Err()
	if err != nil {
		return 0, err
	}
	until := time.Now().Add(wait)
	for {
		if n := p.unbuffer(buf); n > 0 {
			return n, nil
		}
		if p.ended {
			return 0, sources.ErrEnd
		}
		left := time.Until(until)
		if wait > 0 && left <= 0 {
			return 0, nil
		}
		a, err := p.reader.Next(ctx, left)
		p.take(a)
		p.reader.Ahead()
		switch {
		case p.isLost():
			return 0, sources.ErrLost
		case p.trail.loss != nil:
			err, p.trail.loss = p.trail.loss, nil
			return 0, err
		case len(p.buffer) > 0:
		case err != nil:
			return 0, err
		case wait <= 0 && !p.ended:
			return 0, nil
		}
	}
}

// take buffers an answer.
func (p *Partition[R]) take(a Answer[R]) {
	p.follow(&a)
	if len(a.Records) > 0 {
		p.put(a.Records)
	}
	if a.Told {
		p.lag.answer(a.Behind, time.Now())
	}
	if a.Ended {
		p.ended, p.children = true, a.Children
	}
}

// put buffers the records of an answer that lie behind what was read before.
func (p *Partition[R]) put(from []R) {
	s := p.stream.service
	first := 0
	for first < len(from) && !behind(s.BehindAll(&from[first]), p.read) {
		first++
	}

	// A shard's records come in the order of their sequence numbers.
	p.buffer = from[first:]
	if last := len(from) - 1; first <= last {
		p.read = s.BehindAll(&from[last])
	}
}

// unbuffer fills buf from the buffer and returns how many records that are. What lies at
// or before what it returned last is left out.
func (p *Partition[R]) unbuffer(buf []sources.Record) int {
	n := 0
	for n == 0 && len(p.buffer) > 0 {
		var done int
		n, done = p.decoder.Decode(buf, p.buffer, p.fetched)
		p.buffer = p.buffer[done:]
	}
	if n > 0 {
		p.fetched = p.stream.service.Position(&buf[n-1])
	}
	var next time.Time
	if len(p.buffer) > 0 {
		next = p.stream.service.Arrival(&p.buffer[0])
	}
	p.lag.fetch(buf[:n], p.fetched, next)
	return n
}

func (p *Partition[R]) isLost() bool {
	select {
	case <-p.held.Lost():
		return true
	default:
		return false
	}
}

// Ack stores the position behind the last of records, and no window.
func (p *Partition[R]) Ack(ctx context.Context, records []sources.Record) error {
	return p.AckWindow(ctx, records, nil)
}

// Window returns what was stored with the position when the shard was taken.
func (p *Partition[R]) Window() []byte { return p.held.Lease().Window }

// AckWindow stores the position behind the last of records, and a window.
func (p *Partition[R]) AckWindow(ctx context.Context, records []sources.Record, window []byte) error {
	err := ctx.Err()
	if err != nil {
		return err
	}
	s := p.stream.service
	p.mu.Lock()
	position := p.position
	p.mu.Unlock()
	last := len(records) - 1
	if last >= 0 {
		if to := s.Position(&records[last]); behind(to, s.Resumed(position)) {
			position = to
		}
	}
	err = p.held.Commit(ctx, position, window)
	if err != nil {
		return err
	}
	if last >= 0 {
		p.lag.settle(s.Position(&records[last]), records[last].Time)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.position, p.window = position, window
	return nil
}

// settled reports whether the shard is done with: it was read to its end, all of it
// was settled, and no window is open (KIN-75).
func (p *Partition[R]) settled() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.stream.service.Resumed(p.position)
	return p.ended && len(p.buffer) == 0 && len(p.window) == 0 && (at == p.fetched || !behind(p.fetched, at))
}

// Close gives the lease back, or ends the shard if it is done with, so that its
// children can be read.
func (p *Partition[R]) Close(ctx context.Context) error {
	p.stream.forget(p)
	p.reader.Close()
	if !p.isLost() && p.settled() {
		err := p.end(ctx)
		if err == nil {
			return nil
		}
		return errors.Join(err, p.held.Release(ctx)) // the next owner ends it
	}
	return p.held.Release(ctx)
}

// end has the shard ended in the store, as often as it takes within a while: its
// children wait for that.
func (p *Partition[R]) end(ctx context.Context) error {
	const maxTries = 8
	delay := retry.Backoff{Initial: 100 * time.Millisecond, Max: 2 * time.Second}
	for failures := 1; ; failures++ {
		err := p.held.End(ctx, p.children)
		if err == nil || failures == maxTries || errors.Is(err, sources.ErrLost) {
			return err
		}
		if !Sleep(ctx, delay.Delay(failures, p.stream.options.Jitter())) {
			return err
		}
	}
}

// Sleep waits and reports whether ctx lived on.
func Sleep(ctx context.Context, d time.Duration) bool {
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
