//go:build synctests

package kafka_test

import (
	"context"
	"fmt"
	"slices"
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
// the old one, and with another number of partitions.
func TestTopicMadeAnewInBubbles_P9_P15(t *testing.T) {
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
							if !slices.Contains(got, fmt.Sprint(100+i)) {
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
						if took := time.Since(began); took > 20*time.Second {
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

// A partition whose offset cannot be fetched, once or for some time, is told of and read in
// the end, from where the group has committed; the others are not held up.
func TestOffsetFetchFailsInBubbles_P9_P14(t *testing.T) {
	t.Parallel()

	for name, vary := range variants {
		for what, err := range map[string]*kerr.Error{
			"denied": kerr.TopicAuthorizationFailed, "unstable": kerr.UnstableOffsetCommit, "unknown": kerr.UnknownServerError,
		} {
			for _, top := range []bool{false, true} {
				for _, count := range []int{1, 60} {
					t.Run(fmt.Sprint(name, " ", what, " ", top, " ", count), func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							w := newVirtualWorld(t, 2)
							w.send(0, 0, 5)
							w.send(1, 0, 5)
							w.commit(0, 2)
							w.commit(1, 2)

							options := w.plain()
							vary(&options)

							source, failure := kafka.New(options)
							if failure != nil {
								t.Fatal(failure)
							}

							fault := kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Err: err, Count: count, TopLevel: top}
							if !top {
								fault.Partitions = []int32{1}
							}

							joins := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.JoinGroup, kmsg.ConsumerGroupHeartbeat}, Count: -1, Observe: true})
							fault.When = func(kmsg.Request) bool { return joins.Hits() > 0 } // not that of Start

							failing := w.cluster.Fault(fault)

							var l listener

							handled := newLedger()
							cancel, ended := launch(t, listened{source, &l}, esm.Records(handled.handle), esm.Config{Observer: l.observe})

							handled.later(t, 6, 5*time.Minute)
							time.Sleep(time.Second)
							cancel()

							if failure := <-ended; failure != nil {
								t.Error(failure)
							}

							for _, p := range []string{"orders-0", "orders-1"} {
								if got := handled.of(p); !slices.Equal(got, []string{"2", "3", "4"}) {
									t.Errorf("%s: handled %v", p, got)
								}
							}

							if failing.Hits() == 0 || count > 1 && l.heard("OffsetFetch", "orders-1") == nil {
								t.Errorf("it failed %d times, told %v", failing.Hits(), l.errs)
							}
						})
					})
				}
			}
		}
	}
}

// A batch over the limit of decompression is told of for as long as it is there, with a
// true lag, and holds up no other partition.
func TestBatchOverTheDecompressionLimitInBubbles_P14_P15(t *testing.T) {
	t.Parallel()

	const limit = 10_000

	for name, vary := range variants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 2)
				w.commit(0, 0)
				w.commit(1, 0)

				squeezed := w.newClient(kgo.ProducerBatchCompression(kgo.GzipCompression()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
				if err := squeezed.ProduceSync(t.Context(), &kgo.Record{Topic: w.topic, Value: make([]byte, 2*limit)}).FirstErr(); err != nil {
					t.Fatal(err)
				}

				w.send(0, 1, 5)

				options := w.plain()
				options.ClientOptions = append(options.ClientOptions, kgo.MaxDecompressBatchBytes(limit))
				vary(&options)

				source, err := kafka.New(options)
				if err != nil {
					t.Fatal(err)
				}

				var l listener

				handled := newLedger()
				cancel, ended := launch(t, listened{source, &l}, esm.Records(handled.handle), esm.Config{Observer: l.observe})

				for minute := range 5 {
					w.send(1, 2*minute, 2*minute+2)
					time.Sleep(time.Minute)

					if lag, known := lagOf(source, "orders-0"); !known || lag != 5 {
						t.Errorf("minute %d: lag %d, known %v", minute, lag, known)
					}

					l.mu.Lock()
					l.errs = l.errs[:0:0]
					l.mu.Unlock()
					time.Sleep(30 * time.Second)

					if l.heard("orders-0", "decompress") == nil {
						t.Errorf("minute %d: told %v", minute, l.errs)
					}
				}

				if got := handled.of("orders-1"); len(got) != 10 {
					t.Errorf("handled %v of the other partition", got)
				}

				if err := w.cluster.DeleteRecords(w.topic, 0, 1); err != nil {
					t.Fatal(err)
				}

				time.Sleep(time.Minute)
				cancel()

				if err := <-ended; err != nil {
					t.Error(err)
				}

				want := []string{"1", "2", "3", "4"}
				if options.StartingPosition == kafka.Latest { // goes on at the end (KAF-37)
					want = nil
				}

				if got := handled.of("orders-0"); !slices.Equal(got, want) || l.heard("are lost") == nil {
					t.Errorf("handled %v, told %v", got, l.errs)
				}
			})
		})
	}
}

// A stop while a request to join is not answered leaves the group at once.
func TestStopWhileAJoinIsPendingInBubbles_P11(t *testing.T) {
	t.Parallel()

	for name, vary := range variants {
		for _, key := range []kmsg.Key{kmsg.JoinGroup, kmsg.SyncGroup, kmsg.ConsumerGroupHeartbeat} {
			for _, from := range []time.Duration{0, 20 * time.Second} {
				t.Run(fmt.Sprint(name, " ", kmsg.NameForKey(key.Int16()), " from ", from), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						w := newVirtualWorld(t, 2)
						w.send(0, 0, 5)

						options := w.plain()
						vary(&options)

						source, err := kafka.New(options)
						if err != nil {
							t.Fatal(err)
						}

						if from == 0 {
							w.hang(key)
						}

						cancel, ended := launch(t, source, esm.Records(newLedger().handle), esm.Config{})

						time.Sleep(from)

						if from > 0 {
							w.hang(key)

							other := w.plain() // whose coming changes the group
							other.ServerSideAssignment = options.ServerSideAssignment

							second, err := kafka.New(other)
							if err != nil {
								t.Fatal(err)
							}

							cancelOther, otherEnded := launch(t, second, esm.Records(newLedger().handle), esm.Config{})
							defer func() {
								cancelOther()
								<-otherEnded
							}()
						}

						time.Sleep(10 * time.Second)

						began := time.Now()

						cancel()

						err = <-ended
						if took := time.Since(began); took > 6*time.Second {
							t.Errorf("the stop took %v: %v", took, err)
						}

						t.Log(time.Since(began), err)
					})
				})
			}
		}
	}
}
