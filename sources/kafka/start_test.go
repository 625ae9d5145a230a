//go:build synctests

package kafka_test

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
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

// neighbour makes another consumer a member of the group, which reads another topic: the
// brokers then take commits from members only.
func (w *world) neighbour() {
	w.t.Helper()
	const topic = "neighbours"
	err := w.cluster.CreateTopic(topic, 1, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.newClient(kgo.ConsumerGroup("g"), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit(),
		kgo.HeartbeatInterval(50*time.Millisecond), kgo.MetadataMaxAge(200*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond))
	w.awaitMembers(1)
}

// relativeStarts are positions that move with the time.
func relativeStarts(o kafka.Options) map[string]kafka.Options {
	latest, timed := o, o
	latest.StartingPosition = kafka.Latest
	timed.StartingPosition, timed.StartingPositionTimestamp = kafka.AtTimestamp, time.Now().Add(-time.Minute)
	return map[string]kafka.Options{"Latest": latest, "AtTimestamp": timed}
}

// A relative start is stored before the first read also when the group has members, as a
// topic that is added in a rolling deploy has: records in hand at a kill come again.
func TestStartOfGroupWithMembersIsStored_P16(t *testing.T) {
	t.Parallel()
	for name := range relativeStarts(kafka.Options{}) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 2)
				old := &kgo.Record{Topic: w.topic, Value: []byte("old"), Timestamp: time.Now().Add(-time.Hour)}
				if err := w.client.ProduceSync(t.Context(), old).FirstErr(); err != nil {
					t.Fatal(err)
				}
				w.neighbour()
				options := relativeStarts(w.options("g"))[name]
				source, err := kafka.New(options)
				if err != nil {
					t.Fatal(err)
				}
				g := newGate()
				config := unwindowed
				config.DrainTimeout = time.Nanosecond
				cancel, ended := launch(t, source, esm.Records(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
					return esm.Response{}, g.pass(ctx)
				}), config)
				w.until("the start is stored", func() bool {
					at := w.committed("g")
					return len(at) == 2 && at[0] == 1 && at[1] == 0
				})
				w.put(0, "k", "first")
				w.put(0, "k", "second")
				g.await(t)
				cancel()
				<-ended //nolint:errcheck // a kill
				w.put(0, "k", "third")
				m := start(t, options, unwindowed, nil)
				m.seen.await(t, 3)
				if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"first", "second", "third"}) {
					t.Errorf("handled %v", got)
				}
			})
		})
	}
}

// A partition that comes later begins at its beginning also when the group had members at
// the start.
func TestNewPartitionOfGroupWithMembers_KAF08(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		w.neighbour()
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		m := start(t, options, unwindowed, nil)
		w.until("the start is stored", func() bool { return w.committed("g")[0] == 5 })
		added, err := w.admin.CreatePartitions(t.Context(), 1, w.topic)
		if err == nil {
			err = added.Error()
		}
		if err != nil {
			t.Fatal(err)
		}
		w.client.ForceMetadataRefresh()
		w.until("the producer knows the new partition", func() bool {
			return w.client.ProduceSync(t.Context(), &kgo.Record{Topic: w.topic, Partition: 1, Value: []byte("0")}).FirstErr() == nil
		})
		w.send(1, 1, 5)
		if err := m.stop(); err != nil { // so that it is found at once
			t.Error(err)
		}
		m = start(t, options, unwindowed, nil)
		m.seen.await(t, 5)
		if got := m.seen.of("orders-1"); !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
			t.Errorf("handled %v of the new partition", got)
		}
	})
}

// onAnswer does something once, when a request of a kind was answered, before the client
// gets the answer.
type onAnswer struct {
	key  int16
	do   func()
	once sync.Once
}

func (h *onAnswer) OnBrokerRead(_ kgo.BrokerMetadata, key int16, _ int, _, _ time.Duration, _ error) {
	if key == h.key {
		h.once.Do(h.do)
	}
}

// Of two mappings that start together the one does not overwrite what the other one has
// stored by a later end.
func TestLatestTogetherIsNotOverwritten_P16(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		options.ClientOptions = append(options.ClientOptions, kgo.WithHooks(&onAnswer{key: kmsg.OffsetFetch.Int16(), do: func() {
			w.commit(0, 5) // the other one, which goes down then
			w.send(0, 5, 7)
		}}))
		m := start(t, options, unwindowed, nil)
		w.awaitMembers(1)
		w.send(0, 7, 8)
		m.seen.await(t, 1)
		w.until("all is handled", func() bool { return w.committed("g")[0] == 8 })
		if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"5", "6", "7"}) {
			t.Errorf("handled %v", got)
		}
	})
}

// A broker that does not know a topic yet, as one that was started a moment ago, does not
// end the mapping.
func TestTopicUnknownForAMoment_P9(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: w.topic, Err: kerr.UnknownTopicOrPartition, Count: 1})
		m := start(t, w.options("g"), unwindowed, nil)
		m.seen.await(t, 5)
	})
}

// Asked for all offsets of a group, a broker leaves out those of topics that the client may
// not see for the moment. That is no group that has committed nothing, whose start would be
// stored over what it has.
func TestOffsetsAreAskedForByName_P1(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		w.commit(0, 3)
		w.cluster.ControlKey(kmsg.OffsetFetch.Int16(), func(r kmsg.Request) (kmsg.Response, error, bool) {
			w.cluster.KeepControl()
			request := r.(*kmsg.OffsetFetchRequest)
			if len(request.Groups) != 1 || request.Groups[0].Topics != nil {
				return nil, nil, false
			}
			answer := request.ResponseKind().(*kmsg.OffsetFetchResponse)
			answer.Groups = []kmsg.OffsetFetchResponseGroup{{Group: request.Groups[0].Group}}
			return answer, nil, true
		})
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		m := start(t, options, unwindowed, nil)
		m.seen.await(t, 2)
		if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"3", "4"}) {
			t.Errorf("handled %v", got)
		}
	})
}

// What is denied between the start and the first join is waited for: the start was allowed
// to ask the same (P9).
func TestDeniedAfterTheStart_P9(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		w.neighbour()
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		var joins atomic.Bool
		w.cluster.ControlKey(int16(kmsg.JoinGroup), func(kmsg.Request) (kmsg.Response, error, bool) {
			joins.Store(true)
			return nil, nil, false
		})
		w.cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: kerr.GroupAuthorizationFailed,
			When: func(r kmsg.Request) bool { // not that of the client itself, which names the member
				return joins.Load() && r.(*kmsg.OffsetFetchRequest).Groups[0].MemberID == nil
			},
		})
		var seen errorsOf
		config := unwindowed
		config.Observer = seen.observe
		m := start(t, options, config, nil)
		w.until("the denial is told", func() bool { return seen.has("GROUP_AUTHORIZATION_FAILED") })
		w.until("the start is stored", func() bool { return len(w.committed("g")) == 2 })
		w.put(0, "k", "first")
		m.seen.await(t, 1)
	})
}
