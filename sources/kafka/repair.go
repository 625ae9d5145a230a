package kafka

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// What the client gives up until the next rebalance is taken up again here: partitions
// whose offset it could not fetch, or whose batch was too large to decompress, and topics
// that were made anew.

// displace has partitions that the client got no offset for begin anywhere, paused, until
// place knows better. The caller holds the mutex.
func (m *member) displace(offsets map[string]map[int32]kgo.Offset) {
	s := m.source
	paused := make(map[string][]int32)
	for k, a := range s.owned {
		if a.placed {
			continue
		}
		a.placed, a.astray = true, true
		s.resting[a] = time.Now().Add(troubled)
		paused[k.topic] = append(paused[k.topic], k.partition)
		if offsets[k.topic] == nil {
			offsets[k.topic] = make(map[int32]kgo.Offset)
		}
		offsets[k.topic][k.partition] = kgo.NewOffset().At(0)
	}
	if len(paused) == 0 {
		return
	}
	m.client.PauseFetchPartitions(paused)
	if s.interrupt != nil {
		s.interrupt() // the poll is to end when they have rested
	}
}

// repair begins to look for where a partition is to be read. The caller holds the mutex.
func (s *Source) repair(a *assignment) {
	m := s.member
	if s.closing || a.mending {
		return
	}
	a.mending = true
	from := a.next
	s.living.Go(func() {
		at, err := m.whereabouts(s.life, a)
		if err == nil {
			// What a poll has brought is where it belongs before.
			s.betweenPolls(func() { m.place(a, from, at) })
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		a.mending = false
		if err == nil && a.rewinding && a.owned && !a.asked {
			s.repair(a) // it was rewound in between
		}
		if err == nil || s.life.Err() != nil || !a.owned {
			return
		}
		a.fail(err)
		s.rest(a)
		if s.interrupt != nil {
			s.interrupt() // the poll is to end when it has rested
		}
	})
}

// rewind has what is not settled of a partition read again. The caller holds the mutex.
func (s *Source) rewind(a *assignment) {
	if a.rewinding {
		return
	}
	a.next = a.position()
	a.astray, a.rewinding = true, true
	s.member.client.PauseFetchPartitions(map[string][]int32{a.topic: {a.partition}})
	s.repair(a)
}

// rest has a partition not asked for, for a while. The caller holds the mutex.
func (s *Source) rest(a *assignment) {
	s.resting[a] = time.Now().Add(min(troubled<<a.troubles, maxTroubled))
	a.troubles = min(a.troubles+1, 10)
}

// whereabouts is where a partition goes on: behind what was read, or where the group has
// committed, or at its beginning.
func (m *member) whereabouts(ctx context.Context, a *assignment) (kgo.EpochOffset, error) {
	s := m.source
	s.mu.Lock()
	at := kgo.EpochOffset{Epoch: -1, Offset: a.next}
	outside := a.outside
	s.mu.Unlock()
	if at.Offset >= 0 && outside {
		return m.inside(ctx, a)
	}
	if at.Offset >= 0 {
		return at, nil
	}
	offsets := map[string]map[int32]kgo.Offset{a.topic: {a.partition: kgo.NewOffset().AtStart()}}
	err := m.settleStarts(ctx, offsets)
	if err != nil {
		return at, err
	}
	if found := offsets[a.topic][a.partition].EpochOffset(); found.Offset >= 0 {
		return found, nil
	}
	return m.lookUp(ctx, a)
}

// lookUp is where the group has committed of a partition, or its beginning.
func (m *member) lookUp(ctx context.Context, a *assignment) (at kgo.EpochOffset, err error) {
	fetched, err := m.source.fetchOffsets(ctx, m.client, map[string][]int32{a.topic: {a.partition}})
	if err != nil {
		return at, m.source.failed("OffsetFetch", fmt.Errorf("partition %s: %w", a.name, err))
	}
	found, ok := fetched.Lookup(a.topic, a.partition)
	var anew map[key]bool
	if ok {
		anew, err = m.ofOthers(ctx, map[key]topicID{a.key: marked(found.Metadata)})
		if err != nil {
			return at, err
		}
	}
	if !ok || anew[a.key] {
		err = m.storeBeginnings(ctx, []*assignment{a}, anew)
		m.source.mu.Lock()
		defer m.source.mu.Unlock()
		return a.committed, err
	}
	m.source.mu.Lock()
	defer m.source.mu.Unlock()
	a.same = marked(found.Metadata) != topicID{}
	return kgo.EpochOffset{Epoch: found.LeaderEpoch, Offset: found.At}, nil
}

// list asks for an offset of a partition.
func (m *member) list(
	ctx context.Context, a *assignment, ask func(context.Context, ...string) (kadm.ListedOffsets, error),
) (int64, error) {
	listed, err := within(ctx, callLimit, func(ctx context.Context) (kadm.ListedOffsets, error) { return ask(ctx, a.topic) })
	at, ok := listed.Lookup(a.topic, a.partition)
	if err == nil && ok {
		err = at.Err
	}
	if err == nil && !ok {
		err = kerr.UnknownTopicOrPartition
	}
	if err != nil {
		return 0, m.source.failed("ListOffsets", fmt.Errorf("partition %s: %w", a.name, err))
	}
	return at.Offset, nil
}

// inside is where a partition goes on whose topic does not have the offset that is next
// (KAF-37). One that has read here goes on with the oldest record that is left: that is
// exactly what it lost. Where brokers say that the very topic was cut off, what is behind
// the cut is new, and what is before was read.
func (m *member) inside(ctx context.Context, a *assignment) (at kgo.EpochOffset, err error) {
	admin := kadm.NewClient(m.client)
	first, err := m.list(ctx, a, admin.ListStartOffsets)
	if err != nil {
		return at, err
	}
	end, err := m.list(ctx, a, admin.ListEndOffsets)
	if err != nil {
		return at, err
	}
	m.source.mu.Lock()
	defer m.source.mu.Unlock()
	a.skipped = nil
	at = kgo.EpochOffset{Epoch: -1, Offset: a.next}
	switch latest := m.source.options.StartingPosition == Latest; {
	case a.cut >= 0 && a.same:
		at.Offset = min(max(a.cut, first), end)
	case a.cut < 0 && a.next >= first && a.next <= end:
	case latest && (a.next > end || a.cut >= 0):
		at.Offset = end
		if !a.same && end > first { // nobody knows whether what is before was read
			a.skipped = &LossError{Partition: a.name, From: first, Count: end - first}
		}
	case latest && !a.hasRead:
		at.Offset = end
	default:
		at.Offset = first
	}
	return at, nil
}

// relocate notes that a partition whose offset the topic did not have goes on elsewhere,
// and tells of that. The caller holds the mutex.
func (s *Source) relocate(a *assignment, at kgo.EpochOffset) *assignment {
	outside, skipped := a.outside, a.skipped
	a.outside, a.cut, a.skipped = false, -1, nil
	switch {
	case !outside || a.next < 0:
		return a
	case at.Offset == a.next:
		a.fail(s.failed("Fetch", fmt.Errorf("partition %s: offset %d: %w", a.name, a.next, kerr.OffsetOutOfRange)))
		return a
	case at.Offset < a.next:
		a = s.renew(a, at.Offset)
	case skipped == nil:
		s.miss(a, at.Offset-a.next)
	}
	if skipped != nil {
		s.missed += skipped.Count
		a.fail(skipped)
	}
	a.next = at.Offset
	a.lane.put(chunk{of: a, end: at})
	return a
}

// place has the client read a partition on from an offset.
// from is what was next when that was looked for.
func (m *member) place(a *assignment, from int64, at kgo.EpochOffset) {
	s := m.source
	set := func(offset int64) {
		m.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{a.topic: {a.partition: {Epoch: at.Epoch, Offset: offset}}})
	}
	s.mu.Lock()
	current := a.owned && s.member == m
	s.mu.Unlock()
	if !current {
		return
	}

	// Paused, it reads nothing in between. The client ignores an offset that it has.
	set(at.Offset + 1)
	set(at.Offset)
	m.goOn(a, from, at)
	s.tellLost()
}

// goOn has a partition whose place the client knows read, unless it was rewound since.
func (m *member) goOn(a *assignment, from int64, at kgo.EpochOffset) {
	s := m.source
	s.mu.Lock()
	defer s.mu.Unlock()
	if !a.owned || a.asked || a.lane.state == closed || a.rewinding && a.next != from {
		return
	}
	a.astray, a.rewinding = false, false
	a = s.relocate(a, at)
	if a.next < 0 { // nothing was known of it
		a.beginAt(at)
	}
	if _, rests := s.resting[a]; !rests && !a.lane.paused {
		m.client.ResumeFetchPartitions(map[string][]int32{a.topic: {a.partition}})
	}
}

// isTooLarge says that the client has given a partition up over a batch that is too large
// to be decompressed.
func isTooLarge(err error) bool {
	_, is := errors.AsType[*kgo.ErrDecompressTooLarge](err)
	return is
}

// isOtherTopic says that the topic with this ID is not there (any more).
func isOtherTopic(err error) bool {
	return errors.Is(err, kerr.UnknownTopicID) || errors.Is(err, kerr.InconsistentTopicID) || errors.Is(err, kerr.UnknownTopicOrPartition)
}
