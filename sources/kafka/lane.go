package kafka

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources"
)

// enough is how many bytes of records a lane buffers, if it does not keep up, before the
// client is paused for its partitions. One fetch may come on top of it. What the client
// has fetched of a paused partition already is thrown away and fetched again later.
const enough = 2 << 20

// lane is what the engine reads as one partition: one partition of a topic, or with
// Options.MixPartitions all that this member of the group owns. It hands records out
// in the order in which they came, and remembers the offsets of what it handed out until
// that is settled, so that a position in this order tells an offset of each partition.
type lane struct {
	source *Source
	id     string

	wake chan struct{} // there is something for Fetch

	// What follows is guarded by the source's mutex.
	members []*assignment
	chunks  queue[chunk] // read and not handed out
	open    queue[span]  // handed out and not settled
	slow    bool         // it did not take in time what it got
	bytes   int          // of chunks, if it is slow
	paused  bool
	errs    []error

	onRevoked, onLost func()
	state             state
}

// state is how a lane stands in the group.
type state int

const (
	serving state = iota
	revoked       // revoked: the engine ends what it has begun
	gone          // owned by somebody else
	closed        // the engine has let it go
)

// chunk is records of one partition, one behind the other, and what was read behind them
// that is no record of its own, the marks of transactions. It may have no records.
type chunk struct {
	of      *assignment
	records []*kgo.Record
	end     kgo.EpochOffset // behind all that was read
}

// span is what was handed out of a chunk at once.
type span struct {
	of   *assignment
	last int64           // the offset of the last record; -1 for none
	end  kgo.EpochOffset // behind it, and behind what is no record
}

var (
	_ sources.Partition       = (*lane)(nil)
	_ sources.Revocable       = (*lane)(nil)
	_ sources.RecordDescriber = (*lane)(nil)
)

func newLane(s *Source, id string) *lane {
	return &lane{source: s, id: id, wake: make(chan struct{}, 1)}
}

// ID is topic, hyphen, number; the group's name for a lane of all partitions.
func (l *lane) ID() string { return l.id }

// OnRevoke has the engine told when a rebalance asks the lane back, or took it.
func (l *lane) OnRevoke(revoked, lost func()) {
	l.source.mu.Lock()
	l.onRevoked, l.onLost = revoked, lost
	at := l.state
	l.source.mu.Unlock()
	l.tell(at)
}

// tell tells the engine of a state. The caller holds no mutex.
func (l *lane) tell(at state) {
	l.source.mu.Lock()
	asked, lost := l.onRevoked, l.onLost
	l.source.mu.Unlock()
	switch {
	case at == revoked && asked != nil:
		asked()
	case at == gone && lost != nil:
		lost()
	}
	signal(l.wake)
}

// Fetch returns what the client has read of the lane's partitions, or waits for it.
func (l *lane) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	var (
		timer   *time.Timer
		expired <-chan time.Time
	)
	for {
		err := ctx.Err()
		if err != nil {
			return 0, err
		}
		n, err := l.take(buf)
		if n > 0 || err != nil || wait <= 0 {
			return n, err
		}
		if timer == nil && wait < math.MaxInt64 {
			timer = time.NewTimer(wait)
			expired = timer.C
			defer timer.Stop()
		}
		select {
		case <-l.wake:
		case <-ctx.Done():
		case <-expired:
			return 0, nil
		}
	}
}

// take fills buf from what is there.
func (l *lane) take(buf []sources.Record) (int, error) {
	n := 0
	for n < len(buf) {
		c := l.next(len(buf) - n)
		if len(c.records) == 0 {
			break
		}
		c.of.records(buf[n:n+len(c.records)], c.records, l.source.options.MixPartitions)
		n += len(c.records)
	}
	return n, l.trouble()
}

// trouble returns what went wrong and was not told yet.
func (l *lane) trouble() error {
	l.source.mu.Lock()
	defer l.source.mu.Unlock()
	switch {
	case l.state == gone:
		return sources.ErrLost
	case len(l.errs) > 0:
		err := l.errs[0]
		l.errs = l.errs[1:]
		return err
	default:
		return nil
	}
}

