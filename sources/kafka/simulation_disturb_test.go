//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// disturbances are what may disturb the group, by name. Two numbers say how and whom.
func disturbances() map[string]func(w *brokers, one, other int) {
	all := map[string]func(w *brokers, one, other int){
		"a member is fenced":       (*brokers).fence,
		"connections are cut":      (*brokers).cutOff,
		"the network stands":       (*brokers).standStill,
		"a broker is away":         (*brokers).takeAway,
		"the coordinator moves":    func(w *brokers, _, _ int) { w.cluster.RehashCoordinators() },
		"a leader moves":           (*brokers).moveLeader,
		"records are deleted":      (*brokers).deleteRecords,
		"settled ones are deleted": (*brokers).deleteSettled,
		"partitions are added":     (*brokers).addPartition,
		madeAnew:                   (*brokers).makeAnew,
	}
	for name, refusal := range refusals() {
		all[name] = func(w *brokers, one, other int) { w.refuse(name, refusal, one, other) }
	}
	for name, refusal := range denials() {
		all[name] = func(w *brokers, _, other int) { w.deny(name, refusal, other) }
	}
	return all
}

// fault is one that a broker was told of.
type fault struct {
	name   string
	handle *kfake.FaultHandle
}

// denial is a permission that is withdrawn.
type denial struct {
	fault

	first atomic.Int64 // when a request was denied first, in nanoseconds
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
	add(kmsg.OffsetFetch, false, kerr.NotCoordinator, kerr.CoordinatorLoadInProgress, kerr.UnstableOffsetCommit, kerr.UnknownServerError)
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

// denials are permissions that may be withdrawn.
func denials() map[string]kfake.Fault {
	all := make(map[string]kfake.Fault)
	add := func(top bool, err *kerr.Error, keys ...kmsg.Key) {
		for _, key := range keys {
			all["denied "+key.Name()] = kfake.Fault{Keys: []kmsg.Key{key}, TopLevel: top, Err: err, Count: -1}
		}
	}
	add(false, kerr.TopicAuthorizationFailed, kmsg.Fetch, kmsg.Metadata, kmsg.ListOffsets)
	add(false, kerr.GroupAuthorizationFailed, kmsg.OffsetCommit, kmsg.OffsetFetch, kmsg.FindCoordinator)
	add(true, kerr.GroupAuthorizationFailed, kmsg.JoinGroup, kmsg.SyncGroup, kmsg.Heartbeat, kmsg.ConsumerGroupHeartbeat)
	return all
}

// Disturb disturbs the group.
func (w *brokers) Disturb() {
	one, other, which := w.random.IntN(1<<16), w.random.IntN(1<<16), w.random.IntN(1<<16)
	if len(w.disturbances) == 0 || w.calm {
		return
	}
	name := w.disturbances[which%len(w.disturbances)]
	if which%4 == 0 {
		name = w.often
	}
	disturbances()[name](w, one, other)
	if _, refusal := refusals()[name]; !refusal && name != madeAnew {
		w.sim.Cover(name)
	}
}

const madeAnew = "the topic is made anew"

// Calm ends all disturbances.
func (w *brokers) Calm() {
	w.calm = true
	w.permit(w.denials...)
	for _, f := range w.faults {
		f.handle.Remove()
		if f.handle.Hits() > 0 {
			w.sim.Cover(f.name)
		}
	}
	w.mu.Lock()
	clear(w.away)
	w.mu.Unlock()
	for _, p := range w.processes {
		p.freeze(time.Time{})
	}
}

// refuse has brokers refuse some requests, or all for a while.
func (w *brokers) refuse(name string, refusal kfake.Fault, one, other int) {
	refusal.Count = 1 + one%5
	last := time.Duration(0)
	if one%4 == 0 && !w.passes(refusal) {
		refusal.Count = -1
		last = time.Duration(other%30_000) * time.Millisecond
	}
	single := []kmsg.Key{kmsg.Fetch, kmsg.OffsetCommit, kmsg.ListOffsets, kmsg.OffsetFetch}
	if other%2 == 0 && slices.Contains(single, refusal.Keys[0]) {
		refusal.Partitions = []int32{int32(other / 2 % len(w.current))}
	}
	if refusal.When == nil {
		refusal.When = func(kmsg.Request) bool { return !w.own.Load() }
	}
	handle := w.cluster.Fault(refusal)
	w.faults = append(w.faults, fault{name, handle})
	if last > 0 {
		w.sim.After(last, "remove "+name, handle.Remove)
	}
}

// passes reports whether a refusal is not repeated for long: no broker goes on saying that
// a join went wrong, or that a leader is another one. And the client (v1.22.2) asks for the
// coordinator again and again without a pause if brokers assign the partitions.
func (w *brokers) passes(refusal kfake.Fault) bool {
	key := refusal.Keys[0]
	return key == kmsg.SyncGroup || key == kmsg.JoinGroup && refusal.When != nil || errors.Is(refusal.Err, kerr.NotLeaderForPartition) ||
		w.isServed() && key == kmsg.FindCoordinator
}

// deny withdraws a permission for a while, if all processes have started: what is never
// allowed ends the start.
func (w *brokers) deny(name string, refusal kfake.Fault, other int) {
	if !w.allStarted() {
		return
	}
	d := &denial{}
	refusal.When = func(kmsg.Request) bool {
		if w.own.Load() {
			return false
		}
		d.first.CompareAndSwap(0, time.Now().UnixNano())
		return true
	}
	d.fault = fault{name, w.cluster.Fault(refusal)}
	w.denials = append(w.denials, d)
	last := time.Duration(other%30_000) * time.Millisecond
	if other%2 == 0 {
		last += time.Minute
	}
	w.sim.After(time.Second+last, "permit "+name, func() { w.permit(d) })
}

func (w *brokers) allStarted() bool {
	running := 0
	for _, p := range w.processes {
		if !p.life.Over() {
			running++
			if !p.started || !p.life.Running() {
				return false
			}
		}
	}
	return running == max(w.sim.Scenario.Members, 1)
}

// permit ends denials. What was denied for longer than a minute was told (P14).
func (w *brokers) permit(denials ...*denial) {
	for _, d := range denials {
		if !slices.Contains(w.denials, d) {
			continue
		}
		d.handle.Remove()
		if d.handle.Hits() > 0 {
			w.sim.Cover(d.name + " and refused")
		}
		first := d.first.Load()
		if first == 0 || time.Since(time.Unix(0, first)) <= time.Minute {
			continue
		}
		w.sim.Cover("denied for a minute")
		heard := func(p *process) bool { return p.heard.Load() >= first || p.dead.Load() }
		if !slices.ContainsFunc(w.processes, heard) {
			w.violate(14, "%s for more than a minute, and nobody heard of it", d.name)
		}
	}
	w.denials = slices.DeleteFunc(slices.Clone(w.denials), func(d *denial) bool { return slices.Contains(denials, d) })
}

// fence throws a member out of the group, as an administrator does, or a broker that has
// not heard of it for too long.
func (w *brokers) fence(one, _ int) {
	info := w.cluster.GroupInfo(simGroup)
	if info == nil || len(info.Members) == 0 || !w.isServed() && info.State != "Stable" {
		return // in a rebalance the embedded broker counts wrongly from then on who has joined
	}
	slices.SortFunc(info.Members, cmpClients)
	w.expel(info.Members[one%len(info.Members)])
}

func cmpClients(a, b kfake.GroupMember) int {
	switch {
	case a.ClientID < b.ClientID:
		return -1
	case a.ClientID > b.ClientID:
		return 1
	default:
		return 0
	}
}

// expel has a member leave.
func (w *brokers) expel(member kfake.GroupMember) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	var request kmsg.Request
	if w.isServed() {
		leave := kmsg.NewPtrConsumerGroupHeartbeatRequest()
		leave.Group, leave.MemberID, leave.MemberEpoch = simGroup, member.MemberID, -1
		leave.InstanceID = member.InstanceID
		request = leave
	} else {
		leave := kmsg.NewPtrLeaveGroupRequest()
		leave.Group = simGroup
		leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: member.MemberID, InstanceID: member.InstanceID}}
		request = leave
	}
	_, _ = w.client.Request(ctx, request) // it may be gone
}

