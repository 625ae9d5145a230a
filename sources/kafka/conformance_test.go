package kafka_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/sourcetest"
)

// variant is a way in which a source is set up.
type variant struct {
	name       string
	partitions int
	vary       func(*kafka.Options)
}

// conform holds a source to the contract; run is one of the suite's.
func (v *variant) conform(
	t *testing.T, run func(*testing.T, func(*testing.T) sourcetest.Harness), world func(*testing.T, int, ...kfake.Opt) *world,
) {
	t.Helper()
	run(t, func(t *testing.T) sourcetest.Harness {
		t.Helper()
		w := world(t, v.partitions)
		options := w.options("g")
		v.vary(&options)
		return w.harness(options)
	})
}

// Over loopback, in real time; further variants are in bubbles, which take the build
// tag synctests.
func TestConformance(t *testing.T) {
	t.Parallel()
	for _, v := range []variant{
		{"Classic", 2, func(*kafka.Options) {}},
		{"MixedServerSide", 3, func(o *kafka.Options) { o.MixPartitions, o.ServerSideAssignment = true, true }},
	} {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			v.conform(t, sourcetest.Run, newWorld)
		})
	}
}

// harness connects the conformance suite with the broker.
func (w *world) harness(options kafka.Options) sourcetest.Harness {
	partitions := w.partitions
	if options.MixPartitions {
		partitions = 1
	}
	h := sourcetest.Harness{
		Send: func(ctx context.Context, messages ...sourcetest.Message) error {
			records := make([]*kgo.Record, len(messages))
			for i, m := range messages {
				records[i] = &kgo.Record{Topic: w.topic, Partition: w.partitionOf(m.Key), Key: []byte(m.Key), Value: m.Data}
			}
			return w.client.ProduceSync(ctx, records...).FirstErr()
		},
		Open:       func(context.Context) (sources.Source, error) { return kafka.New(options) },
		Steal:      w.steal,
		Partitions: partitions,
		Patience:   2 * time.Second,
		ComposedID: true,
		Item: func(r sources.Record) string {
			return fmt.Sprintf(`{"partition":%q,"offset":%d}`, partitionOf(&r), r.Native.(*kgo.Record).Offset)
		},
	}
	if w.reach == nil { // in real time, on a machine that may be slow
		h.Patience = 5 * time.Second
	} else { // in virtual time: a request is given up after ten seconds
		h.Hang = func(context.Context) (func(), error) {
			s := w.hang(kmsg.Fetch)
			return func() { s.over.Store(true) }, nil
		}
	}
	if w.partitions > 1 {
		h.Revoke = func(context.Context) (func(context.Context) error, error) { return w.rival(options) }
	}
	return h
}

// rival joins the group, which gives it some of the partitions, until it is given up.
func (w *world) rival(options kafka.Options) (func(context.Context) error, error) {
	balancer := kgo.Balancers(kgo.CooperativeStickyBalancer())
	if options.ServerSideAssignment {
		balancer = kgo.Balancers(kgo.StickyBalancer())
	}
	opts := slices.Concat([]kgo.Opt{
		kgo.SeedBrokers(w.servers...), kgo.ConsumerGroup(options.ConsumerGroupID), kgo.ConsumeTopics(w.topic),
		kgo.DisableAutoCommit(), balancer,
	}, options.ClientOptions)
	if options.ServerSideAssignment {
		opts = append(opts, kgo.ServerSideBalancer())
	}
	client, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	return func(context.Context) error {
		client.Close()
		return nil
	}, nil
}

// silence has no request of a kind answered while it lasts.
type silence struct {
	over  atomic.Bool
	asked atomic.Int64 // requests that were not answered
}

func (w *world) hang(key kmsg.Key) *silence {
	s := new(silence)
	w.cluster.ControlKey(key.Int16(), func(kmsg.Request) (kmsg.Response, error, bool) {
		w.cluster.KeepControl()
		if s.over.Load() {
			return nil, nil, false
		}
		s.asked.Add(1)
		return nil, nil, true
	})
	return s
}

// partitionOf is where a producer puts a key.
func (w *world) partitionOf(key string) int32 {
	h := fnv.New32a()
	h.Write([]byte(key))
	return int32(h.Sum32() % uint32(w.partitions))
}

// steal throws all members out of their groups, and lets none in until it is given
// back.
func (w *world) steal(context.Context) (func(context.Context) error, error) {
	faults := w.cluster.Fault(
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.JoinGroup}, Err: kerr.CoordinatorLoadInProgress, TopLevel: true, Count: -1,
		},
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, Err: kerr.CoordinatorLoadInProgress, TopLevel: true, Count: -1,
			When: func(r kmsg.Request) bool { return r.(*kmsg.ConsumerGroupHeartbeatRequest).MemberEpoch == 0 },
		},
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.ConsumerGroupHeartbeat}, Err: kerr.FencedMemberEpoch, TopLevel: true, Count: -1,
		},
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.Heartbeat}, Err: kerr.UnknownMemberID, TopLevel: true, Count: -1,
		},
		kfake.Fault{
			Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.UnknownMemberID, Count: -1,
		},
	)
	return func(context.Context) error {
		faults.Remove()
		return nil
	}, nil
}
