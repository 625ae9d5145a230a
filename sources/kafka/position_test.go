//go:build synctests

package kafka_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/sources/kafka"
)

func TestTrimHorizon_KAF05(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		m := start(t, w.options("g"), unwindowed, nil)
		m.seen.await(t, 5)
		m.seen.wantOnce(t, 1, 5)
	})
}

// Latest begins with what comes after the start, and that is committed at once: what
// comes while the mapping is down again is not missed, handled or not.
func TestLatest_KAF05(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		w.send(0, 0, 5)
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		m := start(t, options, unwindowed, nil)
		w.awaitMembers(1)
		if got := w.committed("g"); got[0] != 5 || got[1] != 0 {
			t.Errorf("committed %v before the first record, want 5 and 0", got)
		}
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		if got := m.seen.of("orders-0"); len(got) > 0 {
			t.Errorf("handled %v, which were there before the start", got)
		}
		w.send(0, 5, 8)
		m = start(t, options, unwindowed, nil)
		m.seen.await(t, 3)
		if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"5", "6", "7"}) {
			t.Errorf("handled %v", got)
		}
	})
}

// Members that begin together begin at one place.
func TestLatestTogether_KAF05(t *testing.T) {
	t.Parallel()
	const partitions = 4
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, partitions)
		for p := range partitions {
			w.send(p, 0, 50)
		}
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		var (
			members  [3]*member
			starting sync.WaitGroup
		)
		for i := range members {
			starting.Go(func() { members[i] = start(t, options, unwindowed, nil) })
		}
		starting.Wait()
		w.awaitMembers(3)
		for p := range partitions {
			w.send(p, 50, 60)
		}
		w.until("all is handled", func() bool {
			n := 0
			for _, m := range members {
				n += m.seen.total()
			}
			return n >= partitions*10
		})
		for _, m := range members {
			for partition, n := range m.seen.sizes() {
				if n != 10 {
					t.Errorf("%s: %d records, want those 10 that came later", partition, n)
				}
			}
		}
	})
}

func TestAtTimestamp_KAF06(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		for i, age := range []time.Duration{2 * time.Minute, time.Minute, 0, -time.Minute} {
			err := w.client.ProduceSync(t.Context(), &kgo.Record{
				Topic: w.topic, Partition: 0, Timestamp: at.Add(-age), Value: []byte{byte('0' + i)},
			}).FirstErr()
			if err != nil {
				t.Fatal(err)
			}
		}
		w.send(1, 0, 3)
		options := w.options("g")
		options.StartingPosition, options.StartingPositionTimestamp = kafka.AtTimestamp, at
		m := start(t, options, unwindowed, nil)
		m.seen.await(t, 5)
		if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"2", "3"}) {
			t.Errorf("handled %v of the partition with older ones", got)
		}
	})
}

// A partition that has no record so young begins at its end.
func TestAtTimestampOfNone_KAF06(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		old := time.Now().Add(-time.Hour)
		err := w.client.ProduceSync(t.Context(), &kgo.Record{Topic: w.topic, Timestamp: old, Value: []byte("old")}).FirstErr()
		if err != nil {
			t.Fatal(err)
		}
		options := w.options("g")
		options.StartingPosition, options.StartingPositionTimestamp = kafka.AtTimestamp, old.Add(time.Minute)
		m := start(t, options, unwindowed, nil)
		w.awaitMembers(1)
		w.send(0, 0, 2)
		m.seen.await(t, 2)
		m.seen.wantOnce(t, 1, 2)
	})
}

// Committed offsets win over StartingPosition (KAF-07, KAF-185).
func TestCommittedWins(t *testing.T) {
	t.Parallel()
	for name, position := range map[string]kafka.StartingPosition{"TrimHorizon": kafka.TrimHorizon, "Latest": kafka.Latest} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.send(0, 0, 10)
				w.commit(0, 7)
				options := w.options("g")
				options.StartingPosition = position
				m := start(t, options, unwindowed, nil)
				m.seen.await(t, 3)
				if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"7", "8", "9"}) {
					t.Errorf("handled %v", got)
				}
			})
		})
	}
}

// A partition that comes later is read from its beginning, with Latest too.
func TestNewPartition_KAF08(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		options.ClientOptions = append(options.ClientOptions, kgo.MetadataMaxAge(200*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond))
		m := start(t, options, unwindowed, nil)
		w.awaitMembers(1)
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
		m.seen.await(t, 1)
		if got := m.seen.of("orders-1"); len(got) == 0 || got[0] != "0" {
			t.Errorf("handled %v", got)
		}
	})
}

