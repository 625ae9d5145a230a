package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// maxRelief is how long the client is not asked for more because a lane has not taken what
// it got. One that has not by then is waited for no more, until it has.
const maxRelief = 5 * time.Millisecond

// laneTime is how long lanes wait at most for others to take what they got.
const laneTime = 500 * time.Microsecond

const (
	// troubled is how long the client is not asked again after an error, which some it
	// gives at once, again and again; a single partition that goes on failing is asked
	// for less and less, down to maxTroubled.
	troubled    = 250 * time.Millisecond
	maxTroubled = 4 * time.Second
)

// poll asks the member's client for records and hands them to the lanes, until ctx is
// done or the member thrown out. It never waits for a handler, however long that takes
// (KAF-187).
func (s *Source) poll(ctx context.Context, m *member) {
	s.mu.Lock()
	s.polling = true
	s.mu.Unlock()
	defer s.endPolls()
	for ctx.Err() == nil && !m.out.Load() {
		poll, cancel := s.beginPoll(ctx, m)
		s.mu.Lock()
		tasks := s.tasks
		s.tasks = nil
		s.mu.Unlock()
		if len(tasks) == 0 && !s.distribute(m.client.PollRecords(poll, 0)) {
			sleep(poll, troubled)
		}
		cancel()
		for _, t := range tasks {
			t.do()
			close(t.done)
		}
		s.relieve(ctx)
	}
}

