//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// observer knows what was sent where, what each handler got and what came of it, and
// what the broker has committed. It knows nothing of the adapter's own books, and
// holds all of it against the promises.
type observer struct {
	sim      *sim
	overhead int // of an event document
	violated chan struct{}

	mu        sync.Mutex
	began     time.Time
	history   []string
	violation *violation
	records   []*record      // by number
	parts     []*part        // by partition
	runs      []*run         // that go on, the earliest first
	dead      []*life        // that were killed
	joins     map[string]int // how often a member ID joined with epoch 0 (KIP-848)
	pins      map[int]int64  // that are asked for, by somebody who is no member
}

// part is a partition.
type part struct {
	records []*record // in order
	low     int       // all before it are done
	// committed is what the broker has, -1 for nothing.
	committed int64
	// start is what the group was to begin with.
	start int64
	// read says that a handler had records of it.
	read bool
	// deleted is the offset up to which records may be gone.
	deleted int64
	ends    time.Time // when an invocation ended last
	told    []span    // what mappings told to be lost
}

// span is offsets from one up to another.
type span struct{ from, to int64 }

// record is what is known of a record.
type record struct {
	number    int
	partition int
	key       string
	entered   time.Time
	visible   time.Time // when its transaction ended, if that matters
	offset    int64     // -1 until it is known
	size      int       // in an event document, 0 until it is known

	handed   int // how often it was handed out
	started  int // how often a handler began with it
	failed   map[*life]int
	finished bool // a handler succeeded with it
	given    bool // delivered to the destination
	deleted  bool // before it was finished, which may be a loss
	silent   bool // of which nobody may be told
	aborted  bool // with its transaction
	skipped  bool // it is from before the start
}

// run is one run of a handler.
type run struct {
	life  *life
	ctx   context.Context //nolint:containedctx // to see whether it is over
	items []item
	lane  *watchedLane
	began time.Time
	plan  plan
}

// violation is a promise that was broken.
type violation struct {
	promise int // 3 for P3
	text    string
}

func (v *violation) String() string { return fmt.Sprintf("P%d: %s", v.promise, v.text) }

func newObserver(s *sim) *observer {
	o := &observer{sim: s, joins: make(map[string]int), pins: make(map[int]int64)}
	for range s.partitions {
		o.parts = append(o.parts, &part{committed: -1, start: -1})
	}

	source, err := kafka.New(kafka.Options{
		BootstrapServers: addresses(s.brokers), Topics: []string{simTopic}, ConsumerGroupID: simGroup, MixPartitions: s.mixed,
	})
	if err != nil {
		panic(err)
	}

	o.overhead = source.Traits().EventOverhead

	return o
}

// addresses is the addresses of so many brokers.
func addresses(brokers int) []string {
	all := make([]string, brokers)
	for i := range all {
		all[i] = fmt.Sprintf("localhost:%d", simPort+i)
	}

	return all
}

// begin is called in the bubble.
func (o *observer) begin() {
	o.violated = make(chan struct{})
	o.began = time.Now()
}

// logf adds a line to the history.
func (o *observer) logf(format string, args ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()

	o.line(format, args...)
}

// line is logf for who holds the mutex.
func (o *observer) line(format string, args ...any) { //nolint:goprintffuncname // a word, not a family of functions
	o.history = append(o.history, fmt.Sprintf("%12v ", time.Since(o.began).Round(time.Microsecond))+fmt.Sprintf(format, args...))
}

// violate tells that a promise is broken. The first one counts.
func (o *observer) violate(promise int, format string, args ...any) { //nolint:goprintffuncname // a word, not a family of functions
	o.mu.Lock()
	defer o.mu.Unlock()

	o.breaks(promise, format, args...)
}

// breaks is violate for who holds the mutex.
func (o *observer) breaks(promise int, format string, args ...any) { //nolint:goprintffuncname // a word, not a family of functions
	if o.violation == nil {
		o.violation = &violation{promise, fmt.Sprintf(format, args...)}
		o.history = append(o.history, "VIOLATION of "+o.violation.String())

		if o.violated != nil {
			close(o.violated)
		}
	}
}

// historian writes lines to the history.
type historian struct {
	observer *observer
	prefix   string
}

func (o *observer) writer(prefix string) *historian { return &historian{o, prefix} }

// Write adds lines.
func (h *historian) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		h.observer.logf("    %s%s", h.prefix, strings.TrimSpace(line))
	}

	return len(p), nil
}