// running are the processes that run.
func (w *brokers) running() []*process {
	return slices.DeleteFunc(slices.Clone(w.processes), func(p *process) bool { return !p.life.Running() })
}

// victim is a process that runs; nil if there is none.
func (w *brokers) victim(n int) *process {
	all := w.running()
	if len(all) == 0 {
		return nil
	}
	return all[n%len(all)]
}

// cutOff breaks some or all connections of a process.
func (w *brokers) cutOff(one, other int) {
	if p := w.victim(one); p != nil {
		p.cut(func(c *wire) bool { return other%3 == 0 || p.latency(fmt.Sprint(c.label, other))%2 == 0 })
	}
}

// standStill has a process' network stand still: for a moment, for so long that calls
// fail, or for so long that the group takes it for dead.
func (w *brokers) standStill(one, other int) {
	if p := w.victim(one); p != nil {
		most := []time.Duration{time.Second, 15 * time.Second, w.session + 15*time.Second}[other%3]
		p.freeze(time.Now().Add(most/2 + time.Duration(other)*most/2/(1<<16)))
	}
}

// takeAway has nobody reach a broker for a while.
func (w *brokers) takeAway(one, other int) {
	address := w.cluster.ListenAddrs()[one%w.size()]
	w.mu.Lock()
	w.away[address] = time.Now().Add(time.Duration(other%20_000) * time.Millisecond)
	w.mu.Unlock()
	for _, p := range w.running() {
		p.cut(func(c *wire) bool { return c.address == address })
	}
}

