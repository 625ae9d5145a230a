//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/kafka/access"
)

// A window starts with the first record, and no later than the batch before has ended (KAF-11,
// KAF-12, KAF-13).
func TestWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const window = 7 * time.Second
		w := newVirtualWorld(t, 1)
		var (
			sizes []int
			at    []time.Time
		)
		m := start(t, w.options("g"), esm.Config{BatchSize: 1000, MaximumBatchingWindow: window}, func(_ context.Context, batch []sources.Record) (esm.Response, error) {
			sizes, at = append(sizes, len(batch)), append(at, time.Now())
			time.Sleep(window / 2)
			return esm.Response{}, nil
		})
		time.Sleep(5*window + time.Second) // a window that began with nothing would be over soon
		began := time.Now()
		for i := range 4 {
			w.send(0, i, i+1)
			time.Sleep(window / 5)
		}
		m.seen.await(t, 4)
		if len(sizes) != 1 || sizes[0] != 4 || at[0].Sub(began).Round(time.Second) != window {
			t.Errorf("batches of %v, the first after %v, want all 4 after %v", sizes, at[0].Sub(began), window)
		}
	})
}

// Members of a group share the partitions (KAF-09, KAF-50).
func TestShare(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		one, two, idle := start(t, w.options("g"), unwindowed, nil), start(t, w.options("g"), unwindowed, nil), start(t, w.options("g"), unwindowed, nil)
		other := start(t, w.options("of its own"), unwindowed, nil)
		w.awaitShares(3)
		w.send(0, 0, 5)
		w.send(1, 0, 5)
		w.until("all is handled", func() bool { return one.seen.total()+two.seen.total()+idle.seen.total() == 10 })
		other.seen.await(t, 10)
		counts := []int{one.seen.total(), two.seen.total(), idle.seen.total()}
		slices.Sort(counts)
		if !slices.Equal(counts, []int{0, 5, 5}) {
			t.Errorf("three members handled %v of two partitions", counts)
		}
	})
}

// Throttles count as no retry.
func TestThrottle_KAF70(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 3)
		var tries atomic.Int32
		config := quick(unwindowed)
		config.MaximumRetryAttempts = new(0)
		m := start(t, w.options("g"), config, func(context.Context, []sources.Record) (esm.Response, error) {
			if tries.Add(1) <= 5 {
				return esm.Response{}, &esm.ThrottleError{}
			}
			return esm.Response{}, nil
		})
		m.seen.await(t, 3)
		m.seen.wantOnce(t, 1, 3)
	})
}

// Topics by pattern: those that there are and those that come, but none that are
// Kafka's own.
func TestTopicPattern(t *testing.T) {
	t.Parallel()
	eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		w := newVirtualWorld(t, 1)
		options := w.options("g")
		options.Topics, options.TopicPattern = nil, "orders.*|bills"
		options.StartingPosition = kafka.Latest
		options.ClientOptions = append(options.ClientOptions, kgo.MetadataMaxAge(200*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond))
		vary(&options)
		w.send(0, 0, 1) // before the mapping, so not read
		m := start(t, options, unwindowed, nil)
		w.awaitMembers(1)
		w.send(0, 1, 2)
		for _, topic := range []string{"orders-eu", "more-orders", "bills"} {
			if err := w.cluster.CreateTopic(topic, 1, nil); err != nil {
				t.Fatal(err)
			}
			w.topic = topic
			w.send(0, 0, 1)
		}
		m.seen.await(t, 3)
		if got, want := fmt.Sprint(m.seen.sizes()), "map[bills-0:1 orders-0:1 orders-eu-0:1]"; got != want {
			t.Errorf("handled %s, want %s", got, want)
		}
	})
}

// What the brokers refuse at the start ends the mapping, with a reason and no secret (KAF-18,
// KAF-42).
func TestRefused(t *testing.T) {
	t.Parallel()
	const user, password = "reader", "hidden-password"
	for name, c := range map[string]struct {
		want    string
		brokers []kfake.Opt
		change  func(*kafka.Options)
	}{
		"no such topic": {"topic nothing does not exist", nil, func(o *kafka.Options) { o.Topics = []string{"orders", "nothing"} }},
		"topic not allowed": {
			"Read and Describe",
			[]kfake.Opt{kfake.EnableSASL(), kfake.Superuser("PLAIN", "admin", "admin"), kfake.EnableACLs(), kfake.User("PLAIN", user, password)},
			func(o *kafka.Options) {
				o.Access = []access.Config{access.BasicAuth(user, password), access.SASLPlaintext()}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				options := newVirtualWorld(t, 1, c.brokers...).options("g")
				c.change(&options)
				source, err := kafka.New(options)
				if err != nil {
					t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				err = source.Start(ctx, sources.Settings{})
				if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hidden") {
					t.Errorf("got %v, want %q", err, c.want)
				}
				if _, err := source.Accept(ctx); !errors.Is(err, sources.ErrUnusable) {
					t.Errorf("Accept: %v", err)
				}
				if err := source.Close(ctx); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A broker that is down is waited for.
func TestStartWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 1)
		down := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetFetch}, Count: 3})
		m := start(t, w.options("g"), unwindowed, nil)
		m.seen.await(t, 1)
		if down.Hits() == 0 {
			t.Error("no call met a fault")
		}
	})
}
