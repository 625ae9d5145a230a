package kafka

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// onAssigned begins with partitions that this member of the group is to read.
func (m *member) onAssigned(_ context.Context, client *kgo.Client, assigned map[string][]int32) {
	m.meet(client)
	if m.isRenamed() {
		m.throwOut()
		return
	}
	s := m.source
	// Between two polls, so that what an earlier one brought of a partition that was
	// owned before, and goes on elsewhere now, is not taken for the new one's.
	s.betweenPolls(func() {
		s.mu.Lock()
		if s.member == m {
			for topic, partitions := range assigned {
				for _, partition := range partitions {
					s.assign(key{topic, partition})
				}
			}
		}
		s.mu.Unlock()
		s.tellLost()
	})
}

// assign has a partition begun. The client may give one again that it has not taken back,
// when its topic was made anew. The caller holds the mutex.
func (s *Source) assign(k key) {
	if before := s.owned[k]; before != nil {
		s.lose(before)
	}
	s.begin(newAssignment(k))
}

// lose takes a partition off the books, whose lane is to be told then. The caller holds
// the mutex.
func (s *Source) lose(a *assignment) {
	s.forget(a.key)
	if a.lane.state >= gone {
		return
	}
	a.lane.state = gone
	if s.withdraw(a.lane) {
		s.end(a.lane)
	} else {
		s.left = append(s.left, a.lane)
	}
}

// tellLost tells the lanes that were lost.
func (s *Source) tellLost() {
	s.mu.Lock()
	left := s.left
	s.left = nil
	s.mu.Unlock()
	for _, l := range left {
		l.tell(gone)
	}
}

// begin has a partition read. The caller holds the mutex.
func (s *Source) begin(a *assignment) {
	s.owned[a.key] = a
	a.retention = s.retentionOf(a.topic)
	if !s.options.MixPartitions {
		a.lane = newLane(s, a.name)
		a.lane.members = []*assignment{a}
		s.offer(a.lane)
		return
	}
	if s.mixed == nil {
		s.mixed = newLane(s, s.options.ConsumerGroupID)
		s.offer(s.mixed)
	}
	a.lane = s.mixed
	a.lane.members = append(a.lane.members, a)
	if a.lane.paused {
		s.pause(a.lane)
	}
}

// onOffsets learns where the assigned partitions begin.
func (m *member) onOffsets(ctx context.Context, offsets map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
	s := m.source
	if m.isCurrent() {
		err := m.settleStarts(ctx, offsets)
		if err != nil {
			return nil, err
		}
		anew, err := m.restart(ctx, offsets)
		if err != nil {
			return nil, err
		}
		m.settleLate(ctx, offsets, anew)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.member != m {
		return offsets, nil
	}
	for topic, partitions := range offsets {
		for partition, offset := range partitions {
			a := s.owned[key{topic, partition}]
			if a != nil {
				a.placed = true
			}
			if at := offset.EpochOffset(); a != nil && at.Offset >= 0 {
				a.beginAt(at)
				a.same = a.same || m.marks[a.key] != topicID{}
			}
		}
	}
	m.displace(offsets)
	signal(s.curious)
	return offsets, nil
}

// onRevoked gives partitions away that are revoked: their lanes end what they have
// begun and commit it first, inside of RevokeTimeout.
func (m *member) onRevoked(_ context.Context, client *kgo.Client, asked map[string][]int32) {
	m.meet(client)
	if !m.isCurrent() {
		return
	}
	s := m.source
	lanes := s.lanesOf(asked)
	if m.isRenamed() {
		m.throwOut()
		s.drop(asked, lanes)
		return
	}
	s.stopBeginning(asked)
	for _, l := range lanes {
		s.revoke(l)
	}
	m.committer.hurry(true)
	defer m.committer.hurry(false)
	limit := time.NewTimer(s.options.RevokeTimeout)
	defer limit.Stop()
	for over := false; !over && !s.allClosed(lanes); {
		select {
		case <-s.closings:
		case <-limit.C:
			over = true
		}
	}
	s.drop(asked, lanes)
}

// allClosed reports whether the engine has let go of lanes.
func (s *Source) allClosed(lanes []*lane) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !slices.ContainsFunc(lanes, func(l *lane) bool { return l.state != closed })
}

// stopBeginning has nothing more begun of partitions.
func (s *Source) stopBeginning(partitions map[string][]int32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			if a := s.owned[key{topic, number}]; a != nil {
				a.asked = true
			}
		}
	}
}

// onLost drops partitions that somebody else may own already.
func (m *member) onLost(_ context.Context, client *kgo.Client, lost map[string][]int32) {
	m.meet(client)
	if m.isCurrent() {
		m.source.drop(lost, m.source.lanesOf(lost))
	}
	m.source.mu.Lock()
	m.name = "" // what comes next may have another one
	m.source.mu.Unlock()
}

