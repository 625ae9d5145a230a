package esm

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

const (
	// promptly is how fast records must come to count as a backlog.
	promptly = 250 * time.Millisecond
	// quietAfter is how long a lane finds nothing before there is one too many.
	quietAfter = 20 * time.Second
)

var (
	// errIdle ends a lane that has nothing to do.
	errIdle = errors.New("idle lane")
	// errNoRoom closes a batch: the budget has no room for more of it, and what it has
	// must not keep the room from others for a whole window.
	errNoRoom = errors.New("no room for a larger batch")
)

// queueLane is one lane of an unordered partition.
type queueLane struct {
	lane
	pool     *unordered
	filtered []sources.Record
	running  []sources.Record // what the handler runs with
	lent     int              // bytes of their share of the budget, while that is given up
	courier  courier
	// unsettled are the records of the last batch that were let go.
	unsettled []sources.Record
	// keeper has what is held besides the batch while the handler runs; nil for
	// none. lost is what it could not keep, and dropGroups has not looked at yet.
	keeper *keeper
	lost   []sources.Record
	// since is when the lane last found something, and found how many records it
	// fetched since began.
	since, began time.Time
	found        int
}

func newQueueLane(u *unordered) *queueLane {
	l := &queueLane{lane: u.newLane(), pool: u, since: time.Now()}
	l.lane.fetch = l.fetch
	l.stuck = l.letOthers
	return l
}

// run handles one batch after the other until nothing more comes.
func (l *queueLane) run() {
	u := l.pool
	defer func() {
		l.end()
		u.unstarted(l.held)
	}()
	for len(l.held) > 0 || !l.leave(false) {
		n, tooLarge, _ := l.collect()
		if n == 0 || !u.mayStart() { // n is 0 only if nothing more comes
			return
		}
		u.scaler.busy()
		var handled bool
		if tooLarge {
			u.scaler.free()
			handled = l.rejectTooLarge()
		} else {
			handled = l.process(n)
		}
		if !handled {
			return
		}
	}
}

// leave reports whether the lane is one too many. One that abandoned a handler stays, for
// that counts as its own.
func (l *queueLane) leave(idle bool) bool { return !l.waitsForHandler() && l.pool.leave(idle) }

// fetch fetches records, and settles those that the filter rejects.
func (l *queueLane) fetch(buf []sources.Record, wait time.Duration) (int, error) {
	u := l.pool
	start := time.Now()
	n, polled, err := u.fetch(l.held, buf, wait)
	l.look(start, n, polled)
	if n == 0 && err == nil && len(l.held) == 0 && l.leave(true) {
		return 0, errIdle
	}
	if u.filter == nil || n == 0 {
		return n, err
	}
	n, l.filtered = u.separate(buf[:n], l.filtered[:0])
	u.settler.add(l.filtered)
	clear(l.filtered)
	return n, err
}

// look watches the traffic. Half a batch that came promptly, or within a batching
// window, is a backlog: more lanes would have found records too. A fetch that was not
// answered tells nothing.
func (l *queueLane) look(start time.Time, n int, polled bool) {
	u, now := l.pool, time.Now()
	if n == 0 {
		switch {
		case !polled:
			l.since = now
		case now.Sub(l.since) >= quietAfter:
			l.since = now
			u.scaler.quiet()
		}
		return
	}
	l.since = now
	if l.found == 0 {
		l.began = start
	}
	l.found += n
	switch {
	case now.Sub(l.began) > max(promptly, u.config.MaximumBatchingWindow):
		l.found = 0
	case 2*l.found >= u.config.BatchSize:
		l.found = 0
		u.backlog()
	}
}

// rejectTooLarge reports a record that fits into no event document (ESM-41). It goes
// where poison goes, or stays in its source, whose own rules end it (SQS-51). If the
// mapping stops before that it returns false.
func (l *queueLane) rejectTooLarge() bool {
	if l.pool.givesUp() {
		step := retry.Step{To: 1, Reason: retry.MaximumPayloadSizeExceeded, Invokes: 1}
		if !l.giveUp(l.held[:1], step, &outcome{}) {
			return false
		}
		l.finish(1)
		return true
	}
	l.pool.observe(Observation{Metric: DroppedEventCount, Partition: l.pool.id, Count: 1, Err: errTooLarge})
	l.pool.warn("record dropped", errTooLarge)
	l.letGo(l.held[:1])
	l.finish(1)
	l.dropGroups(0)
	return true
}

