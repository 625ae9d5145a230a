package esm

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
)

const (
	// promptly is how fast a batch must fill up to count as a backlog.
	promptly = 100 * time.Millisecond
	// lastMoment is how long before its records expire a throttled batch is
	// let go: an invocation shorter than that is not worth a try.
	lastMoment = time.Second
)

// unordered serves a partition whose records are settled in any order: as many
// lanes as the concurrency allows, all of them fetching from it.
type unordered struct {
	*part
	scaler  *scaler
	settler *settler
	lanes   sync.WaitGroup
	// changes of the number of lanes that the observer was not told of.
	changes atomic.Int64
}

func newUnordered(p *part) *unordered {
	s := newScaler(p.config.scaling(p.traits), time.Now())
	return &unordered{part: p, scaler: s, settler: newSettler(p, s.lanes)}
}

// run serves the partition until it ends or the mapping stops, and has settled
// everything when it returns.
func (u *unordered) run() {
	u.start(u.scaler.lanes())
	u.lanes.Wait()
	u.settler.close()
}

// start starts n lanes.
func (u *unordered) start(n int) {
	if n == 0 {
		return
	}
	u.tellLanes()
	for range n {
		u.lanes.Go(u.lane)
	}
}

// leave reports whether the asking lane is one too many.
func (u *unordered) leave() bool {
	if !u.scaler.leave() {
		return false
	}
	u.tellLanes()
	return true
}

// tellLanes tells the observer how many lanes there are. One goroutine does so at a
// time, and looks again, so that what is told last is true.
func (u *unordered) tellLanes() {
	if u.changes.Add(1) > 1 {
		return
	}
	for {
		changes := u.changes.Load()
		u.count(ConcurrentLanes, u.scaler.lanes())
		if u.changes.CompareAndSwap(changes, 0) {
			return
		}
	}
}

// pooledLane is one lane of an unordered partition.
type pooledLane struct {
	lane
	pool     *unordered
	failures int
	filtered []sources.Record
	keep     []sources.Record
}

func (u *unordered) lane() {
	l := &pooledLane{lane: u.newLane(), pool: u}
	l.lane.fetch = l.fetchMatching
	defer func() {
		l.end()
		u.release(l.held)
	}()
	for {
		if len(l.held) == 0 && u.leave() {
			return
		}
		start := time.Now()
		n, tooLarge, err := l.collect()
		if err != nil || u.soft.Err() != nil {
			return
		}
		if n == len(l.held) && l.batch.Room() == 0 && time.Since(start) <= max(promptly, u.config.MaximumBatchingWindow/2) {
			u.start(u.scaler.backlog(time.Now()))
		}
		if tooLarge {
			l.rejectTooLarge()
		} else {
			l.process(n)
		}
	}
}

// fetchMatching fetches records, and settles those that the filter rejects.
func (l *pooledLane) fetchMatching(buf []sources.Record, wait time.Duration) (int, error) {
	u := l.pool
	start := time.Now()
	n, err := u.part.fetch(buf, wait, &l.failures)
	if n == 0 && err == nil && wait >= idleWait {
		u.scaler.quiet()
		if len(l.held) == 0 && u.leave() {
			return 0, errIdle
		}
	}
	if u.filter == nil || n == 0 {
		return n, err
	}
	full := err == nil && n == u.config.BatchSize && time.Since(start) <= promptly
	n, l.filtered = u.separate(buf[:n], l.filtered[:0])
	if full && len(l.filtered) > 0 {
		u.start(u.scaler.backlog(time.Now())) // what the batch will not show
	}
	u.settler.add(l.filtered)
	clear(l.filtered)
	return n, err
}

// errIdle ends a lane that has nothing to do.
var errIdle = errors.New("idle lane")

// rejectTooLarge reports a record that fits into no event document (ESM-41).
// It stays in its source, whose own rules end it (SQS-51).
func (l *pooledLane) rejectTooLarge() {
	l.pool.count(DroppedEventCount, 1)
	l.pool.warn("record dropped", errTooLarge)
	l.keep = append(l.keep[:0], l.held[0])
	l.pool.fail(l.keep)
	l.finish(1)
	l.dropGroups()
}

