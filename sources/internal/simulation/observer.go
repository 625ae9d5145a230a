package simulation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Observer records what entered a world, what each invocation got, what was
// settled when and what reached the destination, by what it sees at the border
// of the mapping; it knows nothing of the engine's own books. It holds all of it
// against the promises, and keeps the history. It is used by the simulation's
// goroutine only.
type Observer struct {
	sim     *Sim
	began   time.Time
	history []string
	records []*trace // by number
	byKey   map[string]*trace
	byPart  map[string]*trace
	running []*invocation
	largest int                     // record, in bytes
	open    map[string]map[int]bool // what the mapping holds, by partition
	// children are the partitions that wait for others, the oldest first.
	children []lineage
	// calls counts the calls of one second.
	calls  int
	second int64
	// attempts is when each call that may be made again was made last, and
	// hasty how many of an operation were made again at once, in a row.
	attempts map[string]time.Time
	hasty    map[string]int
	// owners are the lives that read ordered partitions, and revoked is since when
	// a partition is revoked.
	owners  map[string]*Life
	revoked map[string]time.Time
	// asked says that a partition was revoked, ever.
	asked bool
	// ousted are lives that have lost a partition and do not know it.
	ousted map[string]map[*Life]bool
	// ends is when the last invocation with records of a partition, or their
	// last delivery, ended.
	ends map[string]time.Time
	// unreleased says that calls that release records may fail, and keeping that those
	// that let go of them may.
	unreleased, keeping bool
	// backlog is what was seen of a backlog.
	backlog backlog
	// deaf says that the destination may not return.
	deaf bool
	// duplicates says that a record may be handed out twice.
	duplicates bool
}

// lineage is a partition that is read after its parents.
type lineage struct {
	id      string
	parents []string
}

// trace is what is known of a record.
type trace struct {
	number    int
	partition string
	key       string
	size      int
	entered   time.Time
	// earlier is what must be finished before it: its predecessors in the
	// order of its key, and of its partition.
	earlier []*trace

	handed   time.Time     // last time
	holder   *Life         // to whom
	expires  time.Time     // until when it is the mapping's; zero if nobody tells
	released time.Time     // when it was given back last
	waiting  time.Time     // since when it waits in its source though there is a lane for it
	started  bool          // since then
	invoked  int           // how often, ever
	failed   map[*Life]int // how often, in the lives that go on
	retried  time.Time     // since when it is to be retried in place; zero if it is not
	finished bool          // an invocation succeeded with it
	handled  time.Time     // when one did last
	offered  time.Time     // when it was first offered to the destination, in this life
	given    bool          // delivered to the destination
	settled  bool
	gone     bool // it needs no invocation
	ageless  bool // it has no time
	redriven bool
	stayed   bool // when nothing was left to do
}

// invocation is one run of the handler.
type invocation struct {
	life  *Life
	ctx   context.Context //nolint:containedctx // to see whether it is over
	items []Item
	plan  plan
	began time.Time
	ended bool
	lost  bool // its partition was lost meanwhile
}

// partition is where its records are from.
func (i *invocation) partition(o *Observer) string {
	if len(i.items) == 0 {
		return ""
	}
	return o.records[i.items[0].Number].partition
}