// process invokes the handler with the first n held records and settles what
// succeeded. If the mapping stops before they are handled they stay held, and it
// returns false.
func (l *queueLane) process(n int) bool {
	tries := 0
	for failures := 1; ; failures++ {
		if failures == 1 {
			l.extend(l.held[:n])
		}
		if n = l.dropUnstartable(n); n == 0 {
			l.pool.scaler.free()
			return true
		}
		o := l.attempt(n)
		delay, again := l.again(o, l.held[:n], failures)
		if !again {
			l.pool.scaler.free() // it is about to poll
			l.settle(l.held[:n], o)
		}
		l.endKeeping(n)
		if !again {
			l.finish(n)
			break
		}
		if o.verdict == partial {
			n = l.settleDone(n, o)
		}
		if o.verdict != throttled {
			tries++
		}
		if l.pool.exhausted(tries) {
			l.pool.scaler.free()
			return l.exhaust(n, tries, &o)
		}
		if !sleep(l.pool.soft, delay) {
			l.pool.scaler.free()
			return false
		}
	}
	l.dropGroups(0)
	return true
}

// attempt invokes the handler with the first n held records, while a keeper keeps the
// others.
func (l *queueLane) attempt(n int) outcome {
	u := l.pool
	l.keeper, l.running = u.keep(l.held[n:]), l.held[:n]
	o := l.invoke(l.running)
	u.budget.change(l.lent)
	l.running, l.lent = nil, 0
	u.took(o.took)
	l.judge(o)
	if !u.traits.Redelivers && (o.verdict == failed || o.verdict == partial) {
		l.giveBackRest(n)
	}
	return o
}

// letOthers lets go of all that others may have while the lane waits for handlers that may
// never return: what did not fit into the batch, and the batch's share of the budget.
// What its handler holds is bounded by the number of lanes.
func (l *queueLane) letOthers() {
	l.keeper.giveUp()
	l.lent = l.pool.budget.bytes(l.running)
	l.pool.budget.change(-l.lent)
}

// judge tells the scaler of an outcome. With partial responses failures do not count
// (SQS-47).
func (l *queueLane) judge(o outcome) {
	u := l.pool
	if o.verdict == throttled {
		u.scaler.throttled()
		return
	}
	u.scaler.outcome(o.verdict == failed && !u.config.ReportBatchItemFailures)
}

// again tells whether and when to invoke the handler again with the same records:
// after a throttle, while they can still be started then (SQS-48), and always when the
// source does not redeliver (ESM-65); then only those that failed.
func (l *queueLane) again(o outcome, records []sources.Record, failures int) (time.Duration, bool) {
	u := l.pool
	switch {
	case o.verdict == throttled:
		delay := max(throttleBackoff().Delay(failures, u.config.Jitter()), o.retryAfter)
		if !u.traits.Redelivers {
			return untilExpiry(records, delay), true
		}
		return delay, last(records, time.Now().Add(delay), u.needed())
	case (o.verdict == failed || o.verdict == partial) && !u.traits.Redelivers:
		return untilExpiry(records, u.config.RetryBackoff.Delay(failures, u.config.Jitter())), true
	default:
		return 0, false
	}
}

// settle settles the records that did not fail and lets those go that did.
func (l *queueLane) settle(records []sources.Record, o outcome) {
	switch o.verdict {
	case succeeded:
		l.pool.settler.add(records)
	case failed, throttled:
		l.letGo(records)
	case partial:
		done := make([]sources.Record, 0, len(records)-o.failures)
		open := make([]sources.Record, 0, o.failures)
		for i := range records {
			if o.failed[i] {
				open = append(open, records[i])
			} else {
				done = append(done, records[i])
			}
		}
		l.pool.settler.add(done)
		l.letGo(open)
	}
}

// letGo tells the source of records that failed: it hands them out again by its own
// rules. dropGroups looks at them afterwards.
func (l *queueLane) letGo(records []sources.Record) {
	l.unsettled = append(l.unsettled[:0], records...)
	l.pool.fail(l.unsettled)
	l.pool.budget.free(records)
}

