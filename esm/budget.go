package esm

import (
	"context"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// budget bounds how many bytes an unordered partition holds: what is fetched and not
// yet settled, and what fetches under way may bring (P7). A single record may exceed
// it.
type budget struct {
	limit int
	// each is what a record takes besides its size, and largest what one that is not
	// fetched yet may take; 0 if that is not known.
	each, largest int
	room          chan struct{} // has a token while there may be room

	mu   sync.Mutex
	used int
}

func newBudget(c *Config, traits *sources.Traits) *budget {
	return &budget{
		limit: c.MaximumBufferedBytes, each: traits.RecordBytes, largest: traits.MaxRecordBytes,
		room: make(chan struct{}, 1),
	}
}

// wait waits for room, at most until deadline, and takes it.
func (b *budget) wait(ctx context.Context, places int, deadline time.Time) int {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return 0
		case <-timer.C:
			return 0
		case <-b.room:
		}
		if n := b.take(places); n > 0 {
			return n
		}
	}
}

// take returns for how many of the places there is room. Each of them holds largest
// bytes until fetched is called.
func (b *budget) take(places int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.limit - b.used
	if left <= 0 && b.used > 0 {
		return 0
	}
	if b.largest > 0 {
		places = min(places, left/b.largest)
		if places <= 0 {
			if b.used > 0 {
				return 0
			}
			places = 1
		}
	}
	b.used += places * b.largest
	b.signal()
	return places
}

// fetched replaces what was reserved for places by what came.
func (b *budget) fetched(places int, records []sources.Record) {
	b.change(b.bytes(records) - places*b.largest)
}

// free lets go of records.
func (b *budget) free(records []sources.Record) { b.change(-b.bytes(records)) }

func (b *budget) change(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used += bytes
	b.signal()
}

// signal wakes one who waits, if there may be room. Whoever wakes and leaves some
// wakes the next.
func (b *budget) signal() {
	if b.used >= b.limit {
		return
	}
	select {
	case b.room <- struct{}{}:
	default:
	}
}

func (b *budget) bytes(records []sources.Record) int {
	return size(records) + len(records)*b.each
}
