package esm

import (
	"context"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

const (
	// keepAhead is how long before they can be started no more records are extended
	// that wait for a handler. A call that hangs may take most of it.
	keepAhead = 20 * time.Second
	// keepPause is the least time between two attempts.
	keepPause = 5 * time.Second
)

// keeper keeps what a lane holds besides the batch that its handler runs with, since it
// did not fit in, so that it can be started afterwards. No batch waits for the calls
// that this takes.
type keeper struct {
	pool   *unordered
	rest   []sources.Record // the keeper's own until end returns
	lost   []sources.Record // that could not be kept, and were given back
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// keep begins to keep rest; nil if there is no need to.
func (u *unordered) keep(rest []sources.Record) *keeper {
	if len(rest) == 0 || !u.traits.Redelivers {
		return nil
	}
	ctx, cancel := context.WithCancel(u.acks.context())
	k := &keeper{pool: u, rest: rest, cancel: cancel}
	k.done.Go(func() { k.run(ctx) })
	return k
}

// end ends it, and returns how many of the records are left, which are at the front,
// and those that were lost.
func (k *keeper) end() (kept int, lost []sources.Record) {
	k.cancel()
	k.done.Wait()
	return len(k.rest), k.lost
}

// giveUp ends it and gives all back: the lane waits for handlers that may never return.
func (k *keeper) giveUp() {
	if k == nil {
		return
	}
	k.end()
	k.giveBack(24 * time.Hour) // nothing is hidden for so long
}

func (k *keeper) run(ctx context.Context) {
	extender, ok := sources.Ability[sources.Extender](k.pool.partition)
	ahead := keepAhead
	if !ok {
		ahead = 0
	}
	for least := time.Duration(0); ; least = keepPause {
		soonest := firstExpiry(k.rest)
		if soonest.IsZero() {
			return
		}
		startable := time.Until(soonest) - k.pool.config.Timeout + 1 // just past it
		if !sleep(ctx, max(startable-ahead, least)) {
			return
		}
		if ok {
			k.pool.extendBy(ctx, extender, k.rest)
		}
		if ctx.Err() != nil {
			return
		}
		k.giveBack(k.pool.needed())
	}
}

// giveBack gives back what does not last for so long.
func (k *keeper) giveBack(need time.Duration) {
	u := k.pool
	kept, lost := cutExpiring(k.rest, need)
	if len(lost) == 0 {
		return
	}
	clear(k.rest[kept:])
	k.rest = k.rest[:kept]
	k.lost = append(k.lost, lost...)
	u.count(StaleEventCount, len(lost))
	u.release(lost)
}

// firstExpiry is when the first of records expires; zero for never.
func firstExpiry(records []sources.Record) time.Time {
	var first time.Time
	for i := range records {
		if expires := records[i].Expires; !expires.IsZero() && (first.IsZero() || expires.Before(first)) {
			first = expires
		}
	}
	return first
}
