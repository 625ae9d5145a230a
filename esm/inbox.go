package esm

import (
	"context"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// inbox holds the records that were read for one sub-lane. It is bounded by
// what the reader reads ahead.
type inbox struct {
	mu sync.Mutex
	// queue holds the records from head on.
	queue []sources.Record
	head  int
	// running says that a goroutine serves the sub-lane. It ends itself when
	// there is nothing to do, and the next record starts another.
	running bool
	// ended says that nothing more comes.
	ended bool
	wake  chan struct{}
}

func newInbox() *inbox { return &inbox{wake: make(chan struct{}, 1)} }

// push adds records and reports whether a goroutine must be started for them.
func (b *inbox) push(records ...sources.Record) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.head > 0 && len(b.queue)+len(records) > cap(b.queue) {
		rest := copy(b.queue, b.queue[b.head:])
		clear(b.queue[rest:])
		b.queue, b.head = b.queue[:rest], 0
	}
	b.queue = append(b.queue, records...)
	b.signal()
	start := !b.running
	b.running = true
	return start
}

// end tells that nothing more comes.
func (b *inbox) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	b.signal()
}

func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// fetch takes records as a partition's Fetch does. idle says that the asking
// goroutine holds nothing: if there are no records either it gets errIdle, and
// must end.
func (b *inbox) fetch(ctx context.Context, buf []sources.Record, wait time.Duration, idle bool) (int, error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		n, err := b.take(buf, idle)
		if n > 0 || err != nil {
			return n, err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-timer.C:
			return 0, nil
		case <-b.wake:
		}
	}
}

func (b *inbox) take(buf []sources.Record, idle bool) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := copy(buf, b.queue[b.head:]); n > 0 {
		clear(b.queue[b.head : b.head+n])
		b.head += n
		if b.head == len(b.queue) {
			b.queue, b.head = b.queue[:0], 0
		}
		return n, nil
	}
	switch {
	case idle:
		b.running = false
		return 0, errIdle
	case b.ended:
		return 0, sources.ErrEnd
	default:
		return 0, nil
	}
}

func (b *inbox) empty() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.head == len(b.queue)
}

// rest takes everything that is left.
func (b *inbox) rest() []sources.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	rest := b.queue[b.head:]
	b.queue, b.head = nil, 0
	return rest
}
