//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// strikes are what may strike the group, by name. Two numbers say how and whom.
func strikes() map[string]func(s *sim, one, other int) {
	all := map[string]func(s *sim, one, other int){
		"a member is fenced":       (*sim).fence,
		"connections are cut":      (*sim).cutOff,
		"the network stands":       (*sim).standStill,
		"a broker is away":         (*sim).takeAway,
		"the coordinator moves":    func(s *sim, _, _ int) { s.cluster.RehashCoordinators() },
		"a leader moves":           (*sim).moveLeader,
		"records are deleted":      (*sim).deleteRecords,
		"settled ones are deleted": (*sim).deleteSettled,
	}

	for name, refusal := range refusals() {
		all[name] = func(s *sim, one, other int) { s.refuse(name, refusal, one, other) }
	}

	return all
}

// refusals are how brokers refuse requests.
func refusals() map[string]kfake.Fault {
	all := make(map[string]kfake.Fault)

	add := func(key kmsg.Key, top bool, errs ...*kerr.Error) {
		for _, err := range errs {
			all[fmt.Sprintf("%s: %s", key.Name(), err.Message)] = kfake.Fault{Keys: []kmsg.Key{key}, TopLevel: top, Err: err}
		}
	}

	add(kmsg.OffsetCommit, false, kerr.RebalanceInProgress, kerr.UnknownMemberID, kerr.IllegalGeneration, kerr.StaleMemberEpoch,
		kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress,
		kerr.RequestTimedOut, // after it was applied
		kerr.UnknownServerError)
	add(kmsg.Fetch, false, kerr.NotLeaderForPartition, kerr.UnknownServerError, kerr.KafkaStorageError, kerr.UnknownTopicOrPartition)
	add(kmsg.OffsetFetch, false, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.UnstableOffsetCommit)
	add(kmsg.ListOffsets, false, kerr.NotLeaderForPartition, kerr.UnknownServerError)
	add(kmsg.FindCoordinator, false, kerr.CoordinatorNotAvailable)
	add(kmsg.Metadata, false, kerr.LeaderNotAvailable)
	add(kmsg.JoinGroup, true, kerr.CoordinatorLoadInProgress)
	add(kmsg.SyncGroup, true, kerr.RebalanceInProgress, kerr.NotCoordinator)
	add(kmsg.Heartbeat, true, kerr.NotCoordinator, kerr.UnknownMemberID, kerr.RebalanceInProgress, kerr.IllegalGeneration)
	add(kmsg.LeaveGroup, true, kerr.CoordinatorNotAvailable, kerr.UnknownMemberID)
	add(kmsg.ConsumerGroupHeartbeat, true, kerr.CoordinatorNotAvailable, kerr.NotCoordinator, kerr.UnknownMemberID, kerr.FencedMemberEpoch)

	// Who joins without an ID is never unknown.
	all["JoinGroup: UNKNOWN_MEMBER_ID"] = kfake.Fault{
		Keys: []kmsg.Key{kmsg.JoinGroup}, TopLevel: true, Err: kerr.UnknownMemberID,
		When: func(r kmsg.Request) bool { return r.(*kmsg.JoinGroupRequest).MemberID != "" },
	}

	return all
}

// strike does one of strikes, in bad weather.
func (s *sim) strike(name string, one, other int) {
	if !s.bad() {
		return
	}

	s.observer.logf("strike: %s", name)
	strikes()[name](s, one, other)

	if _, refusal := refusals()[name]; !refusal {
		s.cover(name)
	}
}

// refuse has brokers refuse some requests, or all for a while.
func (s *sim) refuse(name string, refusal kfake.Fault, one, other int) {
	refusal.Count = 1 + one%5
	last := time.Duration(0)

	if one%4 == 0 && !s.passes(refusal) {
		refusal.Count = -1
		last = time.Duration(other%30_000) * time.Millisecond
	}

	if key := refusal.Keys[0]; other%2 == 0 && slices.Contains([]kmsg.Key{kmsg.Fetch, kmsg.OffsetCommit, kmsg.ListOffsets}, key) {
		refusal.Partitions = []int32{int32(other / 2 % s.partitions)}
	}

	handle := s.cluster.Fault(refusal)

	s.mu.Lock()
	s.faults = append(s.faults, fault{name, handle})
	s.mu.Unlock()

	if last > 0 {
		s.after(last, handle.Remove)
	}
}

// passes reports whether a refusal is not repeated for long: no broker goes on saying
// that a join went wrong, or that a leader is another one. And the client (v1.22.2) asks
// for the coordinator again and again without a pause if brokers assign the partitions.
func (s *sim) passes(refusal kfake.Fault) bool {
	key := refusal.Keys[0]

	return key == kmsg.SyncGroup || refusal.When != nil || errors.Is(refusal.Err, kerr.NotLeaderForPartition) ||
		s.serverSide && key == kmsg.FindCoordinator
}

