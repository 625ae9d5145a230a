package esm

import (
	"errors"
	"slices"
	"time"

	"github.com/openesm/openesm/batch"
	"github.com/openesm/openesm/sources"
)

// idleWait is how long one fetch waits while the batch is empty: the longest long poll
// of SQS, and a second for its answer.
const idleWait = 21 * time.Second

// closeSlack is how long it may take to see that a batch is closed.
const closeSlack = 250 * time.Millisecond

// firstRoom is how many places a lane's buffer starts with.
const firstRoom = 64

// lane collects one batch after the other. It belongs to one goroutine.
type lane struct {
	invoker
	// fetch reads records as a partition does.
	fetch func(buf []sources.Record, wait time.Duration) (int, error)
	batch *batch.Batch
	// held are the records fetched and not finished: first the batch, then
	// what did not fit into it.
	held []sources.Record
	// opened is when the previous invocation completed (ESM-35).
	opened time.Time
}

func (p *part) newLane() lane {
	return lane{
		invoker: invoker{part: p},
		batch: batch.New(batch.Limits{
			Records:    p.config.BatchSize,
			Bytes:      p.config.MaximumBatchBytes,
			Overhead:   p.config.overhead(p.traits),
			Window:     p.config.MaximumBatchingWindow,
			FromRecord: p.traits.WindowFromRecord,
		}),
		opened: time.Now(),
	}
}

// collect gathers the next batch and returns how many of the held records it
// has. tooLarge says that it is one record that fits into no event document
// (ESM-41). An error says that nothing more comes; there may be a batch still.
func (l *lane) collect() (n int, tooLarge bool, err error) {
	now := time.Now()
	l.batch.Open(l.opened)
	closed := l.admit(now)
	for more := false; !closed && (more || !l.batch.Closed(now)); {
		var got int
		room := l.room()
		got, err = l.fetch(room, min(l.batch.Wait(now), idleWait))
		if errors.Is(err, errIdle) {
			return 0, false, err // the lane may be another goroutine's by now
		}
		if errors.Is(err, errNoRoom) {
			return l.batch.Len(), false, nil
		}
		l.held = l.held[:len(l.held)+got]
		now = time.Now()
		closed = l.admit(now)
		if err != nil {
			break
		}
		more = got == len(room) && l.batch.Room() > 0 // the buffer was too short for what is there
	}
	if errors.Is(err, sources.ErrEnd) && len(l.held) > 0 {
		err = nil // asked again when the held records are finished
	}
	if n = l.batch.Len(); n == 0 && closed {
		return 1, true, err
	}
	return n, false, err
}

// admit adds held records to the batch, and reports whether one did not fit. The
// batch closes while the handler still has its time limit before a record expires.
func (l *lane) admit(now time.Time) bool {
	for i := l.batch.Len(); i < len(l.held); i++ {
		r := &l.held[i]
		if l.batch.Add(r.Size, now) != batch.Taken {
			return true
		}
		if !r.Expires.IsZero() {
			l.batch.CloseBy(r.Expires.Add(-l.ahead(r.Expires.Sub(now))))
		}
	}
	return false
}

// ahead is how long before a record expires its batch closes, if so much is left of it
// now. Of a source that redelivers it cannot be started later; else half of what is
// left is better than nothing.
func (l *lane) ahead(left time.Duration) time.Duration {
	if l.part.traits.Redelivers {
		return l.part.config.Timeout + closeSlack
	}
	return min(l.part.config.Timeout, left/2)
}

// room is the free part of the buffer, at least one place and no more than the
// batch takes. A buffer that was filled grows.
func (l *lane) room() []sources.Record {
	free := cap(l.held) - len(l.held)
	if room := l.batch.Room(); free < room {
		if free == 0 {
			l.held = slices.Grow(l.held, min(room, max(len(l.held), firstRoom)))
			free = cap(l.held) - len(l.held)
		}
	}
	free = min(free, l.batch.Room())
	return l.held[len(l.held) : len(l.held)+free]
}

// finish drops the first n held records, after an invocation has completed.
func (l *lane) finish(n int) {
	rest := copy(l.held, l.held[n:])
	if !l.reuses {
		clear(l.held[rest:])
	}
	l.held = l.held[:rest]
	l.opened = time.Now()
}
