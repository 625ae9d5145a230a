package sqs

import (
	"slices"
	"time"

	"github.com/openesm/openesm/sources"
)

// waiter is a Fetch that waits for messages. It is guarded by the partition's mutex,
// but for signal and timer, which are its goroutine's.
type waiter struct {
	buf      []sources.Record // the caller's; written to only while it waits
	deadline time.Time
	signal   chan struct{} // says that n, err, waits or deadline changed
	timer    *time.Timer   // of the deadline

	waits bool
	n     int // places of buf that are filled
	err   error

	// Receives of its own.
	flying int  // that are under way
	asked  int  // places that those asked for
	more   bool // when one comes back full, others follow
}

// tell has the waiter's goroutine look.
func (w *waiter) tell() {
	select {
	case w.signal <- struct{}{}:
	default: // it has not looked yet
	}
}

// serve ends the wait.
func (w *waiter) serve(err error) {
	w.err, w.waits = err, false
	w.tell()
}

// waiters are the Fetches that wait for receives which they share, first come first
// served.
type waiters struct {
	whole  bool // FIFO: each needs a receive of its own
	list   []*waiter
	wanted int       // units of all of them
	away   int       // how many were in the list, and may come back
	free   []*waiter // for the next ones
}

// units is what w wants of receives: places, at most one receive full of them; in a
// FIFO queue one receive.
func (l *waiters) units(w *waiter) int {
	if l.whole {
		return 1
	}
	return min(len(w.buf), maxEntries)
}

// enter returns a waiter, which is not in the list yet.
func (l *waiters) enter(buf []sources.Record, deadline time.Time) *waiter {
	var w *waiter
	if last := len(l.free) - 1; last >= 0 {
		w, l.free = l.free[last], l.free[:last]
		w.timer.Reset(time.Until(deadline))
	} else {
		w = &waiter{signal: make(chan struct{}, 1), timer: time.NewTimer(time.Until(deadline))}
	}
	w.buf, w.deadline, w.waits, w.n, w.err, w.more = buf, deadline, true, 0, nil, false
	return w
}

// join adds w to the end of the list.
func (l *waiters) join(w *waiter) {
	l.list = append(l.list, w)
	l.wanted += l.units(w)
	l.away = max(l.away-1, 0)
}

// leave forgets w, which has got what it waited for or gives up, and returns that.
func (l *waiters) leave(w *waiter) (int, error) {
	if w.waits {
		w.waits = false
		if i := slices.Index(l.list, w); i >= 0 {
			l.remove(i)
		}
	}
	n, err := w.n, w.err
	w.timer.Stop()
	select {
	case <-w.signal:
	default:
	}
	w.buf, w.err = nil, nil
	if w.flying == 0 { // else its receives still point at it
		l.free = append(l.free, w)
	}
	return n, err
}

func (l *waiters) remove(i int) {
	l.wanted -= l.units(l.list[i])
	l.away++
	l.list = slices.Delete(l.list, i, i+1)
}

// pop takes the first in the list.
func (l *waiters) pop() *waiter {
	w := l.list[0]
	l.remove(0)
	return w
}

// fitting is the place of the first that has room for so many records, -1 for none.
func (l *waiters) fitting(records int) int {
	return slices.IndexFunc(l.list, func(w *waiter) bool { return len(w.buf) >= records })
}

// releaseAfter ends the wait of those that the first units of the list do not cover, if
// they are to.
func (l *waiters) releaseAfter(covered int, ends func(w *waiter) bool) {
	for i := 0; i < len(l.list); {
		w := l.list[i]
		covered -= l.units(w)
		if covered < 0 && ends(w) {
			covered += l.units(w)
			l.remove(i)
			w.serve(nil)
			continue
		}
		i++
	}
}

// keepLast ends the reading of all but the last in the list, so many that somebody stays
// for each receive under way, for fewer records too: what that brings is handled. The
// first might give up before.
func (l *waiters) keepLast(asked int) {
	for i, w := range slices.Backward(l.list) {
		if asked <= 0 {
			l.remove(i)
			w.serve(sources.ErrEnd)
		}
		asked -= l.units(w)
	}
}

// pack returns the next receive for those that the first units of the list do not
// cover: its units, its places, and how long the most hurried of them waits.
func (l *waiters) pack(covered int, now time.Time) (units, places int, wait time.Duration) {
	wait = 1<<63 - 1
	for _, w := range l.list {
		open := l.units(w)
		skip := min(covered, open)
		covered, open = covered-skip, open-skip
		if open == 0 {
			continue
		}
		wait = min(wait, w.deadline.Sub(now))
		if l.whole {
			return 1, min(len(w.buf), maxEntries), wait
		}
		units = min(units+open, maxEntries)
		if units == maxEntries {
			break
		}
	}
	return units, units, wait
}