// beginPoll has partitions read on that rested long enough, and returns a context that
// ends when others have, or the poll is interrupted.
func (s *Source) beginPoll(ctx context.Context, m *member) (context.Context, context.CancelFunc) {
	poll, cancel := context.WithCancel(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.interrupt = cancel
	if m.out.Load() {
		cancel()
	}
	if next := s.wake(time.Now()); !next.IsZero() {
		timed, stop := context.WithDeadline(poll, next)
		return timed, func() {
			stop()
			cancel()
		}
	}
	return poll, cancel
}

// endPolls has tasks that came too late done.
func (s *Source) endPolls() {
	s.mu.Lock()
	s.polling = false
	tasks := s.tasks
	s.tasks = nil
	s.mu.Unlock()
	for _, t := range tasks {
		t.do()
		close(t.done)
	}
}

// betweenPolls has something done while no poll is under way, and returns when it is
// done.
func (s *Source) betweenPolls(do func()) {
	t := task{do: do, done: make(chan struct{})}
	s.mu.Lock()
	polling := s.polling
	if polling {
		s.tasks = append(s.tasks, t)
		if s.interrupt != nil {
			s.interrupt()
		}
	}
	s.mu.Unlock()
	if !polling {
		do()
		return
	}
	<-t.done
}

// distribute hands what a poll brought to the lanes, and reports whether the client can
// be asked again at once.
func (s *Source) distribute(fetches kgo.Fetches) bool {
	s.mu.Lock()
	well, records := true, 0
	resting := make(map[string][]int32)

	// Errors first: behind one that tells of a cut, records come from where the client went.
	eachPartition(fetches, func(t *kgo.FetchTopic, p *kgo.FetchPartition) {
		records += len(p.Records)
		if p.Err != nil && !s.trouble(t, p, resting) {
			well = false
		}
	})
	eachPartition(fetches, s.deliver)
	if len(resting) > 0 {
		s.member.client.PauseFetchPartitions(resting)
	}
	s.mu.Unlock()
	s.tellLost()
	return well || records > 0
}

// eachPartition does something with all that a poll brought.
func eachPartition(fetches kgo.Fetches, do func(*kgo.FetchTopic, *kgo.FetchPartition)) {
	for i := range fetches {
		for j := range fetches[i].Topics {
			t := &fetches[i].Topics[j]
			for k := range t.Partitions {
				do(t, &t.Partitions[k])
			}
		}
	}
}

// trouble tells of an error that a poll brought. If it is about one partition, that
// rests for a while, and true is returned. The caller holds the mutex.
func (s *Source) trouble(t *kgo.FetchTopic, p *kgo.FetchPartition, resting map[string][]int32) bool {
	a := s.owned[key{t.Topic, p.Partition}]
	if a == nil {
		if isStop(p.Err) {
			return true
		}
		s.note(s.failed("Fetch", p.Err))
		return false
	}
	if cut, is := errors.AsType[*kgo.ErrDataLoss](p.Err); is {
		a.outside, a.cut = true, cut.ResetTo // the client reads on there
	} else if errors.Is(p.Err, kerr.OffsetOutOfRange) {
		a.outside = true // relocate tells what that comes to
	} else {
		a.fail(s.failed("Fetch", fmt.Errorf("partition %s: %w", a.name, p.Err)))
	}
	s.rest(a)
	resting[t.Topic] = append(resting[t.Topic], p.Partition)
	a.astray = a.astray || a.outside || isTooLarge(p.Err)
	if isOtherTopic(p.Err) {
		signal(s.curious)
	}
	return true
}

// wake has partitions read on that rested long enough, and returns when the next one
// has; zero if none rests. The caller holds the mutex.
func (s *Source) wake(now time.Time) (next time.Time) {
	awake := make(map[string][]int32)
	for a, until := range s.resting {
		switch {
		case !a.owned:
			delete(s.resting, a)
		case now.Before(until):
			if next.IsZero() || until.Before(next) {
				next = until
			}
		default:
			delete(s.resting, a)
			if a.astray {
				s.repair(a)
			} else if !a.lane.paused {
				awake[a.topic] = append(awake[a.topic], a.partition)
			}
		}
	}
	if len(awake) > 0 {
		s.member.client.ResumeFetchPartitions(awake)
	}
	return next
}

// deliver hands what a poll brought of one partition to its lane. The caller holds
// the mutex.
func (s *Source) deliver(t *kgo.FetchTopic, got *kgo.FetchPartition) {
	of := s.owned[key{t.Topic, got.Partition}]
	if of == nil {
		return // given away since
	}
	if got.Err == nil {
		of.end, of.known = max(of.end, got.HighWatermark), time.Now()
	}
	if len(got.Records) == 0 || of.asked || of.rewinding || of.outside || of.lane.state == closed {
		return
	}
	if s.options.StartingPosition != TrimHorizon && s.isOther(t) {
		of.rewinding = true // watch has it begun anew, and where it begins stored first (P16)
		signal(s.curious)
		return
	}
	if first := got.Records[0].Offset; first < of.next {
		of = s.renew(of, first)
	}
	if missed := of.missing(got); missed > 0 {
		s.miss(of, missed)
	}
	of.troubles = 0
	if of.first < 0 {
		of.first = got.Records[0].Offset
	}
	end := behind(got.Records[len(got.Records)-1])
	of.next, of.hasRead, of.same = end.Offset, true, of.same || t.TopicID != topicID{}
	of.lane.put(chunk{of: of, records: withoutMarks(got.Records), end: end})
}

// isOther reports whether the client has gone over by itself to a topic that was made anew. The
// caller holds the mutex.
func (s *Source) isOther(t *kgo.FetchTopic) bool {
	id := s.ids[t.Topic]
	return id != topicID{} && t.TopicID != topicID{} && id != t.TopicID
}

// withoutMarks leaves out the marks with which transactions end.
func withoutMarks(records []*kgo.Record) []*kgo.Record {
	isMark := func(r *kgo.Record) bool { return r.Attrs.IsControl() }
	if !slices.ContainsFunc(records, isMark) {
		return records
	}
	return slices.DeleteFunc(records, isMark)
}

// renew has a partition begun anew that went back: its topic was cut off, or deleted and
// made again, so that other records have the offsets that were read and committed. The
// caller holds the mutex.
func (s *Source) renew(a *assignment, first int64) *assignment {
	s.lose(a)
	next := newAssignment(a.key)
	next.placed, next.same = true, a.same
	s.begin(next)
	next.fail(s.failed("Fetch", fmt.Errorf(
		"partition %s goes on at offset %d, before %d: the topic was cut off, or made anew", a.name, first, a.next)))
	return next
}

// missing is how many offsets before the first record were deleted unread (KAF-37).
// Offsets within what the topic still holds are gaps, and nothing is lost there.
func (a *assignment) missing(p *kgo.FetchPartition) int64 {
	first := p.Records[0].Offset
	if a.next < 0 || p.LogStartOffset <= a.next || first <= a.next {
		return 0
	}
	return min(p.LogStartOffset, first) - a.next
}

// miss tells of offsets that are lost. The caller holds the mutex.
func (s *Source) miss(a *assignment, count int64) {
	s.missed += count
	a.fail(&LossError{Partition: a.name, From: a.next, Count: count})
}

// fail has the next Fetch of the partition's lane return an error. Of those that come again
// and again only some are kept. The caller holds the mutex.
func (a *assignment) fail(err error) {
	const maxErrors = 8
	if len(a.lane.errs) < maxErrors || isLoss(err) {
		a.lane.errs = append(a.lane.errs, err)
		signal(a.lane.wake)
	}
}

// weigh is how many bytes records take, about.
func weigh(records []*kgo.Record) int {
	n := 0
	for _, r := range records {
		n += len(r.Key) + len(r.Value)
		for i := range r.Headers {
			n += len(r.Headers[i].Key) + len(r.Headers[i].Value)
		}
	}
	return n
}

// isStop says that a poll was ended by this package.
func isStop(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, kgo.ErrClientClosed)
}