// What was deleted unread is counted and told, and the rest is read.
func TestDeletedBeforeRead_KAF37(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 20)
		w.commit(0, 3)
		if err := w.cluster.DeleteRecords(w.topic, 0, 8); err != nil {
			t.Fatal(err)
		}
		var seen errorsOf
		config := unwindowed
		config.Observer = seen.observe
		m := start(t, w.options("g"), config, nil)
		m.seen.await(t, 12)
		if got := m.seen.of("orders-0"); got[0] != "8" || len(got) != 12 {
			t.Errorf("handled %v", got)
		}
		w.until("the loss is told", func() bool { return seen.loss() != nil })
		if loss := seen.loss(); loss.From != 3 || loss.Count != 5 || loss.Partition != "orders-0" {
			t.Errorf("loss %+v, want 5 from 3 on", loss)
		}
		if text := seen.loss().Error(); !strings.Contains(text, "orders-0") || !strings.Contains(text, "5 offsets from 3 on") {
			t.Error(text)
		}
	})
}

// With Latest a mapping whose offset is gone goes on at the end.
func TestDeletedBeforeReadLatest_KAF37(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 20)
		w.commit(0, 3)
		if err := w.cluster.DeleteRecords(w.topic, 0, 8); err != nil {
			t.Fatal(err)
		}
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		m := start(t, options, unwindowed, nil)
		w.until("it goes on", func() bool { return w.committed("g")[0] == 20 })
		w.send(0, 20, 23)
		m.seen.await(t, 3)
		if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"20", "21", "22"}) {
			t.Errorf("handled %v", got)
		}
	})
}

// Gaps that compaction and transactions leave are no loss, and are passed by.
func TestGaps_KAF69(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		producer := w.newClient(kgo.TransactionalID("tx"), kgo.DefaultProduceTopic(w.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		for i := range 10 {
			if err := producer.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
			if err := producer.ProduceSync(t.Context(), &kgo.Record{Value: []byte{byte('0' + i)}}).FirstErr(); err != nil {
				t.Fatal(err)
			}
			if err := producer.EndTransaction(t.Context(), kgo.TransactionEndTry(i%2 == 0)); err != nil {
				t.Fatal(err)
			}
		}
		var seen errorsOf
		for _, mode := range []struct {
			group     string
			committed bool
			want      string
		}{{"g", false, "0123456789"}, {"committed", true, "02468"}} { // KAF-38
			options := w.options(mode.group)
			options.ReadCommitted = mode.committed
			config := unwindowed
			config.Observer = seen.observe
			m := start(t, options, config, nil)
			m.seen.await(t, len(mode.want))
			w.until("all is passed, the mark behind each record too", func() bool { return w.committed(mode.group)[0] == 20 })
			if err := m.stop(); err != nil {
				t.Error(err)
			}
			if got := strings.Join(m.seen.of("orders-0"), ""); got != mode.want {
				t.Errorf("handled %s, want %s", got, mode.want)
			}
		}
		if loss := seen.loss(); loss != nil {
			t.Error(loss)
		}
	})
}

// A committed offset behind the end of the topic, which was made anew: all is read, and
// committed again.
func TestOffsetPastTheEnd_KAF37(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		t.Run(fmt.Sprint("mixed=", mixed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.send(0, 0, 20)
				w.commit(0, 500)
				var seen errorsOf
				config := unwindowed
				config.Observer = seen.observe
				options := w.options("g")
				options.MixPartitions = mixed
				m := start(t, options, config, nil)
				m.seen.await(t, 20)
				m.seen.wantOnce(t, 1, 20)
				w.until("it is committed", func() bool { return w.committed("g")[0] == 20 })
				w.until("it is told", func() bool { return seen.has("goes on at offset 0, before 500") })
			})
		})
	}
}

// A topic that is refused all the time is asked for now and then only, and read again
// when it is not (P9).
func TestRefusedTopicIsNoHotLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		var seen errorsOf
		config := unwindowed
		config.Observer = seen.observe
		m := start(t, w.options("g"), config, nil)
		w.send(0, 0, 1)
		m.seen.await(t, 1)
		refused := w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		w.until("the refusal is told", func() bool { return seen.has("TOPIC_AUTHORIZATION_FAILED") })
		began, before := time.Now(), refused.Hits()
		w.until("it was asked for again", func() bool { return refused.Hits() >= before+4 })

		// Four polls, between which the client fetches once ahead.
		if took := time.Since(began); took < 300*time.Millisecond {
			t.Errorf("four fetches within %v", took)
		}
		refused.Remove()
		w.send(0, 1, 5)
		m.seen.await(t, 5)
		m.seen.wantOnce(t, 1, 5)
	})
}