// process invokes the handler with the first n held records and settles what
// succeeded. If the mapping stops before they are handled they stay held.
func (l *pooledLane) process(n int) {
	u := l.pool
	for failures := 1; ; failures++ {
		if n = l.dropExpired(n); n == 0 {
			return
		}
		records := l.held[:n]
		var expires time.Time
		if u.traits.Redelivers {
			expires = firstExpiry(records)
		}
		o := l.invoke(records, expires)
		switch {
		case (o.verdict == failed || o.verdict == partial) && !u.traits.Redelivers:
			l.giveBackRest(n)
			if failures == 1 {
				u.start(u.scaler.hold())
				defer u.scaler.free()
			}
		case o.verdict == throttled || o.verdict == failed && !u.config.ReportBatchItemFailures:
			u.scaler.failing()
		}
		delay, again := l.again(o, expires, failures)
		if !again {
			l.settle(records, o)
			l.finish(n)
			break
		}
		if o.verdict == partial {
			n = l.settleDone(n)
		}
		if !sleep(u.soft, delay) {
			return
		}
	}
	l.dropGroups()
}

// again tells whether and when to invoke the handler again with the same
// records: while it is throttled, until the records are nearly expired
// (SQS-48), and always when the source does not redeliver (ESM-65); then only
// those that failed.
func (l *pooledLane) again(o outcome, expires time.Time, failures int) (time.Duration, bool) {
	u := l.pool
	switch {
	case o.verdict == throttled:
		delay := max(throttleBackoff().Delay(failures, u.config.Jitter()), o.retryAfter)
		return delay, expires.IsZero() || time.Now().Add(delay+lastMoment).Before(expires)
	case (o.verdict == failed || o.verdict == partial) && !u.traits.Redelivers:
		return u.config.RetryBackoff.Delay(failures, u.config.Jitter()), true
	default:
		return 0, false
	}
}

// settle settles the records that did not fail and tells of those that did.
// Afterwards keep holds the latter.
func (l *pooledLane) settle(records []sources.Record, o outcome) {
	l.keep = l.keep[:0]
	switch o.verdict {
	case succeeded:
		l.pool.settler.add(records)
	case failed, throttled:
		l.keep = append(l.keep, records...)
	case partial:
		done := make([]sources.Record, 0, len(records)-o.failures)
		for i := range records {
			if l.failed[i] {
				l.keep = append(l.keep, records[i])
			} else {
				done = append(done, records[i])
			}
		}
		l.pool.settler.add(done)
	}
	l.pool.fail(l.keep)
}

// giveBackRest gives back what is held besides the first n records, which are
// retried in place for long, so that they hold nothing else up (P6).
func (l *pooledLane) giveBackRest(n int) {
	if l.pool.release(l.held[n:]) {
		clear(l.held[n:])
		l.held = l.held[:n]
	}
}

// settleDone settles those of the first n held records that did not fail, and
// returns how many are left to be retried in place.
func (l *pooledLane) settleDone(n int) int {
	done := make([]sources.Record, 0, n)
	kept := 0
	for i := range n {
		if l.failed[i] {
			l.held[kept] = l.held[i]
			kept++
		} else {
			done = append(done, l.held[i])
		}
	}
	l.held = slices.Delete(l.held, kept, n)
	l.pool.settler.add(done)
	return kept
}

// dropExpired lets go of records among the first n held that their source has
// taken back meanwhile, and returns how many are left of the n.
func (l *pooledLane) dropExpired(n int) int {
	now := time.Now()
	kept := 0
	for i := range n {
		if e := &l.held[i].Expires; e.IsZero() || e.After(now) {
			kept++
		}
	}
	if kept == n {
		return n
	}
	l.pool.count(StaleEventCount, n-kept)
	l.held = slices.DeleteFunc(l.held, func(r sources.Record) bool {
		return !r.Expires.IsZero() && !r.Expires.After(now)
	})
	return kept
}

// dropGroups gives back what is held of the groups of failed records, so that
// none of it is started before them (P4), and forgets the failed.
func (l *pooledLane) dropGroups() {
	defer func() {
		clear(l.keep)
		l.keep = l.keep[:0]
	}()
	if !l.pool.traits.Grouped || len(l.keep) == 0 {
		return
	}
	held := func(r sources.Record) bool {
		return slices.ContainsFunc(l.keep, func(f sources.Record) bool { return f.Key == r.Key })
	}
	var back []sources.Record
	for _, r := range l.held {
		if held(r) {
			back = append(back, r)
		}
	}
	if len(back) > 0 {
		l.held = slices.DeleteFunc(l.held, held)
		l.pool.release(back)
	}
}

// firstExpiry is the earliest Expires of the records; zero if none expires.
func firstExpiry(records []sources.Record) time.Time {
	var first time.Time
	for i := range records {
		if e := records[i].Expires; !e.IsZero() && (first.IsZero() || e.Before(first)) {
			first = e
		}
	}
	return first
}
