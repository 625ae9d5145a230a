//go:build synctests

package kafka_test

import (
	"context"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// What the simulation found, each in the smallest form.

// A group with members that have committed nothing cannot be told where it starts, so
// each partition is looked up when it is assigned. With AtTimestamp the time was taken
// for its offset, so that the first record seemed to be one that came back.
func TestAtTimestampOfGroupWithMembers_KAF06(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		other := w.newClient(kgo.ConsumerGroup("g"), kgo.ConsumeTopics(w.topic), kgo.DisableAutoCommit(), kgo.HeartbeatInterval(50*time.Millisecond))
		w.awaitMembers(1)
		options := w.options("g")
		options.StartingPosition, options.StartingPositionTimestamp = kafka.AtTimestamp, time.Now().Add(-time.Hour)
		var seen errorsOf
		config := unwindowed
		config.Observer = seen.observe
		m := start(t, options, config, nil)
		w.awaitMembers(2)
		other.Close()
		w.send(0, 0, 5)
		m.seen.await(t, 5)
		w.until("what was handled is committed", func() bool { return w.committed("g")[0] == 5 })
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		for _, o := range seen.all {
			t.Errorf("told of %v", o.Err)
		}
	})
}

// A stop does not wait for a rebalance that waits for another member (P11).
func TestStopWhileOthersAreWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.joinForGood("g")
		joins := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, Count: -1, Observe: true})
		source, err := kafka.New(w.options("g"))
		if err != nil {
			t.Fatal(err)
		}
		err = source.Start(t.Context(), sources.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		w.until("the member waits for the other one", func() bool { return joins.Hits() >= 2 }) // the first is told its name
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_ = source.Close(ctx)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("Close took %v, its context lasted 100 ms", took)
		}
	})
}

// joinForGood makes somebody a member of a group who is not heard of again.
func (w *world) joinForGood(group string) {
	w.t.Helper()
	const session = 60_000
	join := kmsg.NewPtrJoinGroupRequest()
	join.Group, join.ProtocolType = group, "consumer"
	join.SessionTimeoutMillis, join.RebalanceTimeoutMillis = session, session
	join.Protocols = []kmsg.JoinGroupRequestProtocol{{Name: "cooperative-sticky"}}
	meta := kmsg.NewConsumerMemberMetadata()
	meta.Topics = []string{w.topic}
	join.Protocols[0].Metadata = meta.AppendTo(nil)
	for range 2 { // the first is told its name
		answer, err := join.RequestWith(context.Background(), w.client)
		if err != nil {
			w.t.Fatal(err)
		}
		join.MemberID = answer.MemberID
	}
	sync := kmsg.NewPtrSyncGroupRequest()
	sync.Group, sync.MemberID, sync.Generation = group, join.MemberID, 1
	_, err := sync.RequestWith(context.Background(), w.client)
	if err != nil {
		w.t.Fatal(err)
	}
}

// A partition that cannot be read for a while, in a way that passes, is not asked for
// again and again without a pause because others can be read (P9).
func TestOneBrokenPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		w.send(0, 0, 5)
		w.send(1, 0, 5)
		m := start(t, w.options("g"), unwindowed, nil)
		m.seen.await(t, 10)
		fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Partitions: []int32{0}, Err: kerr.KafkaStorageError, Count: -1})
		began := time.Now()

		// Each time the client may have asked once more before it hears that it is to rest.
		w.until("it was asked for again", func() bool { return fault.Hits() >= 4 })
		if took := time.Since(began); took < 200*time.Millisecond {
			t.Errorf("four fetches within %v", took)
		}
		w.send(0, 5, 10)
		fault.Remove()
		m.seen.await(t, 15)
	})
}

// A commit that goes on failing does not keep its member from a rebalance for so long
// that the group throws it out: the client holds the join up for a commit.
func TestRebalanceWhileCommitsFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		w.send(0, 0, 5)
		w.send(1, 0, 5)
		options := w.options("g")
		options.ClientOptions = append(options.ClientOptions, kgo.SessionTimeout(10*time.Second),
			kgo.RetryBackoffFn(func(int) time.Duration { return time.Second }))
		fault := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		first := start(t, options, unwindowed, nil)
		first.seen.await(t, 10)
		w.until("a commit fails", func() bool { return fault.Hits() > 0 })
		before := w.cluster.GroupInfo("g").Members[0].MemberID
		w.newClient(kgo.ConsumerGroup("g"), kgo.ConsumeTopics(w.topic), kgo.DisableAutoCommit(), kgo.HeartbeatInterval(50*time.Millisecond))
		w.awaitMembers(2)
		if !slices.ContainsFunc(w.cluster.GroupInfo("g").Members, func(m kfake.GroupMember) bool { return m.MemberID == before }) {
			t.Error("the member was thrown out of the group")
		}
		fault.Remove()
	})
}