func (s *sim) removeFaults() {
	s.mu.Lock()
	faults := s.faults
	s.faults = nil
	s.mu.Unlock()

	for _, f := range faults {
		f.handle.Remove()
		s.coverN(f.name, f.handle.Hits())
	}
}

// fence throws a member out of the group, as an administrator does, or a broker that
// has not heard of it for too long.
func (s *sim) fence(one, _ int) {
	info := s.cluster.GroupInfo(simGroup)
	if info == nil || len(info.Members) == 0 || !s.serverSide && info.State != "Stable" {
		return // in a rebalance the embedded broker counts wrongly from then on who has joined
	}

	member := info.Members[one%len(info.Members)]

	s.expel(member)
}

// expel has a member leave.
func (s *sim) expel(member kfake.GroupMember) {
	s.observer.logf("%s is expelled, which is %s", member.MemberID, member.ClientID)

	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()

	var request kmsg.Request

	if s.serverSide {
		leave := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		leave.Group, leave.MemberID, leave.MemberEpoch = simGroup, member.MemberID, -1
		leave.InstanceID = member.InstanceID
		request = leave
	} else {
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Group = simGroup
		leaver := kmsg.NewLeaveGroupRequestMember()
		leaver.MemberID, leaver.InstanceID = member.MemberID, member.InstanceID
		leave.Members = append(leave.Members, leaver)
		request = leave
	}

	_, err := s.client.Request(ctx, request)
	if err != nil {
		s.observer.logf("that fails: %v", err)
	}
}

// victim is a member that runs; nil if there is none.
func (s *sim) victim(n int) *life {
	lives := s.running()
	if len(lives) == 0 {
		return nil
	}

	return lives[n%len(lives)]
}

// cutOff breaks some or all connections of a member.
func (s *sim) cutOff(one, other int) {
	l := s.victim(one)
	if l == nil {
		return
	}

	n := 0

	cut := l.host.cut(func(*wire) bool {
		n++

		return other%3 == 0 || (n+other)%2 == 0
	})
	s.observer.logf("%s: %d connections are cut", l.name, cut)
}

// standStill has a member's network stand still: for a moment, for so long that
// calls fail, or for so long that the group takes it for dead.
func (s *sim) standStill(one, other int) {
	l := s.victim(one)
	if l == nil {
		return
	}

	most := []time.Duration{time.Second, 15 * time.Second, s.sessionTimeout + 15*time.Second}[other%3]
	last := most/2 + time.Duration(other)*most/2/(1<<16)

	s.observer.logf("%s: the network stands for %v", l.name, last)
	l.host.freeze()
	s.after(last, func() {
		s.observer.logf("%s: the network goes on", l.name)
		l.host.thaw()
	})
}

// takeAway has nobody reach a broker for a while.
func (s *sim) takeAway(one, other int) {
	address := s.cluster.ListenAddrs()[one%s.brokers]
	last := time.Duration(other%20_000) * time.Millisecond

	s.observer.logf("%s is away for %v", address, last)

	s.mu.Lock()
	s.down[address] = time.Now().Add(last)
	s.mu.Unlock()

	for _, l := range s.running() {
		l.host.cut(func(w *wire) bool { return w.address == address })
	}
}

func (s *sim) moveLeader(one, other int) {
	if s.brokers == 1 {
		return
	}

	s.must(s.cluster.MoveTopicPartition(simTopic, int32(one%s.partitions), int32(other%s.brokers)))
}

// deleteRecords deletes records of a partition, handled or not.
func (s *sim) deleteRecords(one, other int) {
	partition := one % s.partitions
	info := s.cluster.PartitionInfo(simTopic, int32(partition))

	if info.HighWatermark > info.LogStartOffset {
		s.deleteUpTo(partition, info.LogStartOffset+1+int64(other)%(info.HighWatermark-info.LogStartOffset))
	}
}

// deleteSettled deletes what was settled, which nobody may miss.
func (s *sim) deleteSettled(one, _ int) {
	partition := one % s.partitions
	info := s.cluster.PartitionInfo(simTopic, int32(partition))

	if at := s.observer.settledUpTo(partition); at > info.LogStartOffset {
		s.deleteUpTo(partition, at)
	}
}

func (s *sim) deleteUpTo(partition int, offset int64) {
	s.observer.deletes(partition, offset)
	s.must(s.cluster.DeleteRecords(simTopic, int32(partition), offset))
}