// relieve waits a moment for the lanes that got something to take it. While those that
// keep up do so, the client fetches ahead of them, and nothing piles up here.
func (s *Source) relieve(ctx context.Context) {
	if !s.busy() {
		return
	}
	defer s.wakeAll()
	timer := time.NewTimer(laneTime)
	defer timer.Stop()
	for last := false; s.busy(); {
		select {
		case <-s.relieved:
		case <-ctx.Done():
			return
		case <-timer.C:
			if last {
				s.leaveBehind()
				return
			}
			s.wakeAll()
			timer.Reset(maxRelief - laneTime)
			last = true
		}
	}
}

// busy reports whether a lane has not taken all yet, which is not left behind.
func (s *Source) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.pending) > 0
}

// leaveBehind has nobody wait for the lanes that have not taken all yet.
func (s *Source) leaveBehind() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.pending {
		l.slow = true
		l.bytes = 0
		for _, c := range l.chunks.rest() {
			l.bytes += weigh(c.records)
		}
		s.limit(l)
	}
	clear(s.pending)
}

// limit pauses a lane that is left behind and has enough. The caller holds the mutex.
func (s *Source) limit(l *lane) {
	if l.slow && l.bytes >= enough && !l.paused {
		s.pause(l)
	}
}

// markPending has a lane take what it got. All but one processor are for those that do: the
// others wait for their turn, so that the client can go on to fetch meanwhile. The caller
// holds the mutex.
func (s *Source) markPending(l *lane) {
	if _, is := s.pending[l]; is {
		return // it has more to take
	}
	s.pending[l] = struct{}{}
	if len(s.pending) <= s.maxAwake {
		signal(l.wake)
	} else {
		s.queued.push(l)
	}
}

// unmarkPending notes that a lane has taken all, or is closed. The caller holds the mutex.
func (s *Source) unmarkPending(l *lane) {
	l.slow = false
	delete(s.pending, l)
	s.wakeNext()
	if len(s.pending) == 0 {
		signal(s.relieved)
	}
}

// wakeNext wakes the next lane whose turn it is, and reports whether there is one. The
// caller holds the mutex.
func (s *Source) wakeNext() bool {
	for !s.queued.empty() {
		l := *s.queued.first()
		s.queued.pop()
		if _, is := s.pending[l]; is {
			signal(l.wake)
			return true
		}
	}
	return false
}

// wakeAll wakes the lanes that wait for their turn.
func (s *Source) wakeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.wakeNext() {
	}
}

// pause has the client read no more of a lane. The caller holds the mutex.
func (s *Source) pause(l *lane) {
	l.paused = true
	s.member.client.PauseFetchPartitions(l.partitions())
}

// resume has the client read on, but for what rests. The caller holds the mutex.
func (s *Source) resume(l *lane) {
	l.paused = false
	all := make(map[string][]int32)
	for _, a := range l.members {
		if _, rests := s.resting[a]; !rests && !a.astray {
			all[a.topic] = append(all[a.topic], a.partition)
		}
	}
	s.member.client.ResumeFetchPartitions(all)
}

// partitions are the lane's, as the client names them. The caller holds the mutex.
func (l *lane) partitions() map[string][]int32 {
	all := make(map[string][]int32)
	for _, a := range l.members {
		all[a.topic] = append(all[a.topic], a.partition)
	}
	return all
}

// sleep waits, unless ctx is done before.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
