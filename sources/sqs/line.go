package sqs

import (
	"context"
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

// waiter is a Fetch that waits for a receive.
type waiter struct {
	buf      []sources.Record // the caller's; written to only while waiting
	deadline time.Time
	served   chan struct{} // one signal for each time it is served
	waiting  bool
	n        int
	err      error
}

// serve ends the wait.
func (w *waiter) serve(n int, err error) {
	w.n, w.err, w.waiting = n, err, false
	w.served <- struct{}{}
}

// line is the waiters for shared receives, first come first served. It is
// guarded by the partition's mutex, and so are its waiters.
type line struct {
	waiters []*waiter
	wanted  int       // places of all of them
	free    []*waiter // for the next ones
}

// enter returns a waiter, which is not in the line yet.
func (l *line) enter(buf []sources.Record, deadline time.Time) *waiter {
	var w *waiter
	if last := len(l.free) - 1; last >= 0 {
		w, l.free = l.free[last], l.free[:last]
	} else {
		w = &waiter{served: make(chan struct{}, 1)}
	}

	w.buf, w.deadline, w.waiting, w.n, w.err = buf, deadline, true, 0, nil

	return w
}

// join adds w to the end of the line.
func (l *line) join(w *waiter) {
	l.waiters = append(l.waiters, w)
	l.wanted += len(w.buf)
}

// leave returns what w got, or ctx's error if it gave up.
func (l *line) leave(w *waiter, ctx context.Context) (int, error) { //nolint:revive // w comes first here
	if w.waiting {
		// Its own receive may still look at it, so it is not used again.
		w.waiting, w.buf = false, nil
		l.drop(func(other *waiter) bool { return other == w })

		return 0, ctx.Err()
	}

	select {
	case <-w.served: // if ctx was done at the same time
	default:
	}

	n, err := w.n, w.err
	w.buf, w.err = nil, nil
	l.free = append(l.free, w)

	return n, err
}

// hand gives records to the first in line and returns what is left.
func (l *line) hand(records []sources.Record) []sources.Record {
	next := 0
	for next < len(l.waiters) && len(records) > 0 {
		w := l.waiters[next]
		next++

		l.wanted -= len(w.buf)
		n := copy(w.buf, records)
		records = records[n:]
		w.serve(n, nil)
	}

	l.waiters = slices.Delete(l.waiters, 0, next)

	return records
}

// fail tells everybody in line of an error.
func (l *line) fail(err error) {
	l.drop(func(w *waiter) bool {
		w.serve(0, err)

		return true
	})
}

// expire ends the wait of those whose time is over.
func (l *line) expire(now time.Time) {
	l.drop(func(w *waiter) bool {
		if now.Before(w.deadline) {
			return false
		}

		w.serve(0, nil)

		return true
	})
}

func (l *line) drop(gone func(*waiter) bool) {
	l.waiters = slices.DeleteFunc(l.waiters, gone)

	l.wanted = 0
	for _, w := range l.waiters {
		l.wanted += len(w.buf)
	}
}