// enters tells that a record is about to be sent.
func (o *observer) enters(m *message) *record {
	o.mu.Lock()
	defer o.mu.Unlock()

	r := &record{
		number: len(o.records), partition: m.partition, key: m.key, entered: time.Now(), visible: time.Now(), offset: -1, failed: make(map[*life]int),
	}
	o.records = append(o.records, r)
	p := o.parts[m.partition]
	p.records = append(p.records, r)
	o.mayReset(p)
	o.line("sent %d to %d, key %s", r.number, m.partition, m.key)

	return r
}

// placed tells the offset that a record has got.
func (o *observer) placed(r *record, offset int64) {
	o.mu.Lock()
	defer o.mu.Unlock()

	r.offset = offset
	p := o.parts[r.partition]
	r.deleted = r.deleted || offset < p.deleted
	r.skipped = r.skipped || offset < p.start

	if offset < p.committed && !o.done(r) {
		o.breaks(3, "the committed offset %d of partition %d passed record %d, which is unfinished", p.committed, r.partition, r.number)
	}
}

// aborts tells that the transaction of records is about to be aborted.
func (o *observer) aborts(records []*record) {
	o.mu.Lock()
	defer o.mu.Unlock()

	for _, r := range records {
		r.aborted = true
	}
}

// shows tells that the transaction of records has ended.
func (o *observer) shows(records []*record) {
	o.mu.Lock()
	defer o.mu.Unlock()

	for _, r := range records {
		r.visible = time.Now()
	}
}

// deletes tells that records of a partition are about to be deleted.
func (o *observer) deletes(partition int, offset int64) {
	o.mu.Lock()
	defer o.mu.Unlock()

	p := o.parts[partition]
	p.deleted = max(p.deleted, offset)
	o.line("partition %d is deleted up to %d", partition, offset)

	// Without a committed offset a partition is begun with what there is; with Latest one
	// learns what is gone when something comes.
	silent := p.committed < 0 || o.sim.position == kafka.Latest

	for _, r := range p.records {
		if r.offset >= 0 && r.offset < offset && !o.done(r) {
			r.deleted, r.silent = true, silent
			o.sim.cover("records are lost")
		}
	}

	o.mayReset(p)
}

// mayReset notes that what a partition has may be lost: with Latest one whose offset is
// gone goes on at the end. The caller holds the mutex.
func (o *observer) mayReset(p *part) {
	if o.sim.position != kafka.Latest || p.committed >= p.deleted {
		return
	}

	for _, r := range p.records {
		if !o.done(r) {
			r.deleted, r.silent = true, true
		}
	}
}

// settledUpTo is the offset up to which a partition was settled.
func (o *observer) settledUpTo(partition int) int64 {
	o.mu.Lock()
	defer o.mu.Unlock()

	return o.parts[partition].committed
}

// lost tells that a mapping told of a loss.
func (o *observer) lost(l *life, loss *kafka.LossError) {
	o.mu.Lock()
	defer o.mu.Unlock()

	if l.killed {
		return
	}

	o.line("%s: %v", l.name, loss)
	o.sim.cover("loss told")

	for partition, p := range o.parts {
		if loss.Partition != fmt.Sprintf("%s-%d", simTopic, partition) {
			continue
		}

		p.told = append(p.told, span{loss.From, loss.From + loss.Count})

		if loss.Count <= 0 || loss.From+loss.Count > p.deleted {
			o.breaks(1, "%s tells of %d lost offsets from %d on, but only those up to %d are deleted", l.name, loss.Count, loss.From, p.deleted)
		}
	}
}

// asked sees a request before the broker does anything about it.
func (o *observer) asked(request kmsg.Request) {
	switch request := request.(type) {
	case *kmsg.ConsumerGroupHeartbeatRequest:
		if request.MemberEpoch == 0 {
			o.mu.Lock()
			o.joins[request.MemberID]++
			o.mu.Unlock()
		}
	case *kmsg.OffsetCommitRequest:
		o.commits(request)
	}
}

// commits holds a request to commit offsets against P2 and P3: whoever makes it, it
// does not pass what nobody has finished.
func (o *observer) commits(request *kmsg.OffsetCommitRequest) {
	member := request.MemberID != "" || request.Generation >= 0

	o.mu.Lock()

	for i := range request.Topics {
		for j := range request.Topics[i].Partitions {
			partition, offset := int(request.Topics[i].Partitions[j].Partition), request.Topics[i].Partitions[j].Offset
			o.line("commit of %d up to %d by %q %d", partition, offset, request.MemberID, request.Generation)

			if member {
				o.checkPassed(partition, offset)
			} else {
				o.pins[partition] = max(o.pins[partition], offset)
			}
		}
	}

	o.mu.Unlock()

	// When the broker has done it. Virtual time goes on when nobody has anything to do.
	o.sim.after(time.Microsecond, o.sim.look)
}

