//go:build synctests

package kafka_test

import (
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
	"github.com/openesm/openesm/sources/kafka"
)

// A partition whose offset cannot be fetched, once or for some time, is told of and read in
// the end, from where the group has committed; the others are not held up (P9, P14).
func TestOffsetFetchFailsInBubbles(t *testing.T) {
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
// true lag, and holds up no other partition (P14, P15).
func TestBatchOverTheDecompressionLimitInBubbles(t *testing.T) {
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
								awaitEnd(t, otherEnded)
							}()
						}
						time.Sleep(10 * time.Second)
						began := time.Now()
						cancel()
						err = <-ended
						if took := time.Since(began); took > 2*time.Second {
							t.Errorf("the stop took %v: %v", took, err)
						}
						if group := w.cluster.GroupInfo("g"); from > 0 && group != nil && len(group.Members) > 1 && options.InstanceID == "" {
							t.Errorf("the group has %d members, want the other one", len(group.Members))
						}
					})
				})
			}
		}
	}
}

// Where a partition goes on whose offset is gone does not depend on how long that was looked
// up: nothing was read of it before.
func TestLossBehindASlowLookUpInBubbles_KAF37(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 20)
		w.commit(0, 3)
		if err := w.cluster.DeleteRecords(w.topic, 0, 8); err != nil {
			t.Fatal(err)
		}
		joins := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.SyncGroup}, Count: -1, Observe: true})
		w.cluster.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.OffsetFetch}, Partitions: []int32{0}, Err: kerr.UnstableOffsetCommit, Count: 20,
			When: func(kmsg.Request) bool { return joins.Hits() > 0 },
		})
		options := w.plain()
		options.StartingPosition = kafka.Latest
		source, err := kafka.New(options)
		if err != nil {
			t.Fatal(err)
		}
		var l listener
		handled := newLedger()
		cancel, ended := launch(t, listened{source, &l}, esm.Records(handled.handle), esm.Config{Observer: l.observe})
		time.Sleep(time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if handled.total() != 0 || l.heard("17 offsets from 3 on are lost") == nil {
			t.Errorf("handled %d records, told %v", handled.total(), l.errs)
		}
	})
}
