//go:build synctests

package kafka_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// variants are ways to read, with the client as it is by default.
var variants = map[string]func(*kafka.Options){
	"lanes":      func(*kafka.Options) {},
	"mixed":      func(o *kafka.Options) { o.MixPartitions = true },
	"server":     func(o *kafka.Options) { o.ServerSideAssignment = true },
	"static":     func(o *kafka.Options) { o.InstanceID = "one" },
	"latest":     func(o *kafka.Options) { o.StartingPosition = kafka.Latest },
	"pattern":    func(o *kafka.Options) { o.Topics, o.TopicPattern = nil, "ord.*" },
	"committed":  func(o *kafka.Options) { o.ReadCommitted = true },
	"mix server": func(o *kafka.Options) { o.ServerSideAssignment, o.MixPartitions = true, true },
}

// eachVariant runs a test in a bubble for each way to read, with a mapping that runs.
func eachVariant(t *testing.T, partitions int, test func(t *testing.T, w *world, source *kafka.Source, handled *ledger, l *listener)) {
	t.Helper()
	for name, vary := range variants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, partitions)
				options := w.plain()
				vary(&options)
				source, err := kafka.New(options)
				if err != nil {
					t.Fatal(err)
				}
				var l listener
				handled := newLedger()
				cancel, ended := launch(t, listened{source, &l}, esm.Records(handled.handle), esm.Config{Observer: l.observe})
				time.Sleep(15 * time.Second)
				test(t, w, source, handled, &l)
				began := time.Now()
				cancel()
				if err := <-ended; err != nil || time.Since(began) > 10*time.Second {
					t.Errorf("the stop took %v: %v", time.Since(began), err)
				}
			})
		})
	}
}

// A topic that is deleted and made anew is read from its beginning, whatever was read of
// the old one, and with another number of partitions (P9, P15).
func TestTopicMadeAnewInBubbles(t *testing.T) {
	t.Parallel()
	for _, away := range []time.Duration{0, 3 * time.Second, 10 * time.Minute} {
		for _, partitions := range []int{1, 2, 4} {
			t.Run(fmt.Sprint(away, " ", partitions), func(t *testing.T) {
				t.Parallel()
				eachVariant(t, 2, func(t *testing.T, w *world, source *kafka.Source, handled *ledger, l *listener) {
					t.Helper()
					w.send(0, 0, 5)
					w.send(1, 0, 5)
					handled.later(t, 10, time.Minute)
					time.Sleep(time.Second)
					if err := w.cluster.DeleteTopic(w.topic); err != nil {
						t.Fatal(err)
					}
					time.Sleep(away)
					w.admit(w.topic, partitions)
					w.client.PurgeTopicsFromClient(w.topic)
					for p := range partitions {
						w.send(p, 100, 120)
					}
					handled.later(t, 10+20*partitions, time.Minute)
					time.Sleep(time.Minute)
					for p := range partitions {
						if at := w.committed("g")[int32(p)]; at != 20 {
							t.Errorf("committed %d of partition %d", at, p)
						}
						if lag, known := lagOf(source, fmt.Sprint("orders-", p)); !known || lag != 0 {
							t.Errorf("partition %d: lag %d, known %v", p, lag, known)
						}
						got := handled.of(fmt.Sprint("orders-", p))
						if len(got) > 5 && got[0] == "0" {
							got = got[5:]
						}
						for i := range 20 {
							if !slices.Contains(got, strconv.Itoa(100+i)) {
								t.Errorf("partition %d: %d was not handled: %v", p, 100+i, got)
							}
						}
					}
					if loss := l.heard("are lost"); loss != nil {
						t.Error(loss)
					}
				})
			})
		}
	}
}

