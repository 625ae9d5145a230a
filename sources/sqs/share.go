package sqs

import (
	"time"

	"github.com/openesm/openesm/sources"
)

const (
	// linger is how long a receive that is not full waits for others to share it.
	linger = 2 * time.Millisecond
	// maxLinger is how long at most it waits for one that is under way.
	maxLinger = 20 * time.Millisecond
	// emptyLingers is how many of the longer waits, when the queue was empty a moment
	// ago and others ask it already, one long poll has.
	emptyLingers = 20
	// maxSkips is how many receives do not wait for others after that was in vain.
	maxSkips = 63
	// maxFlying is how many receives of its own a Fetch has at a time.
	maxFlying = 10
	// answerTime is how long before the end of its wait a Fetch begins the last
	// receive, so that what that brings comes in time.
	answerTime = 50 * time.Millisecond
)

// request is a receive to be made, or records to be kept longer.
type request struct {
	own    *waiter // whose receive it is; nil for a shared one
	units  int     // of a shared one
	places int
	wait   int32 // seconds

	keep arrival
}

// begin begins a receive. The caller holds the mutex.
func (p *partition) begin(r request) {
	if r.own != nil {
		r.own.flying++
		r.own.asked += r.places
	} else {
		p.asked += r.units
	}
	p.pool.Do(r)
}

// share begins the receives that the waiters lack: as many places as they have,
// ten a receive. Less than ten wait a moment for others, so that lanes of small
// batches cost few calls. The caller holds the mutex.
func (p *partition) share(now time.Time) {
	p.releaseHurried(now)
	for !p.stopped {
		lacking := p.waiters.wanted - p.asked
		if lacking <= 0 {
			break
		}
		if lacking < maxEntries && p.othersCome() {
			p.linger(now)
			return
		}
		p.beginShared(now)
	}
	p.endLinger()
}

// beginShared begins a receive for those that lack one.
func (p *partition) beginShared(now time.Time) {
	units, places, wait := p.waiters.pack(p.asked, now)
	p.begin(request{units: units, places: places, wait: p.poll(wait)})
}

// releaseHurried ends the wait of those that no receive is under way for, and for
// which none will be: the time left is too short, or the reading ends.
func (p *partition) releaseHurried(now time.Time) {
	if p.stopped {
		p.waiters.keepLast(p.asked)
		return
	}
	p.waiters.releaseAfter(p.asked, func(w *waiter) bool { return w.deadline.Sub(now) < shortest/2 })
}

// othersCome tells that others may come in a moment to share a receive that is not
// full: those that receives under way are about to serve, or that were served. Where
// nobody came when it waited it does not wait for a while.
func (p *partition) othersCome() bool {
	switch {
	case p.waiters.whole:
		return false
	case p.lingering, p.asked > 0, p.dry, p.answer == 0: // the last: nobody was served yet
		return true
	case p.waiters.away == 0:
		return false
	case p.skips > 0:
		p.skips--
		return false
	}
	return true
}

// linger has the receive of those that lack one begin soon.
func (p *partition) linger(now time.Time) {
	if p.lingering {
		return
	}
	d := linger
	switch {
	case p.asked == 0:
	case p.dry:
		d = max(d, p.source.options.WaitTime/emptyLingers)
	default: // until the receive under way is answered, and its waiters come along
		d = max(d, min(p.answer, maxLinger))
	}
	p.lingering, p.lingers, p.company = true, now.Add(d), len(p.waiters.list)
	if p.lingerer == nil {
		p.lingerer = time.AfterFunc(d, p.lingered)
	} else {
		p.lingerer.Reset(d)
	}
}

// lingerLess has a receive that waits for others begin in a moment: those that were
// just served may come along, and then it waits no longer.
func (p *partition) lingerLess(now time.Time) {
	if end := now.Add(linger); p.lingering && end.Before(p.lingers) && p.lingerer.Stop() {
		p.lingers = end
		p.lingerer.Reset(linger)
	}
}

// endLinger has no receive begin by itself: nobody lacks one.
func (p *partition) endLinger() {
	if p.lingering {
		p.lingering = false
		p.lingerer.Stop()
	}
}