// checkPassed holds an offset of a partition against P2 and P3. The caller holds the
// mutex.
func (o *observer) checkPassed(partition int, offset int64) {
	p := o.parts[partition]

	for p.low < len(p.records) && o.done(p.records[p.low]) {
		p.low++
	}

	for _, r := range p.records[p.low:] {
		if r.offset < 0 || r.offset >= offset || o.done(r) {
			continue
		}

		promise := 3
		if r.offset == offset-1 {
			promise = 2
		}

		o.breaks(promise, "offset %d of partition %d is committed, but record %d (offset %d) is unfinished", offset, partition, r.number, r.offset)
	}
}

// looked sees what the group has committed at the broker.
func (o *observer) looked(info *kfake.GroupInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()

	for partition, p := range o.parts {
		commit, ok := info.Commits[simTopic][int32(partition)]
		if !ok || commit.Offset == p.committed {
			continue
		}

		o.line("partition %d is committed up to %d, was %d", partition, commit.Offset, p.committed)

		// Members that start together may each look up where the group starts, and
		// commit it one after the other, as long as nobody has read.
		if pin, pinned := o.pins[partition]; pinned && pin >= commit.Offset && !p.read {
			if p.start >= 0 {
				o.sim.cover("pinned twice")
			}

			o.pin(p, commit.Offset)
			p.committed = commit.Offset

			continue
		}

		if commit.Offset < p.committed {
			o.breaks(3, "the committed offset of partition %d went back from %d to %d", partition, p.committed, commit.Offset)
		}

		p.committed = commit.Offset
		o.checkPassed(partition, commit.Offset)
	}
}

// pin notes where the group starts. The caller holds the mutex.
func (o *observer) pin(p *part, start int64) {
	o.sim.cover("pinned")

	if o.sim.position == kafka.TrimHorizon {
		o.breaks(1, "a group that starts with the oldest record commits %d before it reads", start)
	}

	p.start = start
	for _, r := range p.records {
		r.skipped = r.offset >= 0 && r.offset < start
	}
}

// done reports whether a record needs no invocation any more.
func (o *observer) done(r *record) bool {
	return r.finished || r.given || r.deleted || r.skipped || o.unseen(r) || o.rejected(r) || o.discarded(r)
}

// unseen reports whether a record is not for this group, because of its transaction.
func (o *observer) unseen(r *record) bool { return r.aborted && o.sim.readCommitted }

func (o *observer) rejected(r *record) bool {
	return o.sim.reject > 0 && r.number%o.sim.reject == 0
}

// discarded reports whether a rule that the user set gives a record up, and there is
// no destination for it.
func (o *observer) discarded(r *record) bool { return !o.sim.destination && o.mayGiveUp(r) }

// mayGiveUp reports whether a rule that the user set gives a record up.
func (o *observer) mayGiveUp(r *record) bool {
	if age := o.sim.config.MaximumRecordAge; age > 0 && time.Since(r.entered) > age-time.Millisecond {
		return true
	}

	if most := o.sim.config.MaximumBatchBytes; most > 0 && r.size+o.overhead > most {
		return true
	}

	attempts := o.sim.attempts()
	if attempts < 0 {
		return false
	}

	for l, n := range r.failed {
		if n+o.abandoned(l, r) > attempts {
			return true
		}
	}

	return len(r.failed) == 0 && o.abandoned(nil, r) > attempts
}

// abandoned is how many runs with a record go on although their time is over.
func (o *observer) abandoned(l *life, r *record) int {
	n := 0

	for _, other := range o.runs {
		if (l == nil || other.life == l) && other.ctx.Err() != nil &&
			slices.ContainsFunc(other.items, func(it item) bool { return it.number == r.number }) {
			n++
		}
	}

	return n
}

// handed tells that a lane hands records out.
func (o *observer) handed(w *watchedLane, records []sources.Record) {
	o.mu.Lock()
	defer o.mu.Unlock()

	numbers := make([]int, len(records))

	for i := range records {
		r := o.records[numberOf(records[i].Data)]
		r.handed++
		r.size = max(r.size, records[i].Size)
		numbers[i] = r.number
	}

	o.line("%s: %s hands out %v", w.life.name, w.ID(), numbers)

	if !w.lost.IsZero() && time.Now().After(w.lost) {
		o.breaks(4, "%s reads records %v of %s, which it has lost", w.life.name, numbers, w.ID())
	}
}

