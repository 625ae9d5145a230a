package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// kindOf is what the broker calls a group of such members.
func kindOf(options *kafka.Options) string {
	if options.ServerSideAssignment {
		return "consumer"
	}
	return "classic"
}

// A mapping handles each record once and in order, in a group of the kind that was
// asked for, and commits the end (KAF-30, KAF-33).
func TestRealMapping(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		const partitions, records = 3, 1000
		w := newRealWorld(t, partitions, nil)
		for p := range partitions {
			w.send(p, 0, records)
		}
		options := w.member(vary)
		m := start(t, options, esm.Config{MaximumBatchingWindow: esm.NoBatchingWindow}, nil)
		m.seen.await(t, partitions*records)
		if got, want := w.describe().kind, kindOf(&options); got != want {
			t.Errorf("the group is of kind %q, want %q", got, want)
		}
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		m.seen.wantOnce(t, partitions, records)
		for p, at := range w.committed(w.group) {
			if at != records {
				t.Errorf("partition %d: committed %d, want %d", p, at, records)
			}
		}
	})
}

// Event documents to the byte, of topics with the producer's times and with the
// broker's (KAF-80, KAF-84, KAF-85, KAF-86, KAF-87, KAF-88, KAF-89, KAF-90, KAF-91).
func TestRealEvent(t *testing.T) {
	t.Parallel()
	for stamp, config := range map[string]string{"CREATE_TIME": "CreateTime", "LOG_APPEND_TIME": "LogAppendTime"} {
		t.Run(stamp, func(t *testing.T) {
			t.Parallel()

			// The sample's records are older than what brokers keep by default.
			w := newRealWorld(t, 1, map[string]string{"message.timestamp.type": config, "retention.ms": "-1"})
			w.sample()
			in := new(invoker)
			options := w.member()
			w.run(options, esm.Bytes(in), unwindowed)
			w.until("the handler is invoked", func() bool { return len(in.seen()) > 0 })
			at := w.stored(2)[0].Timestamp.UnixMilli()
			if sent := int64(1767225601123); (at == sent) != (stamp == "CREATE_TIME") {
				t.Errorf("the broker stored time %d, %d was sent", at, sent)
			}
			record := func(offset int, rest string) string {
				return fmt.Sprintf(`{"topic":%q,"partition":0,"offset":%d,"timestamp":%d,"timestampType":%q,%s}`, w.topic, offset, at, stamp, rest)
			}
			want := `{"eventSource":"SelfManagedKafka","bootstrapServers":"` + w.servers[0] + `","records":{"` + w.topic + `-0":[` +
				record(0, `"key":"by0x","value":"eyJwcmljZSI6IDEyfQ==","headers":[{"traceId":[97,98,99]},{"raw":[0,127,-128,-1]}]`) + `,` +
				record(1, `"key":"","headers":[{"none":[]}]`) + `]}}`
			if got := string(in.seen()[0]); got != want {
				t.Errorf("document\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// A member joins while batches run: the rebalance waits for them, nothing is handled
// twice, and the order is kept (KAF-40, KAF-41, KAF-187).
func TestRealRebalance(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		t.Run(fmt.Sprint("mixed=", mixed), func(t *testing.T) {
			t.Parallel()
			eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
				t.Helper()
				const partitions, records = 4, 300
				w := newRealWorld(t, partitions, nil)
				for p := range partitions {
					w.send(p, 0, records)
				}
				options := w.member(vary)
				options.MixPartitions = mixed
				g, seen := newGate(), newLedger()
				handle := func(ctx context.Context, batch []sources.Record) (esm.Response, error) {
					err := g.pass(ctx)
					if err == nil {
						seen.add(batch)
					}
					return esm.Response{}, err
				}
				first := start(t, options, w.journal.watch("first", unwindowed), handle)
				w.awaitMembers(1)
				g.await(t)
				second := start(t, options, w.journal.watch("second", unwindowed), func(_ context.Context, batch []sources.Record) (esm.Response, error) {
					seen.add(batch)
					return esm.Response{}, nil
				})
				w.until("the second member has joined", func() bool { return len(w.describe().members) == 2 })
				if n := second.seen.total(); n != 0 {
					t.Errorf("the second member handled %d records while the first was handling their batches", n)
				}
				g.release()
				w.awaitMembers(2)
				for p := range partitions {
					w.send(p, records, 2*records)
				}
				seen.await(t, partitions*2*records)
				for _, m := range []*member{second, first} {
					if err := m.stop(); err != nil {
						t.Error(err)
					}
					if m.seen.total() == 0 {
						t.Errorf("one of the members handled nothing: %v, %v", first.seen.counts(), second.seen.counts())
					}
				}
				seen.wantOnce(t, partitions, 2*records)
				w.awaitCommitted(2 * records)
			})
		})
	}
}

// A member that is thrown out has its batch cancelled, commits nothing of it, and
// handles it again when it is back (KAF-40, KAF-41).
func TestRealEvicted(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		w := newRealWorld(t, 1, nil)
		w.send(0, 0, 5)
		g := newGate()
		var cause atomic.Value
		m := start(t, w.member(vary), w.journal.watch("it", unwindowed), func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			err := g.pass(ctx)
			if err != nil {
				cause.CompareAndSwap(nil, err)
			}
			return esm.Response{}, err
		})
		g.await(t)
		if _, err := w.steal(t.Context()); err != nil {
			t.Fatalf("throwing the member out: %v", err)
		}
		w.until("the handler is cancelled", func() bool { return cause.Load() != nil })
		if err := cause.Load().(error); !errors.Is(err, sources.ErrLost) {
			t.Errorf("the handler was cancelled with %v, want %v", err, sources.ErrLost)
		}
		if at, ok := w.committed(w.group)[0]; ok {
			t.Errorf("committed %d of a batch that was cancelled", at)
		}
		g.release()
		m.seen.await(t, 5)
		w.awaitCommitted(5)
		m.seen.wantOnce(t, 1, 5)
	})
}