// A topic that is deleted is told of, within a minute, and the mapping goes on with others.
func TestTopicDeletedIsToldInBubbles_P14(t *testing.T) {
	t.Parallel()
	eachVariant(t, 2, func(t *testing.T, w *world, source *kafka.Source, handled *ledger, l *listener) {
		t.Helper()
		w.send(0, 0, 5)
		handled.later(t, 5, time.Minute)
		if err := w.cluster.DeleteTopic(w.topic); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if l.heard("orders") == nil {
			t.Errorf("told %v", l.errs)
		}
		time.Sleep(2 * time.Minute)
		for _, m := range source.Measure(nil) {
			if m.Name == "OffsetLag" {
				t.Errorf("measured %+v of a topic that is gone", m)
			}
		}
	})
}

// Commits that cannot succeed, because the topic is deleted or the permission withdrawn
// while the handler runs, do not hold up a stop, whether that comes before the handler has
// ended or after.
func TestStopInABatchWhoseCommitCannotSucceedInBubbles_P11(t *testing.T) {
	t.Parallel()
	spoil := map[string]func(*world){
		"topic deleted": func(w *world) {
			if err := w.cluster.DeleteTopic(w.topic); err != nil {
				w.t.Fatal(err)
			}
		},
		"group denied": func(w *world) {
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		},
		"topic denied": func(w *world) {
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		},
		"all denied": func(w *world) {
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit, kmsg.Heartbeat, kmsg.JoinGroup, kmsg.OffsetFetch}, Err: kerr.GroupAuthorizationFailed, Count: -1})
			w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch, kmsg.Metadata}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		},
	}
	for what, spoil := range spoil {
		for name, vary := range variants {
			for _, stop := range []time.Duration{0, 4 * time.Second, 30 * time.Second} { // the handler ends after 5
				t.Run(fmt.Sprint(what, " ", name, " stop after ", stop), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						w := newVirtualWorld(t, 1)
						options := w.plain()
						vary(&options)
						source, err := kafka.New(options)
						if err != nil {
							t.Fatal(err)
						}
						var l listener
						entered := make(chan struct{}, 100)
						cancel, ended := launch(t, source, esm.Records(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
							entered <- struct{}{}
							select {
							case <-time.After(5 * time.Second):
							case <-ctx.Done():
							}
							return esm.Response{}, context.Cause(ctx)
						}), esm.Config{DrainTimeout: 2 * time.Minute, Observer: l.observe})
						time.Sleep(10 * time.Second)
						w.send(0, 0, 5)
						<-entered
						spoil(w)
						time.Sleep(stop)
						began := time.Now()
						cancel()
						err = <-ended
						if took := time.Since(began); took > 10*time.Second {
							t.Errorf("the stop took %v: %v, told %v", took, err, l.errs)
						}
					})
				})
			}
		}
	}
}

// One UNKNOWN_TOPIC_OR_PARTITION, or a few, do not end a mapping, at the start or later.
func TestTopicUnknownForAMomentInBubbles_P9(t *testing.T) {
	t.Parallel()
	for name, vary := range variants {
		for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.ListOffsets, kmsg.OffsetFetch, kmsg.Fetch, kmsg.DescribeConfigs} {
			for _, count := range []int{1, 5} {
				for _, after := range []time.Duration{0, 15 * time.Second} {
					t.Run(fmt.Sprint(name, " ", kmsg.NameForKey(key.Int16()), " ", count, " after ", after), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							w := newVirtualWorld(t, 1)
							options := w.plain()
							vary(&options)
							source, err := kafka.New(options)
							if err != nil {
								t.Fatal(err)
							}
							handled := newLedger()
							fault := func() {
								w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Topic: w.topic, Err: kerr.UnknownTopicOrPartition, Count: count})
							}
							if after == 0 {
								fault()
							}
							cancel, ended := launch(t, source, esm.Records(handled.handle), esm.Config{})
							time.Sleep(15 * time.Second)
							if after > 0 {
								fault()
							}
							w.send(0, 0, 5)
							handled.later(t, 5, time.Minute)
							cancel()
							if err := <-ended; err != nil {
								t.Error(err)
							}
							if got := handled.of("orders-0"); !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
								t.Errorf("handled %v", got)
							}
						})
					})
				}
			}
		}
	}
}
