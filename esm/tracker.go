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
	// ring knows the records from first to next, at offset modulo its length.
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
	size int
	done bool
	// record is kept if it was finished while one before it was not.
	record sources.Record
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
		t.slot(t.next).size = records[i].Size
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

func (t *tracker) slot(offset uint64) *slot { return &t.ring[offset%uint64(len(t.ring))] }

// finish counts records as finished, and reports whether the position moved.
func (t *tracker) finish(records []sources.Record) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	var passed *sources.Record
	for i := range records {
		if records[i].Offset == t.first {
			passed = &records[i]
			t.pass()
			continue
		}
		s := t.slot(records[i].Offset)
		s.done, s.record = true, records[i]
	}
	for t.first < t.next && t.slot(t.first).done {
		s := t.slot(t.first)
		t.passed, passed = s.record, &t.passed
		s.done, s.record = false, sources.Record{}
		t.pass()
	}
	if passed == nil {
		return false
	}
	t.passed = *passed
	select {
	case t.changed <- struct{}{}:
	default:
	}
	return true
}

// pass moves the position past the first record.
func (t *tracker) pass() {
	t.bytes -= t.slot(t.first).size
	t.count++
	t.first++
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
	return int(t.next - t.first), t.bytes //nolint:gosec // bounded by what is read ahead
}