// settleDone settles those of the first n held records that did not fail, and returns
// how many are left to be retried in place.
func (l *queueLane) settleDone(n int, o outcome) int {
	done := make([]sources.Record, 0, n)
	kept := 0
	for i := range n {
		if o.failed[i] {
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

// giveBackRest gives back what is held besides the first n records, which are retried
// in place for long, so that they hold nothing else up (P6).
func (l *queueLane) giveBackRest(n int) {
	if rest := l.held[n:]; l.pool.part.release(rest) {
		l.pool.budget.free(rest)
		clear(l.held[n:])
		l.held = l.held[:n]
	}
}

// needed is how long a record must last to be handed to the handler: of a source that
// redelivers as long as the handler may take.
func (u *unordered) needed() time.Duration {
	if u.traits.Redelivers {
		return u.config.Timeout
	}
	return 0
}

// last reports whether all of records last from a moment on for so long.
func last(records []sources.Record, at time.Time, need time.Duration) bool {
	for i := range records {
		if !records[i].Lasts(at, need) {
			return false
		}
	}
	return true
}

// cutExpiring moves those of records to the front that last from now on for so long,
// and returns how many those are, and the others.
func cutExpiring(records []sources.Record, need time.Duration) (kept int, others []sources.Record) {
	now := time.Now()
	for _, r := range records {
		if !r.Lasts(now, need) {
			others = append(others, r)
			continue
		}
		records[kept] = r
		kept++
	}
	return kept, others
}

// dropUnstartable lets those of the first n held records go that cannot be started any
// more, and gives back what is of the same groups, where there are groups. It returns
// how many of the n are left. What is let go comes back when its time is over: given
// back, a source that hides records too shortly would hand it out again at once, for
// ever.
func (l *queueLane) dropUnstartable(n int) int {
	u := l.pool
	if u.startable(l.held[:n]) {
		return n
	}
	if !u.traits.Redelivers {
		return l.dropExpired(n)
	}
	kept, late := cutExpiring(l.held[:n], u.needed())
	l.held = slices.Delete(l.held, kept, n)
	l.unsettled = append(l.unsettled[:0], late...)
	u.count(StaleEventCount, len(late))
	u.budget.free(late)
	return kept - l.dropGroups(kept)
}

// extend has records stay the mapping's for longer if some cannot be started any more,
// where the source can do that.
func (l *queueLane) extend(records []sources.Record) {
	if !l.pool.traits.Redelivers || last(records, time.Now(), l.pool.needed()) {
		return
	}
	if extender, ok := sources.Ability[sources.Extender](l.pool.partition); ok {
		l.pool.extendBy(l.pool.acks.context(), extender, records)
	}
}

func (u *unordered) extendBy(ctx context.Context, extender sources.Extender, records []sources.Record) {
	if err := extender.Extend(ctx, records); err != nil && ctx.Err() == nil {
		u.commitFailed("records that waited for their batch cannot be kept longer", err, len(records))
	}
}

// endKeeping takes back what is held besides the first n records. What was lost of it
// counts as let go: dropGroups looks at it afterwards.
func (l *queueLane) endKeeping(n int) {
	if l.keeper == nil {
		return
	}
	kept, lost := l.keeper.end()
	l.held, l.lost, l.keeper = l.held[:n+kept], append(l.lost, lost...), nil
}

// dropGroups gives back what is held of the groups of records that were let go, so that
// none of it is started before them (P4), and forgets these. It returns how many of the
// first n held records that were.
func (l *queueLane) dropGroups(n int) int {
	l.unsettled, l.lost = append(l.unsettled, l.lost...), nil
	defer func() {
		clear(l.unsettled)
		l.unsettled = l.unsettled[:0]
	}()
	if !l.pool.traits.Grouped || len(l.unsettled) == 0 {
		return 0
	}
	of := func(r sources.Record) bool {
		return slices.ContainsFunc(l.unsettled, func(u sources.Record) bool { return u.Key == r.Key })
	}
	var back []sources.Record
	dropped := 0
	for i, r := range l.held {
		if of(r) {
			back = append(back, r)
			if i < n {
				dropped++
			}
		}
	}
	if len(back) > 0 {
		l.held = slices.DeleteFunc(l.held, of)
		l.pool.release(back)
	}
	return dropped
}
