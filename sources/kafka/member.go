package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources"
)

// leaveLimit is how long a stop waits for the group to be left: not until other members
// have answered whom the group waits for.
const leaveLimit = 5 * time.Second

// errThrownOut is told when the group does not know its member any more.
var errThrownOut = errors.New("the group has thrown this member out; it joins anew, and goes on where the group has committed")

// member is this process as one member of the group: a client, and what goes with it. A
// member that the group threw out is replaced by another one.
type member struct {
	source    *Source
	client    *kgo.Client // guarded by the source's mutex until newMember has returned
	committer *committer
	kill      context.CancelFunc // cuts off what the client has under way
	out       atomic.Bool        // the group has thrown it out
	name      string             // that the group gave it; guarded by the source's mutex
	marks     map[key]topicID    // of which topics the offsets are that it was told last; guarded by the source's mutex
	again     bool               // it takes the place of one that was thrown out
}

// newMember joins the group. From then on it is the source's member.
func (s *Source) newMember() (*member, error) {
	life, kill := context.WithCancel(context.Background())
	m := &member{source: s, kill: kill}
	s.mu.Lock()
	before := s.member
	m.again = before != nil
	s.member = m // the client calls back at once
	s.mu.Unlock()
	client, err := kgo.NewClient(slices.Concat(fetching(), s.reach, s.consumerOptions(), []kgo.Opt{
		kgo.WithContext(life),
		kgo.OnPartitionsAssigned(m.onAssigned),
		kgo.OnPartitionsRevoked(m.onRevoked),
		kgo.OnPartitionsLost(m.onLost),
		kgo.OnOffsetsFetched(m.onFetched),
		kgo.AdjustFetchOffsetsFn(m.onOffsets),
	})...)
	if err != nil {
		kill()
		s.mu.Lock()
		s.member = before
		s.mu.Unlock()
		return nil, s.failed("NewClient", fmt.Errorf("%w: %w", err, sources.ErrUnusable))
	}
	m.meet(client)
	return m, nil
}

// meet learns which client it is, from whoever knows it first.
func (m *member) meet(client *kgo.Client) {
	m.source.mu.Lock()
	defer m.source.mu.Unlock()
	if m.client == nil {
		m.client = client
		m.committer = newCommitter(client, &m.source.mu, m.throwOut)
		m.committer.renamed, m.committer.ask = m.isRenamed, m.topicIDs
	}
}

// isRenamed reports whether the group calls the member otherwise than it did when it got
// its partitions: it has thrown it out, and let it in again.
func (m *member) isRenamed() bool {
	name, _ := m.client.GroupMetadata()
	m.source.mu.Lock()
	defer m.source.mu.Unlock()
	if m.name == "" {
		m.name = name
	}
	return m.name != name
}

// isCurrent reports whether it is still the source's member.
func (m *member) isCurrent() bool {
	m.source.mu.Lock()
	defer m.source.mu.Unlock()
	return m.source.member == m
}

// throwOut notes that the group does not know the member any more. The client would go
// on under another name where it stood, though others may have had its partitions, and
// committed, in between.
func (m *member) throwOut() {
	m.out.Store(true)
	m.source.mu.Lock()
	defer m.source.mu.Unlock()
	if m.source.interrupt != nil {
		m.source.interrupt()
	}
}

// leave leaves the group, unless the member is a static one, and ends the client.
func (m *member) leave(ctx context.Context) error {
	s := m.source
	ctx, cancel := context.WithTimeout(ctx, leaveLimit)
	defer cancel()
	var err error
	switch {
	case s.options.InstanceID == "":
		err = m.depart(ctx)
	case s.monitor.isServed():
		m.stepOut(ctx)
	}
	m.end()
	if err != nil && !isStranger(err) {
		return s.failed("LeaveGroup", timed(leaveLimit, err))
	}
	return nil
}

// depart leaves the group. The client's request waits behind one to join that is not
// answered, which may wait for other members, so one of another client follows it.
func (m *member) depart(ctx context.Context) error {
	const patience = 500 * time.Millisecond
	first, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err := m.client.LeaveGroupContext(first)
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return err
	}
	name, _ := m.client.GroupMetadata()
	if name == "" || m.source.monitor.isServed() {
		return err
	}
	other, err := kgo.NewClient(m.source.reach...)
	if err != nil {
		return err
	}
	defer other.Close()
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group, leave.MemberID = m.source.options.ConsumerGroupID, name
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: name}}
	answer, err := leave.RequestWith(ctx, other)
	if err != nil {
		return err
	}
	for _, member := range answer.Members {
		err = cmp.Or(err, kerr.ErrorForCode(member.ErrorCode))
	}
	return cmp.Or(kerr.ErrorForCode(answer.ErrorCode), err)
}

// stepOut tells brokers that assign the partitions that a static member will be back,
// without which they let nobody have its place until its session has run out. The
// client (v1.22.2) does so too, but does not say which instance it is, which brokers
// refuse.
func (m *member) stepOut(ctx context.Context) {
	const away = -2
	options := &m.source.options
	leave := kmsg.NewPtrConsumerGroupHeartbeatRequest()
	leave.Group, leave.InstanceID, leave.MemberEpoch = options.ConsumerGroupID, &options.InstanceID, away
	leave.MemberID, _ = m.client.GroupMetadata()
	_ = m.client.LeaveGroupContext(ctx) // so that no heartbeat comes behind it
	_, _ = leave.RequestWith(ctx, m.client)
}

// end ends the client, whatever it has under way.
func (m *member) end() {
	m.kill()
	m.committer.close()
	m.client.Close()
}

// live reads as one member after the other, until ctx is done.
func (s *Source) live(ctx context.Context, m *member) {
	for {
		s.poll(ctx, m)
		if ctx.Err() != nil {
			return
		}
		m = s.replace(ctx, m)
	}
}

// replace drops all that the member had and returns another one, who goes on where the
// group has committed.
func (s *Source) replace(ctx context.Context, m *member) *member {
	s.report(s.failed("OffsetCommit", errThrownOut))
	s.dropAll()
	err := m.leave(ctx) // the client may have come back by itself
	if err != nil {
		s.report(err)
	}
	for {
		next, err := s.newMember() //nolint:contextcheck // it lives until it leaves
		if err == nil {
			return next
		}
		s.report(err)
		if ctx.Err() != nil {
			return m
		}
		sleep(ctx, troubled)
	}
}

// dropAll drops all partitions.
func (s *Source) dropAll() {
	all := make(map[string][]int32)
	s.mu.Lock()
	for k := range s.owned {
		all[k.topic] = append(all[k.topic], k.partition)
	}
	s.mu.Unlock()
	s.drop(all, s.lanesOf(all))
}
