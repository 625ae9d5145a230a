// Package batch decides when a batch closes: by count, by bytes of the event
// document, or by its batching window, whichever comes first (ESM-30).
//
// A [Batch] is plain state. It owns no goroutine, no timer and no record: the
// lane that fills it tells it the size of each record and the time, and asks
// how long it may go on gathering.
//
//	b := batch.New(batch.Limits{Records: 100, Bytes: 6 << 20, Window: time.Second})
//	b.Open(time.Now()) // the previous invocation has just completed
//	for !b.Closed(time.Now()) {
//		// fetch up to b.Room() records, waiting up to b.Wait(time.Now()),
//		// and Add each
//	}
package batch

import (
	"math"
	"time"
)

// MaxEventBytes is the synchronous invocation limit of AWS Lambda: 6 MB of
// 1,024 KB (ESM-38). No event document is larger.
const MaxEventBytes = 6_291_456

// Idle is what Wait answers for an empty batch: there is no hurry.
const Idle = time.Duration(math.MaxInt64)

// Limits are the bounds of a batch.
type Limits struct {
	// Records is BatchSize, at least 1.
	Records int
	// Bytes bounds the event document; at most MaxEventBytes, and above
	// Overhead.
	Bytes int
	// Overhead is what the document takes besides its records.
	Overhead int
	// Window is the longest time to gather; 0 sends what there is.
	Window time.Duration
	// FromRecord starts the window with the first record (ESM-36). Otherwise
	// windows follow each other without a gap from the end of the previous
	// invocation on (ESM-35), and a batch closes with the window that its first
	// record fell into. What AWS does after a window in which nothing came is
	// not documented; this way no record waits longer than one window.
	FromRecord bool
}

// Fit is what Add answers.
type Fit int

const (
	// Taken: the record is in the batch.
	Taken Fit = iota
	// Full: the batch closed without the record, which opens the next one.
	Full
	// TooLarge: the record does not fit into any batch (ESM-41).
	TooLarge
)

// Batch tells when a batch closes. The zero value is not ready; use New. It is
// not safe for concurrent use.
type Batch struct {
	limits   Limits
	opened   time.Time
	deadline time.Time
	records  int
	bytes    int
	full     bool
}

// New returns a batch with the given limits. Open it before use.
func New(limits Limits) *Batch {
	return &Batch{limits: limits, bytes: limits.Overhead}
}

// Open empties the batch and opens its window: now is when the previous
// invocation completed.
func (b *Batch) Open(now time.Time) {
	b.opened = now
	b.deadline = time.Time{}
	b.records = 0
	b.bytes = b.limits.Overhead
	b.full = false
}

// Add offers a record that takes size bytes of the event document. Only a Taken
// record is in the batch.
func (b *Batch) Add(size int, now time.Time) Fit {
	if size > b.limits.Bytes-b.limits.Overhead {
		return TooLarge
	}
	if b.full || b.records == b.limits.Records || size > b.limits.Bytes-b.bytes {
		b.full = true
		return Full
	}
	if b.records == 0 {
		b.deadline = b.windowEnd(now)
	}
	b.records++
	b.bytes += size
	if b.records == b.limits.Records || b.bytes == b.limits.Bytes {
		b.full = true
	}
	return Taken
}

// CloseBy has a batch that is not empty close at a moment before its window ends,
// because a record that was taken cannot wait so long.
func (b *Batch) CloseBy(moment time.Time) {
	if b.records > 0 && moment.Before(b.deadline) {
		b.deadline = moment
	}
}

// windowEnd is when a batch closes whose first record came at now.
func (b *Batch) windowEnd(now time.Time) time.Time {
	window := b.limits.Window
	passed := now.Sub(b.opened)
	if window <= 0 || b.limits.FromRecord || passed < 0 { // the clock may step back
		return now.Add(window)
	}
	return b.opened.Add(passed - passed%window + window)
}

// Closed reports whether the batch is to be sent now. An empty batch never is
// (ESM-43).
func (b *Batch) Closed(now time.Time) bool {
	return b.records > 0 && (b.full || !now.Before(b.deadline))
}

// Wait is how long the batch may go on gathering: 0 once it is closed, Idle
// while it is empty.
func (b *Batch) Wait(now time.Time) time.Duration {
	switch {
	case b.records == 0:
		return Idle
	case b.full:
		return 0
	default:
		return max(b.deadline.Sub(now), 0)
	}
}

// Room is how many more records the batch takes at most.
func (b *Batch) Room() int {
	if b.full {
		return 0
	}
	return b.limits.Records - b.records
}

// Len is how many records were taken.
func (b *Batch) Len() int { return b.records }

// Bytes is how long the event document is.
func (b *Batch) Bytes() int { return b.bytes }
