package esm

import (
	"sync"

	"github.com/openesm/openesm/sources"
)

const (
	// recordSize is how large a sources.Record is, on 64 bits.
	recordSize = 136
	// slotBytes is what the tracker keeps of a record at most: its places in both rings,
	// which may be twice as long as what they hold.
	slotBytes = 2 * (recordSize + 8)
)

// tracker knows which records of an ordered partition are unfinished, and so
// the position: everything before the first unfinished record (P3). It bounds
// how far reading may run ahead of the position.
type tracker struct {
	each int // what a record takes besides its size

	mu sync.Mutex
	// sizes knows the records from first to next, at offset modulo its length, a
	// power of two. It has the complement of the size of a record that was finished
	// while one before it was not. Of a run of such records late has the last, which
	// is all that the position needs; the others take no more than their places.
	sizes       []int
	late        []sources.Record // as long as sizes, or nil
	first, next uint64
	unfinished  int
	bytes       int // from first to next
	// passed is the last record behind the position, and count how many
	// passed, since take was called.
	passed *sources.Record // nil before the first, for many a partition has none
	count  int
	// changed wakes who waits for room.
	changed chan struct{}
}

// newTracker makes a tracker of records that take so many bytes each besides their size.
func newTracker(each int) *tracker {
	return &tracker{each: each, changed: make(chan struct{}, 1)}
}

// add numbers records that were fetched and counts them as unfinished.
func (t *tracker) add(records []sources.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.next-t.first+uint64(len(records)) > uint64(len(t.sizes)) {
		t.grow()
	}
	for i := range records {
		size := records[i].Size + t.each
		records[i].Offset = t.next
		t.sizes[t.place(t.next)] = size
		t.bytes += size
		t.next++
	}
	t.unfinished += len(records)
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

// shrink lets go of the rings, if no record is in them.
func (t *tracker) shrink() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.first == t.next {
		t.sizes, t.late = nil, nil
	}
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
	before := t.first
	t.unfinished -= len(records)
	for len(records) > 0 {
		n := 1
		for n < len(records) && records[n].Offset == records[n-1].Offset+1 {
			n++
		}
		t.finishRun(records[:n])
		records = records[n:]
	}
	select {
	case t.changed <- struct{}{}: // nil if nobody waits
	default:
	}
	return t.first > before
}

// finishRun finishes records that follow each other.
func (t *tracker) finishRun(run []sources.Record) {
	from, last := run[0].Offset, run[len(run)-1]
	if from == t.first {
		*t.passed = last
		t.pass(last.Offset + 1)
		return
	}
	for i := range run {
		at := t.place(run[i].Offset)
		t.sizes[at] = ^t.sizes[at]
	}
	if t.late == nil {
		t.late = make([]sources.Record, len(t.sizes))
	}
	t.late[t.place(last.Offset)] = last
	for o := from; o <= last.Offset+1; o++ {
		if t.isLate(o-1) && t.isLate(o) {
			t.drop(t.place(o - 1))
		}
	}
}

// isLate reports whether the record at an offset is finished and one before it is not.
func (t *tracker) isLate(offset uint64) bool {
	return t.first < offset && offset < t.next && t.sizes[t.place(offset)] < 0
}

// drop lets go of a late record that another one follows.
func (t *tracker) drop(at uint64) {
	kept := min(^t.sizes[at], slotBytes)
	t.bytes -= ^t.sizes[at] - kept
	t.sizes[at], t.late[at] = ^kept, sources.Record{}
}

// pass moves the position to an offset, and past the late records there.
func (t *tracker) pass(offset uint64) {
	for ; t.first < t.next; t.first++ {
		size := t.sizes[t.place(t.first)]
		if t.first >= offset {
			size = ^size
		}
		if size < 0 {
			break
		}
		t.bytes -= size
		t.count++
	}
	if t.first > offset {
		at := t.place(t.first - 1)
		*t.passed, t.late[at] = t.late[at], sources.Record{}
	}
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

// open is how many records are unfinished, and how many bytes those take with what is
// finished behind the first of them.
func (t *tracker) open() (records, bytes int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.unfinished, t.bytes
}