// next hands out records of one partition, at most so many; none if there are none.
func (l *lane) next(limit int) chunk {
	l.source.mu.Lock()
	defer l.source.mu.Unlock()
	if l.chunks.empty() || l.state != serving {
		return chunk{}
	}
	var c chunk
	for len(c.records) == 0 && !l.chunks.empty() {
		c = l.cut(limit)
		l.handOut(c)
	}
	if l.chunks.empty() {
		l.source.unmarkPending(l)
	}
	if l.paused && l.bytes <= enough/2 {
		l.source.resume(l)
	}
	return c
}

// cut takes so many records at most off the first chunk. The caller holds the mutex.
func (l *lane) cut(limit int) chunk {
	first := l.chunks.first()
	c := *first
	if len(c.records) > limit {
		c.records, first.records = c.records[:limit:limit], c.records[limit:]
		c.end = behind(c.records[limit-1])
	} else {
		l.chunks.pop()
	}
	if l.slow {
		l.bytes -= weigh(c.records)
	}
	return c
}

// handOut remembers what was handed out. The caller holds the mutex.
func (l *lane) handOut(c chunk) {
	s := span{of: c.of, last: -1, end: c.end}
	if len(c.records) > 0 {
		s.last = c.records[len(c.records)-1].Offset
	}
	l.open.push(s)
	if l.pass() {
		l.source.member.committer.pass(c.of, l.source.tell)
	}
}

// pass settles what has no records, if no record before it is open, and reports whether
// there was any. The caller holds the mutex.
func (l *lane) pass() (passed bool) {
	for !l.open.empty() && l.open.first().last < 0 {
		first := l.open.first()
		first.of.settled = first.end
		l.open.pop()
		passed = true
	}
	return passed
}

// put buffers what the client has read of a member. The caller holds the mutex.
func (l *lane) put(c chunk) {
	if len(c.records) == 0 && l.chunks.empty() {
		l.handOut(c) // nobody is to be woken for it
		return
	}
	l.chunks.push(c)
	if !l.slow {
		l.source.markPending(l)
		return
	}
	signal(l.wake)
	l.bytes += weigh(c.records)
	l.source.limit(l)
}

// Ack commits the offset behind the last of records, and with it what was handed out
// before it of other partitions (KAF-33). It returns when the broker has it.
func (l *lane) Ack(ctx context.Context, records []sources.Record) error {
	err := ctx.Err()
	if err != nil {
		return err
	}
	l.source.mu.Lock()
	if l.state >= gone {
		l.source.mu.Unlock()
		return sources.ErrLost
	}
	if len(records) > 0 {
		l.settle(native(&records[len(records)-1]))
	}
	var moved []*assignment
	committer := l.source.member.committer
	for _, a := range l.members {
		if a.settled.Offset > a.committed.Offset {
			moved = append(moved, a)
		}
	}
	l.source.mu.Unlock()
	err = committer.commit(ctx, moved)
	if err != nil && l.isHopeless(moved) {
		return fmt.Errorf("%w (the mapping is stopped, and does not wait for it): %w", err, sources.ErrLost)
	}
	return err
}

// isHopeless reports whether a stop waits for a commit that is refused again and again:
// the topic is gone, or the permission.
func (l *lane) isHopeless(partitions []*assignment) bool {
	const enough = 3
	l.source.mu.Lock()
	defer l.source.mu.Unlock()
	return l.source.stopping && slices.ContainsFunc(partitions, func(a *assignment) bool { return a.refusals >= enough })
}

// settle moves the positions to right behind a record, and past what was handed out
// before it. The caller holds the mutex.
func (l *lane) settle(r *kgo.Record) {
	for _, a := range l.members {
		if a.topic == r.Topic && a.partition == r.Partition && r.Offset < a.settled.Offset {
			return // it was before
		}
	}
	for !l.open.empty() {
		first := l.open.first()
		same := first.of.topic == r.Topic && first.of.partition == r.Partition
		if same && r.Offset < first.last {
			first.of.settled = behind(r)
			return
		}
		first.of.settled = first.end
		done := same && first.last == r.Offset
		l.open.pop()
		if done {
			l.pass()
			return
		}
	}
}

// Close lets the lane go. What was handed out and is not settled is read again by who
// owns the partitions next; that may be this lane's successor.
func (l *lane) Close(context.Context) error {
	l.source.closeLane(l)
	return nil
}

// signal wakes who waits for c, now or next.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