func (p *partition) lingered() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !p.lingering || now.Before(p.lingers) {
		return // it was ended when its time was over
	}
	p.lingering = false
	p.noteCompany()
	p.releaseHurried(now)
	for !p.stopped && p.waiters.wanted > p.asked {
		p.beginShared(now)
	}
}

// noteCompany notes whether somebody came to share a receive that waited. In vain it
// waits twice as rarely the next time.
func (p *partition) noteCompany() {
	if len(p.waiters.list) > p.company {
		p.vain = 0
	} else {
		p.vain = min(2*p.vain+1, maxSkips)
	}
	p.skips = p.vain
}

// poll is the long poll, in seconds, for waiters of which the most hurried may wait
// so long: the whole seconds that fit. One that came a moment ago counts as if it
// came now.
func (p *partition) poll(wait time.Duration) int32 {
	const moment = 5 * linger
	wait = min(wait, p.source.options.WaitTime) + moment
	return max(int32(min(wait, p.source.options.WaitTime)/time.Second), 1) //nolint:gosec // at most 20
}

// hand gives records to those that wait, first come first served, and returns what
// is left. A waiter that takes a full receive and has room goes on to gather. The
// caller holds the mutex.
func (p *partition) hand(records []sources.Record, full bool, now time.Time) []sources.Record {
	if p.waiters.whole {
		return p.handWhole(records)
	}
	for len(records) > 0 && len(p.waiters.list) > 0 {
		w := p.waiters.pop()
		w.n = copy(w.buf, records)
		records = records[w.n:]
		if !full || w.n < maxEntries || !p.grow(w, now) {
			w.serve(nil)
		}
	}
	return records
}

// handWhole gives what one receive of a FIFO queue brought to one Fetch, for order
// within a message group depends on that (P4).
func (p *partition) handWhole(records []sources.Record) []sources.Record {
	i := p.waiters.fitting(len(records))
	if len(records) == 0 || i < 0 {
		return records
	}
	w := p.waiters.list[i]
	p.waiters.remove(i)
	w.n = copy(w.buf, records)
	w.serve(nil)
	return nil
}

// grow has w, which got a full receive, gather more by receives of its own, for as
// long as a batch may gather. It reports whether w does.
func (p *partition) grow(w *waiter, now time.Time) bool {
	if end := now.Add(p.setup.window); end.Before(w.deadline) {
		w.deadline = end
	}
	w.more = true
	p.gatherMore(w, 1, now)
	w.tell() // of the deadline
	return w.flying > 0
}

// gatherMore begins up to so many receives of w's own, short polls, if there is room
// and time.
func (p *partition) gatherMore(w *waiter, receives int, now time.Time) {
	if !w.more || p.stopped || w.deadline.Sub(now) < answerTime {
		return
	}
	for range receives {
		places := min(len(w.buf)-w.n-w.asked, maxEntries)
		if places <= 0 || w.flying == maxFlying {
			return
		}
		p.begin(request{own: w, places: places})
	}
}

// gather gives w what a receive of its own brought, and returns what is left. One
// that came back full is followed by two, so that their number doubles.
func (p *partition) gather(w *waiter, records []sources.Record, full bool, err error, now time.Time) []sources.Record {
	if w.err == nil {
		w.err = err
	}
	n := copy(w.buf[w.n:], records)
	w.n += n
	w.more = w.more && full && err == nil
	p.gatherMore(w, 2, now)
	if w.flying == 0 || w.n == len(w.buf) {
		w.serve(w.err)
	}
	return records[n:]
}

// failFirst has a failed shared receive be one error: the first waiter is told, and
// as many as the receive was for get nothing, so that no receive follows at once.
// It reports false if nobody waits.
func (p *partition) failFirst(units int, err error) bool {
	first := true
	for units > 0 && len(p.waiters.list) > 0 {
		w := p.waiters.pop()
		units -= p.waiters.units(w)
		if first {
			w.serve(err)
		} else {
			w.serve(nil)
		}
		first = false
	}
	return !first
}