// A member that the group threw out, and that learns of it from a commit, comes back
// under another name. The client keeps its partitions and tells nothing. Others may have
// had them meanwhile: the committed offsets are not put back, and reading goes on there
// (P3, P12).
func TestThrownOutAndBack_KAF41(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 100)
		options := w.options("g")
		options.ClientOptions = append(options.ClientOptions, kgo.HeartbeatInterval(30*time.Second), kgo.SessionTimeout(time.Minute))
		g := newGate()
		m := start(t, options, unwindowed, untilThrownOut(g))
		g.await(t)
		w.throwOut("g")
		w.commit(0, 50) // by who had it meanwhile
		g.release()
		w.awaitGoingOn(m)
	})
}

// So it is if the member learns of it when it joins again in a rebalance: then no commit
// is refused, and the next one is made under the new name, which kgo.PreCommitFnContext
// shows, and Client.GroupMetadata in the callbacks.
func TestThrownOutInRebalance_KAF41(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 100)
		g := newGate()
		m := start(t, w.options("g"), unwindowed, untilThrownOut(g))
		g.await(t)
		joins := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup}, TopLevel: true, Err: kerr.CoordinatorLoadInProgress, Count: -1})
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Heartbeat}, TopLevel: true, Err: kerr.RebalanceInProgress})
		w.until("the member joins again", func() bool { return joins.Hits() > 0 })
		w.throwOut("g")
		w.commit(0, 50)
		joins.Remove()
		w.awaitMembers(1)
		g.release()
		w.awaitGoingOn(m)
	})
}

// untilThrownOut handles the first batch when the gate is opened, and the others up to
// record 50 never: it hears that they are somebody else's.
func untilThrownOut(g *gate) func(context.Context, []sources.Record) (esm.Response, error) {
	return func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		switch offset := records[0].Native.(*kgo.Record).Offset; { // documented
		case offset == 0:
			return esm.Response{}, g.pass(ctx)
		case offset < 50:
			<-ctx.Done()
			return esm.Response{}, ctx.Err()
		default:
			return esm.Response{}, nil
		}
	}
}

// throwOut has the only member of a group leave it.
func (w *world) throwOut(group string) {
	w.t.Helper()
	leave := kmsg.NewPtrLeaveGroupRequest()
	leave.Group = group
	leave.Members = []kmsg.LeaveGroupRequestMember{{MemberID: w.cluster.GroupInfo(group).Members[0].MemberID}}
	_, err := leave.RequestWith(context.Background(), w.client)
	if err != nil {
		w.t.Fatal(err)
	}
}

// awaitGoingOn waits until a member that was thrown out goes on at offset 50, which was
// committed meanwhile, and has handled all that is behind it.
func (w *world) awaitGoingOn(m *member) {
	w.t.Helper()
	w.until("all is committed", func() bool {
		at := w.committed("g")[0]
		if at < 50 {
			w.t.Fatalf("committed %d, was 50", at)
		}
		return at == 100
	})
	if err := m.stop(); err != nil {
		w.t.Error(err)
	}
	want := make([]string, 50)
	for i := range want {
		want[i] = strconv.Itoa(50 + i)
	}

	// The batch that was under way may have been handled to its end or not.
	if got := m.seen.of("orders-0"); len(got) < 50 || !slices.Equal(got[len(got)-50:], want) || len(got) > 60 {
		w.t.Errorf("handled %v, want the batch that was under way and what comes from 50 on", got)
	}
}

// A lane of several partitions that has enough, and is followed by another one because
// one of them is given away, does not leave those unread that it keeps.
func TestPausedLaneIsFollowed(t *testing.T) {
	t.Parallel()
	for full := range 2 {
		t.Run(strconv.Itoa(full), func(t *testing.T) {
			t.Parallel()
			const large = 30
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 2)
				options := w.options("g")
				options.MixPartitions, options.RevokeTimeout = true, 200*time.Millisecond
				g := newGate()
				first := start(t, options, unwindowed, func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
					return esm.Response{}, g.pass(ctx)
				})
				w.fill(full, large, 200_000)
				g.await(t)
				time.Sleep(300 * time.Millisecond) // the client is paused, unseen
				second := start(t, options, unwindowed, nil)
				w.until("the group is rebalanced", func() bool {
					members := w.cluster.GroupInfo("g").Members
					return len(members) == 2 && members[0].NumAssigned() == 1 && members[1].NumAssigned() == 1
				})
				g.release()
				w.send(1-full, 0, 5)
				w.until("all is handled", func() bool { return first.seen.total()+second.seen.total() >= large+5 })
			})
		})
	}
}

// A loss is told when what is behind it is handed out, and not only when there is nothing
// left, which the partition may be given away before (KAF-37).
func TestLossIsToldAtOnce_KAF37(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 50)
		w.commit(0, 3)
		if err := w.cluster.DeleteRecords(w.topic, 0, 8); err != nil {
			t.Fatal(err)
		}
		var seen errorsOf
		config := unwindowed
		config.Observer, config.BatchSize = seen.observe, 1
		source, err := kafka.New(w.options("g"))
		if err != nil {
			t.Fatal(err)
		}
		g := newGate()
		cancel, ended := launch(t, source, esm.Records(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			return esm.Response{}, g.pass(ctx)
		}), config)
		g.await(t)
		cancel() // from here on nothing more is begun
		g.release()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if seen.loss() == nil {
			t.Error("nobody was told of a loss")
		}
	})
}
