package esm

import (
	"sync"

	"github.com/openesm/openesm/sources"
)

// tracker knows which records of an ordered partition are unfinished, and so
// the position: everything before the first unfinished record (P3). It bounds
// how far reading may run ahead of the position.
type tracker struct {
	mu sync.Mutex
	// ring holds the records from first to next, at offset modulo its length.
	ring        []slot
	first, next uint64
	bytes       int
	// passed is the last record behind the position, and count how many
	// passed, since take was called.
	passed sources.Record
	count  int
	// changed wakes who waits for room or for the end.
	changed chan struct{}
}

type slot struct {
	record sources.Record
	done   bool
}

func newTracker() *tracker {
	return &tracker{changed: make(chan struct{}, 1)}
}

// add numbers records that were fetched and counts them as unfinished.
func (t *tracker) add(records []sources.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range records {
		if t.next-t.first == uint64(len(t.ring)) {
			t.grow()
		}
		records[i].Offset = t.next
		t.ring[t.next%uint64(len(t.ring))] = slot{record: records[i]}
		t.bytes += records[i].Size
		t.next++
	}
}

func (t *tracker) grow() {
	ring := make([]slot, max(2*len(t.ring), 8))
	for o := t.first; o < t.next; o++ {
		ring[o%uint64(len(ring))] = t.ring[o%uint64(len(t.ring))]
	}
	t.ring = ring
}

// finish counts records as finished, and reports whether the position moved.
func (t *tracker) finish(records []sources.Record) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i := range records {
		t.ring[records[i].Offset%uint64(len(t.ring))].done = true
	}
	before := t.first
	for t.first < t.next {
		s := &t.ring[t.first%uint64(len(t.ring))]
		if !s.done {
			break
		}
		t.passed = s.record
		t.bytes -= s.record.Size
		t.count++
		t.first++
		*s = slot{}
	}
	if t.first == before {
		return false
	}
	select {
	case t.changed <- struct{}{}:
	default:
	}
	return true
}

// take returns the last record that the position passed and how many passed
// since the last call.
func (t *tracker) take() (sources.Record, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	record, count := t.passed, t.count
	t.passed, t.count = sources.Record{}, 0
	return record, count
}

// open is how many records, and bytes of event documents, are unfinished or
// behind an unfinished record.
func (t *tracker) open() (records, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.next - t.first), t.bytes
}
