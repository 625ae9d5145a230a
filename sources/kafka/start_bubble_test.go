//go:build synctests

package kafka_test

import (
	"context"
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

// newTopics are how a topic comes that the group reads from its beginning, by name: of what
// the mapping reads when it starts, and what is to be done then.
var newTopics = map[string]struct {
	vary func(*kafka.Options)
	make func(*world)
}{
	"made anew":       {func(*kafka.Options) {}, func(w *world) { w.remake(time.Second) }},
	"made anew later": {func(*kafka.Options) {}, func(w *world) { w.remake(20 * time.Second) }},
	"made anew while commits are refused": {func(*kafka.Options) {}, func(w *world) {
		refused := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Err: kerr.GroupAuthorizationFailed, Count: -1})
		time.AfterFunc(20*time.Second, refused.Remove)
		w.remake(time.Second)
	}},
	"of a pattern": {
		func(o *kafka.Options) { o.Topics, o.TopicPattern = nil, "orders|ordinary" },
		func(w *world) { w.admit("ordinary", w.partitions) },
	},
}

// A topic that comes while a mapping runs is read from its beginning, and that is stored
// before the first read. So what is in hand at a kill comes again, and is not taken for what
// was there before the group began (P16).
func TestStartOfNewTopicIsStoredInBubbles(t *testing.T) {
	t.Parallel()
	for how, topic := range newTopics {
		for start := range relativeStarts(kafka.Options{}) {
			for name, vary := range variants {
				for _, brokers := range []string{"old brokers", "new brokers"} {
					if name == "latest" || name == "pattern" {
						continue
					}
					t.Run(how+" "+start+" "+name+" "+brokers, func(t *testing.T) {
						t.Parallel()
						synctest.Test(t, func(t *testing.T) {
							var of []kfake.Opt
							if brokers == "old brokers" && name != "server" && name != "mix server" {
								of = append(of, byName())
							}
							w := newVirtualWorld(t, 2, of...)
							options := relativeStarts(w.plain())[start]
							vary(&options)
							topic.vary(&options)
							startOfNewTopic(t, w, options, topic.make)
						})
					})
				}
			}
		}
	}
}

func startOfNewTopic(t *testing.T, w *world, options kafka.Options, remake func(*world)) {
	t.Helper()
	source, err := kafka.New(options)
	if err != nil {
		t.Fatal(err)
	}
	config := unwindowed
	config.DrainTimeout = time.Nanosecond
	config.Observer = func(o esm.Observation) {
		if o.Err != nil {
			t.Log(time.Now(), o.Partition, o.Err)
		}
	}
	handled := make(chan struct{}, 1000)
	cancel, ended := launch(t, source, esm.Records(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
		handled <- struct{}{}
		<-ctx.Done()
		return esm.Response{}, context.Cause(ctx)
	}), config)
	time.Sleep(time.Minute)
	remake(w)
	w.send(0, 0, 5)
	w.send(1, 0, 5)
	select {
	case <-handled:
	case <-time.After(5 * time.Minute):
		t.Fatal("nothing of the new topic is handled")
	}
	if len(w.committed("g")) == 0 {
		t.Error("it is handled, and where it begins is not stored")
	}
	cancel()
	if err := <-ended; err != nil {
		t.Log(err) // it was cut off
	}
	time.Sleep(time.Minute) // a static member is forgotten
	m := start(t, options, unwindowed, nil)
	m.seen.later(t, 10, 3*time.Minute)
	for _, partition := range []string{w.topic + "-0", w.topic + "-1"} {
		if got := m.seen.of(partition); !slices.Equal(got, []string{"0", "1", "2", "3", "4"}) {
			t.Errorf("handled %v of %s", got, partition)
		}
	}
	if err := m.stop(); err != nil {
		t.Error(err)
	}
}

// A permission that is withdrawn before a member has stored where it starts is waited for (P9).
func TestStartThatIsDeniedToTheMemberIsWaitedForInBubbles(t *testing.T) {
	t.Parallel()
	for _, key := range []kmsg.Key{kmsg.Metadata, kmsg.OffsetFetch, kmsg.OffsetCommit} {
		t.Run(key.Name(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.send(0, 0, 5)
				w.neighbour()
				options := relativeStarts(w.plain())["Latest"]
				deny := func() {
					denied := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.TopicAuthorizationFailed, Count: -1})
					time.AfterFunc(20*time.Second, denied.Remove)
				}
				options.ClientOptions = append(options.ClientOptions, kgo.WithHooks(&onAnswer{key: kmsg.SyncGroup.Int16(), do: deny}))
				m := start(t, options, unwindowed, nil)
				time.Sleep(time.Minute)
				w.send(0, 5, 10)
				m.seen.later(t, 5, time.Minute)
				if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"5", "6", "7", "8", "9"}) {
					t.Errorf("handled %v", got)
				}
				if err := m.stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