func (w *brokers) isAway(address string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return time.Now().Before(w.away[address])
}

func (w *brokers) moveLeader(one, other int) {
	if w.size() > 1 && !w.absent {
		w.must(w.cluster.MoveTopicPartition(simTopic, int32(one%len(w.current)), int32(other%w.size())))
	}
}

// deleteRecords deletes records of a partition, handled or not, as retention does.
func (w *brokers) deleteRecords(one, other int) {
	p := w.current[one%len(w.current)]
	info := w.cluster.PartitionInfo(simTopic, p.number)
	if info != nil && info.HighWatermark > info.LogStartOffset {
		w.deleteUpTo(p, info.LogStartOffset+1+int64(other)%(info.HighWatermark-info.LogStartOffset))
	}
}

// deleteSettled deletes what was settled, which nobody may miss.
func (w *brokers) deleteSettled(one, _ int) {
	p := w.current[one%len(w.current)]
	info := w.cluster.PartitionInfo(simTopic, p.number)
	if info != nil && p.committed > info.LogStartOffset {
		w.deleteUpTo(p, p.committed)
	}
}

func (w *brokers) deleteUpTo(p *simPartition, offset int64) {
	p.deleted = max(p.deleted, offset)
	w.must(w.cluster.DeleteRecords(simTopic, p.number, offset))
	w.place(p)
}

// addPartition adds a partition, which the group reads from its beginning (KAF-08).
func (w *brokers) addPartition(_, _ int) {
	const most = 6
	if len(w.current) >= most || w.absent {
		return
	}
	request := kmsg.NewPtrCreatePartitionsRequest()
	request.TimeoutMillis = 1000
	request.Topics = []kmsg.CreatePartitionsRequestTopic{{Topic: simTopic, Count: int32(len(w.current) + 1)}}
	answer, err := request.RequestWith(context.Background(), w.client)
	if err == nil {
		err = kerr.ErrorForCode(answer.Topics[0].ErrorCode)
	}
	w.must(err)
	w.settleDown(len(w.current))
}

// makeAnew deletes the topic and makes it again, at once or some time later. A mapping
// that starts meanwhile would end, so only where all have started.
func (w *brokers) makeAnew(one, other int) {
	const longest = 2 * time.Second // as long as a start looks for it
	if !w.allStarted() || w.absent || w.transactions {
		return
	}
	w.sim.Cover(madeAnew)
	partitions := len(w.current)
	w.must(w.cluster.DeleteTopic(simTopic))
	for _, p := range w.current {
		for _, s := range p.records {
			s.gone, s.silent = true, true
			w.sim.Observer().Gone(s.number, true)
		}
	}
	w.absent = true
	again := func() {
		w.must(w.cluster.CreateTopic(simTopic, int32(partitions), nil))
		w.absent, w.current = false, nil
		w.settleDown(0)
		w.client.PurgeTopicsFromProducing(simTopic)
		for waiting := w.waiting; len(waiting) > 0; waiting = waiting[1:] {
			w.Send(waiting[0])
		}
		w.waiting = nil
	}
	if one%2 == 0 {
		again()
	} else {
		w.sim.After(time.Duration(other)*longest/(1<<16), "the topic is made", again)
	}
}
