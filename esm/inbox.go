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
	// queue holds the records from head on. The reader may be filling places behind
	// them meanwhile, so that only its goroutine moves them.
	queue []sources.Record
	head  int
	// running says that a goroutine serves the sub-lane. It ends itself when
	// there is nothing to do, and the next record starts another.
	running bool
	// ended says that nothing more comes.
	ended bool
	wake  chan struct{} // nil if nobody waits
}

// room returns n places behind the records, for the reader to fill before it calls push.
func (b *inbox) room(n int) []sources.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	held := len(b.queue) - b.head
	switch {
	case cap(b.queue)-len(b.queue) >= n:
	case held <= b.head && held+n <= cap(b.queue):
		copy(b.queue, b.queue[b.head:])
		clear(b.queue[held:])
		b.queue, b.head = b.queue[:held], 0
	default:
		grown := make([]sources.Record, held, 2*held+n)
		copy(grown, b.queue[b.head:])
		b.queue, b.head = grown, 0
	}
	return b.queue[len(b.queue) : len(b.queue)+n]
}

// push adds the first n of the places that room returned, and reports whether a
// goroutine must be started for them.
func (b *inbox) push(n int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.queue = b.queue[:len(b.queue)+n]
	b.signal()
	start := !b.running
	b.running = true
	return start
}

// shrink lets go of the places, if no record is in them. It is for the reader.
func (b *inbox) shrink() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.head == len(b.queue) {
		b.queue, b.head = nil, 0
	}
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

// fetch takes records, and waits for them, as a partition's Fetch does.
func (b *inbox) fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := b.take(buf)
	if n > 0 || err != nil || wait <= 0 {
		return n, err
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-timer.C:
			return 0, nil
		case <-b.wake:
		}
		if n, err := b.take(buf); n > 0 || err != nil {
			return n, err
		}
	}
}

// take takes records, as many as there are.
func (b *inbox) take(buf []sources.Record) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := copy(buf, b.queue[b.head:])
	clear(b.queue[b.head : b.head+n])
	b.head += n
	if n == 0 && b.ended {
		return 0, sources.ErrEnd
	}
	return n, nil
}

// leave returns errIdle, and the asking goroutine must end, if there is nothing for it.
func (b *inbox) leave() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.head < len(b.queue) || b.ended {
		return nil
	}
	b.running = false
	return errIdle
}

// rest takes everything that is left.
func (b *inbox) rest() []sources.Record {
	b.mu.Lock()
	defer b.mu.Unlock()
	rest := b.queue[b.head:]
	b.queue, b.head = nil, 0
	return rest
}