// acked tells that a lane says to have settled what was handed out up to a record.
func (o *observer) acked(w *watchedLane, last sources.Record, info *kfake.GroupInfo) {
	o.mu.Lock()
	defer o.mu.Unlock()

	r := o.records[numberOf(last.Data)]
	if at := info.Commits[simTopic][int32(r.partition)].Offset; at <= r.offset && w.lost.IsZero() && !w.life.killed {
		o.breaks(2, "%s says that record %d (offset %d of partition %d) is settled, but %d is committed", w.life.name, r.number, r.offset, r.partition, at)
	}
}

// opens tells of a new lane.
func (o *observer) opens(w *watchedLane) {
	o.mu.Lock()
	defer o.mu.Unlock()

	w.joined, w.opened = o.joins[w.member], time.Now()
	w.life.names[w.member] = true
	o.line("%s opens %s", w.life.name, w.ID())
}

// revoked tells that a lane is asked back.
func (o *observer) revoked(w *watchedLane) {
	o.mu.Lock()
	defer o.mu.Unlock()

	if w.asked.IsZero() && w.closed.IsZero() {
		w.asked = time.Now()
		o.line("%s: %s is asked back", w.life.name, w.ID())
		o.sim.cover("asked back")

		if slices.ContainsFunc(o.runs, func(r *run) bool { return r.lane == w }) {
			o.sim.cover("asked back while handled")
		}

		const margin = time.Second

		o.sim.after(o.sim.patience()+margin, func() { o.checkGiven(w) })
	}
}

// checkGiven holds a lane that was asked back some time ago against P11.
func (o *observer) checkGiven(w *watchedLane) {
	o.mu.Lock()
	defer o.mu.Unlock()

	if w.closed.IsZero() && w.lost.IsZero() && !w.life.killed && !w.life.gone {
		o.breaks(11, "%s was asked for %s %v ago, and still has it", w.life.name, w.ID(), time.Since(w.asked))
	}
}

// loses tells that a lane is lost.
func (o *observer) loses(w *watchedLane) {
	o.mu.Lock()
	defer o.mu.Unlock()

	if w.lost.IsZero() && w.closed.IsZero() {
		w.lost = time.Now()
		o.line("%s: %s is lost", w.life.name, w.ID())
		o.sim.cover("lost")

		if !w.asked.IsZero() {
			o.sim.cover("kept too long")
		}

		if slices.ContainsFunc(o.runs, func(r *run) bool { return r.lane == w }) {
			o.sim.cover("lost while handled")
		}
	}
}

// closes tells that a lane is closed.
func (o *observer) closes(w *watchedLane) {
	o.mu.Lock()
	defer o.mu.Unlock()

	w.closed = time.Now()
	o.line("%s: closes %s", w.life.name, w.ID())
}

// stops tells that a mapping is told to stop.
func (o *observer) stops(l *life) {
	o.mu.Lock()
	defer o.mu.Unlock()

	if l.stopped.IsZero() {
		l.stopped = time.Now()
		o.line("%s is stopped", l.name)
	}
}

// kills tells that a process dies.
func (o *observer) kills(l *life) {
	o.mu.Lock()
	defer o.mu.Unlock()

	l.killed = true
	o.dead = append(o.dead, l)
	o.line("%s is killed", l.name)

	for _, r := range o.runs {
		if r.life == l && r.ctx.Err() != nil { // it was given up, and so may its records have been
			for _, it := range r.items {
				o.records[it.number].failed[l]++
			}
		}
	}

	o.runs = slices.DeleteFunc(o.runs, func(r *run) bool { return r.life == l })
}

// isDead reports whether a member of the group was a process that is dead.
func (o *observer) isDead(member string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()

	return slices.ContainsFunc(o.dead, func(l *life) bool { return strings.HasPrefix(member, l.name+"-") })
}

// ended tells that Run has returned.
func (o *observer) ended(l *life, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()

	l.gone = true

	if l.killed {
		return
	}

	o.line("%s has ended: %v", l.name, err)

	switch {
	case l.stopped.IsZero():
		o.breaks(9, "Run of %s returned %v though nothing stopped it", l.name, err)
	case err != nil && !errors.Is(err, esm.ErrDrainTimeout):
		o.breaks(11, "Run of %s returned %v after its stop", l.name, err)
	case err != nil:
		o.sim.cover("drain timeout")
	}
}

// delivered tells that the destination got a failure record.
func (o *observer) delivered(l *life, numbers []int, condition string) {
	o.mu.Lock()
	defer o.mu.Unlock()

	if l.killed {
		return
	}

	o.line("%s: delivered %v: %s", l.name, numbers, condition)
	o.sim.cover("delivered " + condition)

	for _, n := range numbers {
		r := o.records[n]
		if !o.mayGiveUp(r) {
			o.breaks(1, "record %d was given up (%s), though no rule says so", n, condition)
		}

		r.given = true
		o.parts[r.partition].ends = time.Now()
	}
}
