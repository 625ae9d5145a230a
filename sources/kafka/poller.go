package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// relief is how long the client is not asked for more because a lane has not taken what
// it got. One that has not by then is waited for no more, until it has.
const relief = 5 * time.Millisecond

// troubled is how long the client is not asked again after it gave nothing but errors,
// some of which it gives at once, again and again.
const troubled = 250 * time.Millisecond

// poll asks the client for records and hands them to the lanes, until ctx is done. It
// never waits for a handler, however long that takes (KAF-187).
func (s *Source) poll(ctx context.Context) {
	defer s.endPolls()

	for ctx.Err() == nil {
		poll, cancel := context.WithCancel(ctx)

		s.mu.Lock()
		tasks := s.tasks
		s.tasks, s.interrupt = nil, cancel
		s.mu.Unlock()

		if len(tasks) == 0 && !s.distribute(s.client.PollRecords(poll, 0)) {
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

// distribute hands what a poll brought to the lanes, and reports whether there was
// something besides errors.
func (s *Source) distribute(fetches kgo.Fetches) bool {
	s.mu.Lock()

	records, errs := 0, 0

	for i := range fetches {
		for j := range fetches[i].Topics {
			t := &fetches[i].Topics[j]
			for k := range t.Partitions {
				p := &t.Partitions[k]
				records += len(p.Records)

				if p.Err != nil {
					errs++
				}

				s.deliver(t.Topic, p)
			}
		}
	}

	left := s.left
	s.left = nil
	s.mu.Unlock()

	for _, l := range left {
		l.tell(gone)
	}

	return records > 0 || errs == 0
}

// deliver hands what a poll brought of one partition to its lane. The caller holds
// the mutex.
func (s *Source) deliver(topic string, got *kgo.FetchPartition) {
	of := s.owned[key{topic, got.Partition}]

	switch {
	case got.Err != nil && of == nil:
		if !isStop(got.Err) {
			s.report(s.failed("Fetch", got.Err))
		}

		return
	case of == nil:
		return // given away since
	case got.Err != nil:
		of.fail(s.failed("Fetch", fmt.Errorf("partition %s: %w", of.name, got.Err)))
	}

	of.end = max(of.end, got.HighWatermark)

	if len(got.Records) == 0 || of.asked || of.lane.state == closed {
		return
	}

	if first := got.Records[0].Offset; first < of.next {
		of = s.renew(of, first)
	}

	if missed := of.missing(got); missed > 0 {
		of.missed += missed
		of.fail(&LossError{Partition: of.name, From: of.next, Count: missed})
	}

	if of.first < 0 {
		of.first = got.Records[0].Offset
	}

	of.next = got.Records[len(got.Records)-1].Offset + 1
	of.lane.put(chunk{of: of, records: got.Records})
}

// renew has a partition begun anew that went back: its topic was cut off, or deleted and
// made again, so that other records have the offsets that were read and committed. The
// caller holds the mutex.
func (s *Source) renew(a *assignment, first int64) *assignment {
	s.forget(a.key)

	if s.withdraw(a.lane) {
		s.end(a.lane)
	} else {
		a.lane.state = gone
		s.left = append(s.left, a.lane)
	}

	next := newAssignment(a.key)
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

// fail has the next Fetch of the partition's lane return an error. The caller holds
// the mutex.
func (a *assignment) fail(err error) {
	const most = 8

	if len(a.lane.errs) < most {
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
	return errors.Is(err, context.Canceled) || errors.Is(err, kgo.ErrClientClosed)
}

// relieve waits a moment for the lanes that got something to take it. While those that
// keep up do so, the client fetches ahead of them, and nothing piles up here.
func (s *Source) relieve(ctx context.Context) {
	var timer *time.Timer

	for s.busy() {
		if timer == nil {
			timer = time.NewTimer(relief)
			defer timer.Stop()
		}

		select {
		case <-s.relieved:
		case <-ctx.Done():
			return
		case <-timer.C:
			s.leaveBehind()

			return
		}
	}
}

// busy reports whether a lane has not taken all yet, which is not left behind.
func (s *Source) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()

	return len(s.laden) > 0
}

// leaveBehind has nobody wait for the lanes that have not taken all yet.
func (s *Source) leaveBehind() {
	s.mu.Lock()
	defer s.mu.Unlock()

	for l := range s.laden {
		l.slow = true
		l.bytes = 0

		for _, c := range l.chunks.rest() {
			l.bytes += weigh(c.records)
		}

		s.limit(l)
	}

	clear(s.laden)
}

// limit pauses a lane that is left behind and has enough. The caller holds the mutex.
func (s *Source) limit(l *lane) {
	if l.slow && l.bytes >= enough && !l.paused {
		s.pause(l)
	}
}

// unburden notes that a lane has taken all, or is closed. The caller holds the mutex.
func (s *Source) unburden(l *lane) {
	l.slow = false
	delete(s.laden, l)

	if len(s.laden) == 0 {
		signal(s.relieved)
	}
}

// pause has the client read no more of a lane. The caller holds the mutex.
func (s *Source) pause(l *lane) {
	l.paused = true
	s.client.PauseFetchPartitions(l.partitions())
}

// resume has the client read on. The caller holds the mutex.
func (s *Source) resume(l *lane) {
	l.paused = false
	s.client.ResumeFetchPartitions(l.partitions())
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