// Members that are thrown out again and again come back under other names: what is
// committed never runs ahead of what was handled, and nothing is left out (KAF-40, KAF-41, KAF-69).
func TestRealEvictedAgainAndAgain(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		const partitions, members, rounds, some = 2, 2, 5, 100
		w := newRealWorld(t, partitions, nil)
		c := w.join("cohort", members, vary)
		c.awaitMembers(members)
		load := w.startSender()
		for round := range rounds {
			c.seen.await(t, c.seen.total()+partitions*some)
			g := c.describe()
			if err := c.evict(t.Context(), g.kind, g.members[round%len(g.members)]); err != nil {
				t.Fatalf("round %d: throwing %s out of %+v: %v", round, g.members[0], g, err)
			}
			for p, at := range c.committed(c.group) {
				if handled := c.seen.prefix(fmt.Sprintf("%s-%d", w.topic, p)); at > handled {
					t.Errorf("round %d: %d is committed of partition %d, what is before %d was handled", round, at, p, handled)
				}
			}
			c.awaitMembers(members)
		}
		n := load.stop()
		c.awaitCommitted(int64(n))
		for _, m := range c.members {
			if err := m.stop(); err != nil {
				t.Error(err)
			}
		}
		for p := range partitions {
			name := fmt.Sprintf("%s-%d", w.topic, p)
			if handled := c.seen.prefix(name); handled != int64(n) {
				t.Errorf("%s: %d is missing, %d were sent and committed", name, handled, n)
			}
		}
	})
}

// prefix is the first number that was not handled of a partition.
func (l *ledger) prefix(partition string) int64 {
	seen := make(map[string]bool)
	for _, value := range l.of(partition) {
		seen[value] = true
	}
	n := int64(0)
	for seen[strconv.FormatInt(n, 10)] {
		n++
	}
	return n
}

// A static member that comes back within the session timeout has its partition
// again, and the group has not rebalanced.
func TestRealStaticMembership_KAF39(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		w := newRealWorld(t, 2, nil)
		options, other := w.member(vary), w.member(vary)
		options.InstanceID, other.InstanceID = "one", "two"
		first := start(t, options, w.journal.watch("first", unwindowed), nil)
		second := start(t, other, w.journal.watch("second", unwindowed), nil)
		w.awaitMembers(2)
		w.send(0, 0, 5)
		w.send(1, 0, 5)
		first.seen.await(t, 5)
		second.seen.await(t, 5)
		mine := slices.Collect(maps.Keys(first.seen.counts()))
		before := w.generation()
		if err := first.stop(); err != nil {
			t.Error(err)
		}
		if g := w.describe(); len(g.members) != 2 {
			t.Errorf("one of the members was stopped, and the group is %+v, want both members in it", g)
		}
		w.send(0, 5, 10)
		w.send(1, 5, 10)
		again := start(t, options, w.journal.watch("again", unwindowed), nil)
		again.seen.await(t, 5)
		if after := w.generation(); after != before {
			t.Errorf("the generation went from %d to %d when the member came back", before, after)
		}
		second.seen.await(t, 10)
		if n := second.seen.total(); n != 10 {
			t.Errorf("the other member handled %d records, want its own 10", n)
		}
		if got := slices.Collect(maps.Keys(again.seen.counts())); !slices.Equal(got, mine) {
			t.Errorf("it came back to %v, had %v", got, mine)
		}
	})
}

