package esm

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
)

// unordered serves a partition whose records are settled in any order: as many lanes
// as the concurrency allows, all of them fetching from it.
//
// One record goes this way: queueLane.run, collect, fetch (gate, budget,
// Partition.Fetch, filter), process (dropUnstartable, invoke, settle), settler.add,
// Partition.Ack. A keeper has what did not fit into the batch meanwhile.
type unordered struct {
	*part
	scaler  *scaler
	settler *settler
	budget  *budget
	gate    gate
	stopper sources.Stopper // nil if the partition is none
	holder  sources.Holder  // nil if it loses no records singly
	joiner  sources.Joiner  // nil if it is none
	lanes   sync.WaitGroup
	mu      sync.Mutex
	running int
	closed  bool             // no lane starts any more
	ended   chan struct{}    // closed then
	left    []sources.Record // what lanes held that have ended
	// changes of the number of lanes that the observer was not told of.
	changes atomic.Int64
	// slowest is the longest run of the handler so far, -1 before the first.
	slowest atomic.Int64
	stopped func() time.Time // when the mapping was stopped
}

func newUnordered(p *part) *unordered {
	b := newBudget(&p.config, &p.traits)
	scaler := newScaler(p.config.scaling(p.traits), time.Now())
	u := &unordered{
		part: p, budget: b, scaler: scaler, settler: newSettler(p, b, scaler.count),
		stopped: sync.OnceValue(time.Now), ended: make(chan struct{}),
	}
	u.stopper, _ = sources.Ability[sources.Stopper](p.partition)
	u.holder, _ = sources.Ability[sources.Holder](p.partition)
	u.joiner, _ = sources.Ability[sources.Joiner](p.partition)
	u.slowest.Store(-1)
	return u
}

// run serves the partition until it ends or the mapping stops, and has settled
// everything when it returns.
func (u *unordered) run() {
	for range u.scaler.count() {
		u.startLane()
	}
	u.tellLanes()
	u.grow()
	u.lanes.Wait()
	slices.SortFunc(u.left, func(a, b sources.Record) int { // as they came, whichever lane ended first
		return cmp.Or(a.Time.Compare(b.Time), strings.Compare(a.ID, b.ID))
	})
	u.release(u.left)
	u.settler.close()
}

// unstarted takes over what a lane held when it ended. It is given back when no lane
// polls any more: one of ours would get it again.
func (u *unordered) unstarted(records []sources.Record) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.left = append(u.left, records...)
}

// grow adds lanes while nobody polls, until all lanes have ended. When the mapping
// stops it has the partition stop.
func (u *unordered) grow() {
	stop := u.soft.Done()
	for {
		select {
		case <-u.ended:
			return
		case <-stop:
			stop = nil
			u.stopped()
			if u.stopper != nil {
				u.stopper.Stop()
			}
		case <-u.scaler.starved:
			u.relieve()
		}
	}
}

// relieve adds a lane as soon as that is allowed, unless somebody polls by then. A new
// lane that goes to run the handler calls for the next one.
func (u *unordered) relieve() {
	for {
		start, wait := u.scaler.relieve(time.Now())
		if start {
			u.startLane()
			u.tellLanes()
		}
		if wait <= 0 || !sleep(u.soft, wait) {
			return
		}
	}
}

// startLane starts a lane, unless all have ended.
func (u *unordered) startLane() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	u.running++
	u.lanes.Go(u.runLane)
}

func (u *unordered) runLane() {
	newQueueLane(u).run()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.running--
	if u.running == 0 {
		u.closed = true
		close(u.ended)
	}
}

// backlog says that a lane found more records than it could take.
func (u *unordered) backlog() {
	if u.soft.Err() == nil && u.scaler.backlog(time.Now()) {
		u.startLane()
		u.tellLanes()
	}
}

// leave reports whether the asking lane is one too many. After a stop none is: each ends
// when nothing more comes, and somebody must handle what a poll under way brings.
func (u *unordered) leave(idle bool) bool {
	if u.soft.Err() != nil || !u.scaler.leave(idle) {
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
		u.count(ConcurrentLanes, u.scaler.count())
		if u.changes.CompareAndSwap(changes, 0) {
			return
		}
	}
}

// fetch reads records for a lane that holds some, as many as the budget has room for, and
// returns by the end of wait. polled says that the source answered.
func (u *unordered) fetch(held, buf []sources.Record, wait time.Duration) (n int, polled bool, err error) {
	ctx, deadline := u.soft, time.Now().Add(wait)
	pass, ok := u.gate.enter(ctx, deadline)
	if !ok {
		return 0, false, ctx.Err()
	}
	gathers := wait < idleWait // otherwise the batch is empty, and in no hurry
	places := u.budget.take(len(buf))
	switch {
	case places > 0:
	case gathers:
		u.gate.back(pass)
		return 0, false, errNoRoom
	default:
		places = u.budget.wait(ctx, len(buf), deadline)
	}
	if places == 0 {
		u.gate.back(pass)
		return 0, false, ctx.Err()
	}
	if u.stopper != nil {
		ctx = u.invokes.context() // a stop lets what is under way end
	}
	if gathers {
		wait = max(time.Until(deadline), 0)
	}
	if u.joiner != nil && len(held) > 0 {
		n, err = u.joiner.FetchFor(ctx, held, buf[:places], wait)
	} else {
		n, err = u.partition.Fetch(ctx, buf[:places], wait)
	}
	u.budget.fetched(places, buf[:n])
	if n > 0 || err == nil {
		u.count(PolledEventCount, n)
	}
	passing, err := u.fetchError(ctx, err)
	switch {
	case passing:
		u.polling(u.id, err, u.gate.failed(pass, u.pollDelay))
		return n, false, nil
	case err != nil:
		u.gate.back(pass)
		return n, false, err
	default:
		u.gate.succeeded(pass, n)
		return n, true, nil
	}
}

// release gives records back.
func (u *unordered) release(records []sources.Record) {
	u.part.release(records)
	u.budget.free(records)
}

// took notes how long the handler took.
func (u *unordered) took(d time.Duration) {
	for {
		slowest := u.slowest.Load()
		if int64(d) <= slowest || u.slowest.CompareAndSwap(slowest, int64(d)) {
			return
		}
	}
}

// mayStart reports whether a batch may be begun: while the mapping runs, and in its
// drain while what is left of that is enough for the slowest batch so far, twice over,
// or for the handler's time limit. Before the first batch half of the drain is enough.
// A receive is spent either way, so it is begun if it will probably end in time; its
// settlement has time of its own (settleTimePasses).
func (u *unordered) mayStart() bool {
	if u.soft.Err() == nil {
		return true
	}
	if u.over() {
		return false
	}
	enough := u.config.DrainTimeout / 2
	if slowest := u.slowest.Load(); slowest >= 0 {
		enough = time.Duration(2 * slowest)
	}
	return u.config.DrainTimeout-time.Since(u.stopped()) > min(enough, u.config.Timeout)
}
