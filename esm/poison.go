package esm

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// errExhausted is why records that failed too often are rejected.
var errExhausted = errors.New("retry attempts exhausted")

// givesUp reports whether there is a place for what cannot be handled: the on-failure
// destination, or that of the source. It is for sources that do not redeliver; the
// others have rules of their own.
func (u *unordered) givesUp() bool {
	return !u.traits.Redelivers && (u.config.OnFailure != nil || u.traits.Rejects)
}

// exhausted reports whether a batch that failed so often is given up. AWS never does
// that on MQ (MQ-32); here it is an option.
func (u *unordered) exhausted(tries int) bool {
	limit := *u.config.MaximumRetryAttempts
	return limit >= 0 && tries > limit
}

// exhaust gives up the first n held records, and returns false if the mapping stopped
// before that: then they stay held.
func (l *queueLane) exhaust(n, tries int, last *outcome) bool {
	step := retry.Step{To: n, Reason: retry.RetryAttemptsExhausted, Invokes: tries}
	if !l.giveUp(l.held[:n], step, last) {
		return false
	}
	l.finish(n)
	return true
}

// giveUp delivers records to the on-failure destination and settles them, or rejects
// them where there is none. It returns false if the mapping stopped before that.
func (l *queueLane) giveUp(records []sources.Record, step retry.Step, last *outcome) bool {
	u := l.pool
	if u.config.OnFailure == nil {
		u.reject(records, step)
		return true
	}
	if !l.courier.giveUp(u.part, records, step, last) {
		return false
	}
	u.settler.add(records)
	return true
}

// reject has the source keep records as dead letters.
func (u *unordered) reject(records []sources.Record, step retry.Step) {
	err := errExhausted
	if step.Reason == retry.MaximumPayloadSizeExceeded {
		err = errTooLarge
	}
	rejecter, ok := sources.Ability[sources.Rejecter](u.partition)
	if !ok {
		u.drop(records, step, "no on-failure destination")
		u.settler.add(records)
		return
	}
	u.config.Logger.Error("records rejected, the source keeps them as dead letters",
		append(u.attrs(), slog.Any("error", err), slog.Int("records", len(records)))...)
	u.ack(rejecter.Reject, records, RejectedEventCount, 1)
	u.budget.free(records)
}

// startable reports whether all of records may be handed to the handler now.
func (u *unordered) startable(records []sources.Record) bool {
	if !last(records, time.Now(), u.needed()) {
		return false
	}
	if u.holder != nil {
		for i := range records {
			if !u.holder.Holds(&records[i]) {
				return false
			}
		}
	}
	return true
}

// untilExpiry is delay, but no longer than until the first of records has expired: then
// it is given back.
func untilExpiry(records []sources.Record, delay time.Duration) time.Duration {
	if first := firstExpiry(records); !first.IsZero() {
		return min(delay, max(time.Until(first), 0)+1)
	}
	return delay
}

// dropExpired gives back those of the first n held records that have expired, so that
// the source deals with them by its own rules, and forgets those that it has taken back.
// It returns how many of the n are left.
func (l *queueLane) dropExpired(n int) int {
	u, now := l.pool, time.Now()
	var expired []sources.Record
	kept := 0
	for i := range n {
		r := l.held[i]
		switch {
		case u.holder != nil && !u.holder.Holds(&r):
			u.budget.free(l.held[i : i+1])
		case !r.Lasts(now, 0):
			expired = append(expired, r)
		default:
			l.held[kept] = r
			kept++
		}
	}
	l.held = slices.Delete(l.held, kept, n)
	u.count(StaleEventCount, n-kept)
	u.release(expired)
	return kept
}