// partitions are those that its records are from.
func (i *invocation) partitions(o *Observer) []string {
	var all []string
	for _, it := range i.items {
		if p := o.records[it.Number].partition; !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

func newObserver(s *Sim) *Observer {
	return &Observer{
		sim: s, began: time.Now(),
		byKey: make(map[string]*trace), byPart: make(map[string]*trace), open: make(map[string]map[int]bool),
		attempts: make(map[string]time.Time), hasty: make(map[string]int),
		ousted: make(map[string]map[*Life]bool), owners: make(map[string]*Life),
		revoked: make(map[string]time.Time), ends: make(map[string]time.Time),
		deaf:       s.Scenario.Faults[FaultDeaf] > 0,
		unreleased: s.keeps(OpRelease), keeping: s.keeps(OpRelease) || s.keeps(OpFail), duplicates: s.Scenario.Faults[FaultDuplicate] > 0,
	}
}

// keeps reports whether a call that lets go of records may have no effect.
func (s *Sim) keeps(op Op) bool {
	return s.Scenario.Faults[before(op)]+s.Scenario.Faults[hung(op)] > 0
}

// log adds a line to the history.
func (o *Observer) log(format string, args ...any) { //nolint:goprintffuncname // a word, not a family of functions
	line := fmt.Sprintf("%12v ", time.Since(o.began).Round(time.Microsecond)) + fmt.Sprintf(format, args...)
	o.history = append(o.history, line)
}

// Note adds a line to the history.
func (o *Observer) Note(line string) { o.log("%s", line) }

// Entered tells that a record has entered the source. partition names where, if
// the source is ordered; size is what it takes in an event document.
func (o *Observer) Entered(r Record, partition string, size int) {
	t := &trace{number: r.Number, partition: partition, key: r.Key, size: size, entered: time.Now(), failed: make(map[*Life]int)}
	if len(o.records) != r.Number {
		panic(fmt.Sprintf("simulation: record %d sent as number %d", r.Number, len(o.records)))
	}
	o.records = append(o.records, t)
	o.largest = max(o.largest, size)
	if k := o.sim.kind; k.Ordered || k.Grouped {
		if p := o.byKey[r.Key]; p != nil {
			t.earlier = append(t.earlier, p)
		}
		o.byKey[r.Key] = t
	}
	if o.sim.kind.Ordered && o.sim.Scenario.Config.ParallelizationFactor <= 1 {
		if p := o.byPart[partition]; p != nil {
			t.earlier = append(t.earlier, p)
		}
		o.byPart[partition] = t
	}
	o.log("sent %d key %q to %s, %d bytes", r.Number, r.Key, partition, size)
}

// called counts a call, which was sent some time ago, and tells of hot loops.
func (o *Observer) called(l *Life, label string, sent time.Time) {
	const most = 5000
	if second := time.Now().Unix(); second != o.second {
		o.second, o.calls = second, 0
	}
	if o.calls++; o.calls > most {
		o.violate(9, "a hot loop: more than %d calls in one second, the last is %q", most, label)
	}
	if l.ended {
		o.violate(11, "life %d calls %q after Run has returned", l.number, label)
	}

	// A call that was on its way at the moment of the stop may have its turn after it.
	fetches := strings.HasPrefix(label, "fetch") && time.Since(l.stopped) > o.late()+time.Millisecond &&
		(!o.sim.kind.ReadsAhead || sent.After(l.stopped))
	if !l.stopped.IsZero() && (fetches || label == "accept") {
		o.violate(11, "life %d calls %q after the stop", l.number, label)
	}
	if at, fetch := strings.CutPrefix(label, "fetch "); fetch {
		at, _, _ = strings.Cut(at, " ")
		o.checkFetched(l, at, sent)
	}
	if label == "close source" {
		o.checkClosing(l)
	}
	o.checkHaste(label)
	o.log("life %d: %s", l.number, label)
}

// Handed tells that a record was handed out to the mapping.
func (o *Observer) Handed(l *Life, n int) {
	t := o.records[n]
	held := o.holding(t.partition)
	o.log("life %d: gets %d", l.number, n)
	if o.ousted[t.partition][l] {
		return
	}
	o.checkForgotten(t, held[n])
	t.handed, t.holder, t.started, t.expires = time.Now(), l, false, time.Time{}
	delete(o.attempts, o.fetching(t.partition))
	if t.settled {
		o.violate(12, "record %d is handed out again, it was settled", n)
	}
	held[n] = true
	o.checkBounds(t.partition, held)
}

func (o *Observer) holding(partition string) map[int]bool {
	if o.open[partition] == nil {
		o.open[partition] = make(map[int]bool)
	}
	return o.open[partition]
}

// Returned tells that the mapping holds a record no longer, although it was not
// settled: it was given back, or lost on its way.
func (o *Observer) Returned(n int) { o.drop(o.records[n]) }

func (o *Observer) drop(t *trace) { delete(o.holding(t.partition), t.number) }

// Redriven tells that the source has moved a record to its dead-letter queue.
func (o *Observer) Redriven(n int) {
	o.log("redriven %d", n)
	o.checkRedriven(o.records[n])
	o.records[n].redriven = true
	o.drop(o.records[n])
	o.sim.cover("redriven")
}

// Settled tells that a record was settled: it leaves its source.
func (o *Observer) Settled(l *Life, n int) {
	o.log("life %d: settled %d", l.number, n)
	o.settle(n, 2)
}

// Passed tells that the position of a partition moved past records, the last of
// which was acked. moved is by how much: less than none if it went back.
func (o *Observer) Passed(l *Life, partition string, numbers []int, moved int) {
	o.log("life %d: position of %s past %v", l.number, partition, numbers)
	if moved < 0 {
		o.violate(3, "the position of %s went back by %d", partition, -moved)
	}
	for i, n := range numbers {
		promise := 3
		if i == len(numbers)-1 {
			promise = 2
		}
		o.settle(n, promise)
	}
}

func (o *Observer) settle(n, promise int) {
	t := o.records[n]
	if !o.done(t) && !t.given {
		if promise == 3 {
			o.violate(3, "the position passed record %d, which is unfinished", n)
		} else {
			o.violate(2, "record %d was settled, but no invocation with it succeeded and no rule gave it up", n)
		}
	}
	if !t.finished && !t.given && o.untaken(t) {
		o.sim.cover(tooLate)
	}
	t.settled = true
	o.drop(t)
}

// done reports whether a record needs no invocation any more.
func (o *Observer) done(t *trace) bool {
	return t.settled || t.gone || t.finished || t.given || t.redriven || o.rejected(t.number) || o.discarded(t)
}

// rejected reports whether the filter rejects the record.
func (o *Observer) rejected(n int) bool {
	return o.sim.Scenario.Reject > 0 && n%o.sim.Scenario.Reject == 0
}

// discarded reports whether a rule that the user set gives the record up, and
// there is no destination for it, or none that took it in time.
func (o *Observer) discarded(t *trace) bool {
	return o.mayGiveUp(t) && (!o.sim.Scenario.Destination || o.untaken(t))
}

// tooLate is counted when a record is dropped because the destination did not
// take it in time.
const tooLate = "delivered too late"

// laterDone is counted when a record is finished before an earlier one of its batch.
const laterDone = "later record done"

// untaken reports whether the destination did not take the record within the time
// that the user set.
func (o *Observer) untaken(t *trace) bool {
	limit, since := o.sim.Scenario.Config.OnFailureTimeout, t.offered
	if since.IsZero() && o.deaf {
		since = t.handed // an abandoned delivery may keep the lane from offering it
	}
	return limit > 0 && !since.IsZero() && time.Since(since) >= limit
}

// offered tells that records were offered to the destination.
func (o *Observer) offered(numbers []int, at time.Time) {
	for _, n := range numbers {
		if t := o.records[n]; t.offered.IsZero() {
			t.offered = at
		}
	}
}

// mayGiveUp reports whether a rule that the user set gives the record up.
func (o *Observer) mayGiveUp(t *trace) bool {
	s := &o.sim.Scenario
	if !o.sim.kind.Ordered {
		return false
	}
	if limit := o.retries(); limit >= 0 && o.maxFailed(t) > limit {
		return true
	}
	if age := s.Config.MaximumRecordAge; age > 0 && !t.ageless && time.Since(t.entered) > age {
		return true
	}
	return o.tooLarge(t)
}

// retries is how often a batch that failed is tried again, -1 for no limit.
func (o *Observer) retries() int {
	s := &o.sim.Scenario
	if limit := s.Config.MaximumRetryAttempts; limit != nil && *limit >= 0 {
		return *limit
	}
	if limit := o.sim.traits.RetriesWithDestination; s.Destination && limit > 0 {
		return limit
	}
	return -1
}

// maxFailed is how often the record has failed in the life in which it did most often.
func (o *Observer) maxFailed(t *trace) int {
	most := 0
	for _, l := range o.sim.lives {
		if !l.isOver() {
			most = max(most, t.failed[l]+o.abandoned(l, t))
		}
	}
	return most
}

// abandoned is how many invocations with the record go on in a life although their time
// is over. They have failed.
func (o *Observer) abandoned(l *Life, t *trace) int {
	count := 0
	for _, i := range o.running {
		if i.life == l && i.ctx.Err() != nil && slices.ContainsFunc(i.items, func(it Item) bool { return it.Number == t.number }) {
			count++
		}
	}
	return count
}

// tooLarge reports whether the record fits into no event document.
func (o *Observer) tooLarge(t *trace) bool {
	most := o.sim.Scenario.Config.MaximumBatchBytes
	return most > 0 && t.size+o.sim.overhead > most
}

// delivered tells that the destination got a failure record.
func (o *Observer) delivered(l *Life, numbers []int, condition string) {
	o.log("life %d: delivered %v: %s", l.number, numbers, condition)
	o.sim.cover("delivered " + condition)
	for _, n := range numbers {
		t := o.records[n]
		if !o.mayGiveUp(t) {
			o.violate(1, "record %d was given up (%s), though no rule says so", n, condition)
		}
		t.given = true
		o.ends[t.partition] = time.Now()
	}
}

// invoked tells that the handler begins; the engine began at began.
func (o *Observer) invoked(ctx context.Context, l *Life, items []Item, size int, began time.Time) *invocation {
	i := &invocation{life: l, ctx: ctx, items: items, began: began}
	o.log("life %d: invoke %v", l.number, items)
	if l.ended {
		o.violate(11, "life %d invokes %v after Run has returned", l.number, items)
	}
	o.checkBatch(i, size)
	o.checkOrder(i)
	o.checkOwner(i)
	o.checkBegun(i, began)
	o.checkConcurrency(i)
	o.checkAbandoned(i)
	o.checkLeft(i, began)
	o.checkRest(i)
	for _, it := range items {
		t := o.records[it.Number]
		t.invoked++
		t.started = true
		if o.sim.kind.Ordered && t.settled && o.owners[t.partition] == l {
			o.violate(12, "record %d is invoked, it lies before the stored position", it.Number)
		}
		if o.rejected(it.Number) {
			o.violate(1, "record %d is invoked, the filter rejects it", it.Number)
		}
	}
	o.running = append(o.running, i)
	return i
}

// returned tells that the handler ends.
func (o *Observer) returned(i *invocation) {
	i.ended = true
	o.running = slices.DeleteFunc(o.running, func(other *invocation) bool { return other == i })
	if i.life.dead.Load() {
		return
	}
	report := o.sim.Scenario.Config.ReportBatchItemFailures
	mood := i.plan.mood
	succeeded := mood == "" || mood == moodSlow || mood == moodHang || mood == moodDeaf ||
		mood == moodPartial && (!report || len(i.plan.failed) == 0) ||
		mood == moodMalformed && (!report || i.plan.text == "null")

	// A success counts after a cut of the drain timeout, but not after the time
	// limit.
	if i.ctx.Err() != nil {
		succeeded = i.heedless() && i.inTime()
	}
	o.log("life %d: %v ends, %s %v %v", i.life.number, i.items, mood, i.plan.failed, succeeded)
	i.life.handled = time.Now()
	for _, partition := range i.partitions(o) {
		o.ends[partition] = time.Now()
	}
	o.checkOwner(i)
	if mood == moodPartial && report && !i.plan.failed[i.items[0].Number] && len(i.plan.failed) > 0 {
		o.sim.cover("partial progress")
	}
	bisect := o.sim.Scenario.Config.BisectBatchOnFunctionError && len(i.items) > 1
	if bisect && !succeeded && mood != moodPartial && mood != moodThrottle {
		o.sim.cover("bisect")
	}
	failing, named := false, o.sim.traits.RetryNamed
	progress := false
	for _, it := range i.items {
		t := o.records[it.Number]
		if mood == moodPartial && report && i.ctx.Err() == nil {
			if failing && named && !i.plan.failed[it.Number] {
				o.sim.cover(laterDone)
			}
			failing = i.plan.failed[it.Number] || failing && o.sim.kind.Ordered && !named
		} else {
			failing = !succeeded
		}
		switch {
		case !failing:
			t.finished, t.handled, progress = true, time.Now(), true
		case mood != moodThrottle || i.ctx.Err() != nil:
			t.failed[i.life]++
		}
		t.retried = time.Time{}
		if failing && i.ctx.Err() == nil && (!o.sim.kind.Redelivers || mood == moodThrottle) {
			t.retried = time.Now()
		}
	}
	o.checkStuck(i, progress)
}
