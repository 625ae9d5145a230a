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
	// sizes knows the records from first to next, at offset modulo its length, a
	// power of two. It has the complement of the size of a record that was finished
	// while one before it was not; late has the record.
	sizes       []int
	late        []sources.Record // as long as sizes, or nil
	first, next uint64
	bytes       int
	// passed is the last record behind the position, and count how many
	// passed, since take was called.
	passed *sources.Record // nil before the first, for many a partition has none
	count  int
	// changed wakes who waits for room or for the end.
	changed chan struct{}
}

func newTracker() *tracker {
	return &tracker{changed: make(chan struct{}, 1)}
}

// add numbers records that were fetched and counts them as unfinished.
func (t *tracker) add(records []sources.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.next-t.first+uint64(len(records)) > uint64(len(t.sizes)) {
		t.grow()
	}
	for i := range records {
		records[i].Offset = t.next
		t.sizes[t.place(t.next)] = records[i].Size
		t.bytes += records[i].Size
		t.next++
	}
}

func (t *tracker) grow() {
	grown := tracker{sizes: make([]int, max(2*len(t.sizes), 8))}
	if t.late != nil {
		grown.late = make([]sources.Record, len(grown.sizes))
	}
	for o := t.first; o < t.next; o++ {
		grown.sizes[grown.place(o)] = t.sizes[t.place(o)]
		if t.late != nil {
			grown.late[grown.place(o)] = t.late[t.place(o)]
		}
	}
	t.sizes, t.late = grown.sizes, grown.late
}

func (t *tracker) place(offset uint64) uint64 {
	return offset & uint64(len(t.sizes)-1) //nolint:gosec // never without a place
}

// finish counts records as finished, and reports whether the position moved.
func (t *tracker) finish(records []sources.Record) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.passed == nil {
		t.passed = new(sources.Record)
	}
	var passed *sources.Record
	for i := range records {
		at := t.place(records[i].Offset)
		if records[i].Offset == t.first {
			passed = &records[i]
			t.pass(t.sizes[at])
			continue
		}
		if t.late == nil {
			t.late = make([]sources.Record, len(t.sizes))
		}
		t.sizes[at], t.late[at] = ^t.sizes[at], records[i]
	}
	for t.first < t.next && t.sizes[t.place(t.first)] < 0 {
		at := t.place(t.first)
		*t.passed, passed = t.late[at], t.passed
		t.late[at] = sources.Record{}
		t.pass(^t.sizes[at])
	}
	if passed == nil {
		return false
	}
	*t.passed = *passed
	select {
	case t.changed <- struct{}{}: // nil if nobody waits
	default:
	}
	return true
}

// pass moves the position past the first record, which has this size.
func (t *tracker) pass(size int) {
	t.bytes -= size
	t.count++
	t.first++
}

// take returns the last record that the position passed and how many passed
// since the last call.
func (t *tracker) take() (sources.Record, int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.count == 0 {
		return sources.Record{}, 0
	}
	record, count := *t.passed, t.count
	*t.passed, t.count = sources.Record{}, 0
	return record, count
}

// open is how many records, and bytes of event documents, are unfinished or
// behind an unfinished record.
func (t *tracker) open() (records, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int(t.next - t.first), t.bytes //nolint:gosec // bounded by what is read ahead
}