// Of a partial failure the records that were named are tried again, and what is
// committed stays below the lowest of them (KAF-65, KAF-66, KAF-67, KAF-68, KAF-69).
func TestRealPartialFailure(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		t.Run(fmt.Sprint("mixed=", mixed), func(t *testing.T) {
			t.Parallel()
			w := newRealWorld(t, 2, nil)
			w.send(0, 0, 6)
			w.send(1, 0, 6)
			options := w.member()
			options.MixPartitions = mixed
			var (
				mu      sync.Mutex
				batches []string // of partition 1
				at      int64
			)
			name := w.topic + "-1"
			in := &invoker{answer: func(document []byte) ([]byte, error) {
				mu.Lock()
				defer mu.Unlock()
				offsets := offsetsIn(t, document)[name]
				if len(offsets) > 0 {
					batches = append(batches, fmt.Sprint(offsets))
				}
				switch len(batches) {
				case 1:
					return []byte(strings.ReplaceAll(`{"batchItemFailures":[{"itemIdentifier":{"partition":"TP","offset":4}},`+
						`{"itemIdentifier":{"partition":"TP","offset":2}}]}`, "TP", name)), nil
				case 2:
					w.until("what is before the first of them is committed", func() bool {
						at = w.committed(w.group)[1]
						return at > 0
					})
					return []byte(strings.ReplaceAll(`{"batchItemFailures":[{"itemIdentifier":{"partition":"TP","offset":3}}]}`, "TP", name)), nil
				default:
					return nil, nil
				}
			}}
			config := quick(esm.Config{BatchSize: 1000, MaximumBatchingWindow: time.Second})
			config.ReportBatchItemFailures = true
			w.run(options, esm.Bytes(in), config)
			w.awaitCommitted(6)
			mu.Lock()
			defer mu.Unlock()

			// The second answer names a record that is not in the batch: all of it fails.
			if want := []string{"[0 1 2 3 4 5]", "[2 4]", "[2 4]"}; len(batches) < 3 || !slices.Equal(batches[:3], want) {
				t.Errorf("partition 1 was handled as %v, want %v", batches, want)
			}
			if at != 2 {
				t.Errorf("committed %d while 2 and 4 were open", at)
			}
		})
	}
}

// Topics that a pattern matches are read, one that is created later too.
func TestRealTopicPattern(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		w := newRealWorld(t, 1, nil)
		w.send(0, 0, 3)
		options := w.member(vary)
		options.Topics, options.TopicPattern = nil, w.topic+"(-later)?"
		options.ClientOptions = append(options.ClientOptions, kgo.MetadataMaxAge(200*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond))
		m := start(t, options, unwindowed, nil)
		m.seen.await(t, 3)
		later := w.topic + "-later"
		if _, err := w.admin.CreateTopic(t.Context(), 1, 1, nil, later); err != nil {
			t.Fatalf("creating topic %s: %v", later, err)
		}
		t.Cleanup(func() {
			if _, err := w.admin.DeleteTopic(context.Background(), later); err != nil {
				t.Errorf("deleting topic %s: %v", later, err)
			}
		})
		w.until("the new topic can be written to", func() bool {
			return w.client.ProduceSync(t.Context(), &kgo.Record{Topic: later, Value: []byte("0")}).FirstErr() == nil
		})
		m.seen.await(t, 4)

		// Before the topic is deleted, which nothing can be committed of any more then.
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		if got := m.seen.of(later + "-0"); len(got) == 0 || got[0] != "0" {
			t.Errorf("handled %v of %s", got, later)
		}
	})
}