// lanesOf returns the lanes that have any of these partitions.
func (s *Source) lanesOf(partitions map[string][]int32) []*lane {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lanes []*lane
	seen := make(map[*lane]bool)
	for topic, numbers := range partitions {
		for _, number := range numbers {
			a := s.owned[key{topic, number}]
			if a != nil && !seen[a.lane] {
				seen[a.lane] = true
				lanes = append(lanes, a.lane)
			}
		}
	}

	// Lanes are told one after the other; in which order is not the client's map's to say.
	slices.SortFunc(lanes, func(a, b *lane) int { return strings.Compare(a.id, b.id) })
	return lanes
}

// revoke asks the engine to end what it has begun of a lane. One that nobody has
// accepted yet is closed at once.
func (s *Source) revoke(l *lane) {
	s.mu.Lock()
	waits := s.withdraw(l)
	if l.state == serving {
		l.state = revoked
	}
	s.mu.Unlock()
	if waits {
		s.closeLane(l)
		return
	}
	l.tell(revoked)
}

// withdraw takes back a lane that waits to be accepted, and reports whether it did.
// The caller holds the mutex.
func (s *Source) withdraw(l *lane) bool {
	for i, waiting := range s.lanes {
		if waiting == l {
			s.lanes = append(s.lanes[:i:i], s.lanes[i+1:]...)
			return true
		}
	}
	return false
}

// drop takes partitions off the books; lanes that are not closed yet are lost. When
// it returns nothing of them will be committed any more.
func (s *Source) drop(partitions map[string][]int32, lanes []*lane) {
	s.mu.Lock()
	for topic, numbers := range partitions {
		for _, number := range numbers {
			s.forget(key{topic, number})
		}
	}
	var left []*lane
	for _, l := range lanes {
		if l.state < gone {
			l.state = gone
			left = append(left, l)
		}
	}
	s.mu.Unlock()
	for _, l := range left {
		l.tell(gone)
	}
	s.member.committer.fence()
	for _, l := range left {
		s.mu.Lock()
		waits := s.withdraw(l)
		s.mu.Unlock()
		if waits {
			s.closeLane(l)
		}
	}
}

// forget takes a partition off the books. The caller holds the mutex.
func (s *Source) forget(k key) {
	a := s.owned[k]
	if a == nil {
		return
	}
	delete(s.owned, k)
	a.owned = false
	for i, member := range a.lane.members {
		if member == a {
			a.lane.members = append(a.lane.members[:i:i], a.lane.members[i+1:]...)
			break
		}
	}
	if _, rests := s.resting[a]; rests || a.lane.paused || a.astray {
		delete(s.resting, a)
		s.member.client.ResumeFetchPartitions(map[string][]int32{k.topic: {k.partition}})
	}
}

// closeLane ends a lane that the engine has let go. What is left of a mixed one goes
// on as another.
func (s *Source) closeLane(l *lane) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(l)
}

// end is closeLane for a caller that holds the mutex.
func (s *Source) end(l *lane) {
	if l.state == closed {
		return
	}
	s.unmarkPending(l)
	s.salvage(l)
	goesOn := l == s.mixed && l.state != serving && !s.closing
	l.state = closed
	signal(s.closings)
	if l != s.mixed {
		l.chunks, l.open = queue[chunk]{}, queue[span]{}
		return
	}
	s.mixed = nil
	if goesOn {
		s.succeed(l)
	}
}

// salvage has Accept tell of the losses that a lane has not told of yet: nobody else would.
// The caller holds the mutex.
func (s *Source) salvage(l *lane) {
	for _, err := range l.errs {
		if isLoss(err) {
			s.errs = append(s.errs, err)
			signal(s.ready)
		}
	}
	l.errs = slices.DeleteFunc(l.errs, isLoss)
}

// succeed has another lane go on with the partitions that are left of a mixed one,
// from the first record that was not settled: where records were handed out they are
// read again. The caller holds the mutex.
func (s *Source) succeed(l *lane) {
	next := newLane(s, l.id)
	next.errs = l.errs
	for _, a := range l.members {
		if !a.asked {
			a.lane = next
			next.members = append(next.members, a)
		}
	}
	if len(next.members) == 0 {
		return
	}
	for _, open := range l.open.rest() {
		if open.of.lane == next && open.last >= 0 {
			s.rewind(open.of)
		}
	}
	for _, open := range l.open.rest() {
		if open.of.lane == next && !open.of.rewinding {
			next.put(chunk{of: open.of, end: open.end}) // no records
		}
	}
	for _, c := range l.chunks.rest() {
		if c.of.lane == next && !c.of.rewinding {
			next.put(c)
		}
	}

	// What was enough may have been the others'.
	if l.paused {
		s.resume(next)
	}
	s.mixed = next
	s.offer(next)
}
