package kafka_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// Latest begins with what comes after the start, and that is committed at once: what
// comes while the mapping is down again is not missed (KAF-05, KAF-39).
func TestRealLatest(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		w := newRealWorld(t, 2, nil)
		w.send(0, 0, 5)
		options := w.member(vary)
		options.StartingPosition = kafka.Latest
		m := start(t, options, unwindowed, nil)
		w.awaitMembers(1)
		if got := w.committed(w.group); got[0] != 5 || got[1] != 0 || len(got) != 2 {
			t.Errorf("committed %v before the first record, want 5 and 0", got)
		}
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		w.send(0, 5, 8)
		m = start(t, options, unwindowed, nil)
		m.seen.await(t, 3)
		if got := m.seen.of(w.topic + "-0"); !slices.Equal(got, []string{"5", "6", "7"}) {
			t.Errorf("handled %v", got)
		}
	})
}

// AtTimestamp begins with the first record that is not older, and at the end of a
// partition that has none (KAF-05, KAF-06).
func TestRealAtTimestamp(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t, 2, nil)
	at := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
	put := func(partition int32, age time.Duration, value string) {
		err := w.client.ProduceSync(t.Context(), &kgo.Record{
			Topic: w.topic, Partition: partition, Timestamp: at.Add(-age), Value: []byte(value),
		}).FirstErr()
		if err != nil {
			t.Fatalf("sending %s to partition %d: %v", value, partition, err)
		}
	}
	put(0, 2*time.Minute, "older")
	put(0, time.Millisecond, "a bit older")
	put(0, 0, "at it")
	put(0, -time.Minute, "younger")
	put(0, time.Minute, "older, but behind")
	put(1, time.Minute, "older")
	options := w.member()
	options.StartingPosition, options.StartingPositionTimestamp = kafka.AtTimestamp, at
	m := start(t, options, unwindowed, nil)
	m.seen.await(t, 3)
	put(1, time.Minute, "later")
	m.seen.await(t, 4)
	if got := m.seen.of(w.topic + "-0"); !slices.Equal(got, []string{"at it", "younger", "older, but behind"}) {
		t.Errorf("handled %q of the partition with older ones", got)
	}
	if got := m.seen.of(w.topic + "-1"); !slices.Equal(got, []string{"later"}) {
		t.Errorf("handled %q of the partition that has none", got)
	}
}

// Committed offsets win over StartingPosition, and a group may go from one protocol
// to the other and back (KAF-07, KAF-39, KAF-185).
func TestRealCommittedWins(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t, 1, nil)
	for i, serverSide := range []bool{false, true, false} {
		w.send(0, 5*i, 5*i+5)
		options := w.member()
		options.ServerSideAssignment = serverSide
		options.StartingPosition = []kafka.StartingPosition{kafka.TrimHorizon, kafka.Latest, kafka.TrimHorizon}[i]
		m := start(t, options, unwindowed, nil)
		m.seen.await(t, 5)
		if got, want := w.describe().kind, kindOf(&options); got != want {
			t.Errorf("mapping %d: the group is of kind %s, want %s", i, got, want)
		}
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		if got := m.seen.of(w.topic + "-0"); len(got) != 5 || got[0] != []string{"0", "5", "10"}[i] {
			t.Errorf("mapping %d handled %v", i, got)
		}
	}
}

// A partition that comes later is read from its beginning, with Latest too.
func TestRealNewPartition_KAF08(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		w := newRealWorld(t, 1, nil)
		w.send(0, 0, 5)
		options := w.member(vary)
		options.StartingPosition = kafka.Latest
		options.ClientOptions = append(options.ClientOptions, kgo.MetadataMaxAge(200*time.Millisecond), kgo.MetadataMinAge(50*time.Millisecond))
		m := start(t, options, unwindowed, nil)
		w.awaitMembers(1)
		added, err := w.admin.CreatePartitions(t.Context(), 1, w.topic)
		if err == nil {
			err = added.Error()
		}
		if err != nil {
			t.Fatalf("adding a partition: %v", err)
		}
		w.until("the producer knows the new partition", func() bool {
			w.client.ForceMetadataRefresh()
			return w.client.ProduceSync(t.Context(), &kgo.Record{Topic: w.topic, Partition: 1, Value: []byte("0")}).FirstErr() == nil
		})
		m.seen.await(t, 1)
		if got := m.seen.of(w.topic + "-1"); !slices.Equal(got, []string{"0"}) {
			t.Errorf("handled %v of the new partition", got)
		}
	})
}

// wantLoss waits until the loss of records from 3 on is told and measured.
func (w *realWorld) wantLoss(seen *errorsOf, source *kafka.Source, count int) {
	w.t.Helper()
	w.until("the loss is told", func() bool { return seen.loss() != nil })
	if loss := seen.loss(); loss.From != 3 || loss.Count != int64(count) || loss.Partition != w.topic+"-0" {
		w.t.Errorf("told of loss %+v, want %d from 3 on", loss, count)
	}
	if got := lost(source); got != count {
		w.t.Errorf("measured a loss of %d, want %d", got, count)
	}
}

// What was deleted while the mapping was stopped is told and counted. The rest is
// read; with Latest it goes on at the end (KAF-37, KAF-173).
func TestRealDeletedBeforeRead(t *testing.T) {
	t.Parallel()
	eachProtocol(t, func(t *testing.T, vary func(*kafka.Options)) {
		t.Helper()
		for name, position := range map[string]kafka.StartingPosition{"TrimHorizon": kafka.TrimHorizon, "Latest": kafka.Latest} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newRealWorld(t, 1, nil)
				w.send(0, 0, 3)
				m := start(t, w.member(vary), unwindowed, nil)
				m.seen.await(t, 3)
				if err := m.stop(); err != nil {
					t.Error(err)
				}
				w.send(0, 3, 20)
				w.deleteRecords(0, 8)
				options := w.member(vary)
				options.StartingPosition = position
				source, err := kafka.New(options)
				if err != nil {
					t.Fatal(err)
				}
				var errs errorsOf
				config := unwindowed
				config.Observer = errs.observe
				seen := newLedger()
				background(t, source, esm.Records(func(_ context.Context, batch []sources.Record) (esm.Response, error) {
					seen.add(batch)
					return esm.Response{}, nil
				}), config)
				first := 8
				if position == kafka.Latest {
					first = 20
				}
				w.wantLoss(&errs, source, first-3)
				w.send(0, 20, 23)
				w.awaitCommitted(23)
				if got := seen.of(w.topic + "-0"); len(got) != 23-first || got[0] != strconv.Itoa(first) {
					t.Errorf("handled %v of %d records", got, 23-first)
				}
			})
		}
	})
}

// Records of transactions that were aborted or are open are left out with
// ReadCommitted, and read without. The markers are no loss (KAF-38, KAF-69).
func TestRealTransactions(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t, 1, nil)
	producer := w.newClient(kgo.TransactionalID(w.topic), kgo.DefaultProduceTopic(w.topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	begin := func(value string) {
		if err := producer.BeginTransaction(); err != nil {
			t.Fatalf("beginning the transaction of %s: %v", value, err)
		}
		if err := producer.ProduceSync(t.Context(), &kgo.Record{Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatalf("sending %s: %v", value, err)
		}
	}
	end := func(value string, commit kgo.TransactionEndTry) {
		if err := producer.EndTransaction(t.Context(), commit); err != nil {
			t.Fatalf("ending the transaction of %s: %v", value, err)
		}
	}
	for i, value := range strings.Split("0123456789", "") {
		begin(value)
		end(value, kgo.TransactionEndTry(i%2 == 0))
	}
	begin("open")
	w.put(0, "k", "behind")
	var errs errorsOf
	config := unwindowed
	config.Observer = errs.observe
	all := start(t, w.member(), config, nil)
	all.seen.await(t, 12)
	options := w.options(w.group + "-committed")
	options.ReadCommitted = true
	some := start(t, options, config, nil)
	some.seen.await(t, 5)
	w.until("the last record before the open transaction is committed", func() bool { return w.committed(options.ConsumerGroupID)[0] >= 17 })
	if got := some.seen.of(w.topic + "-0"); !slices.Equal(got, strings.Split("02468", "")) {
		t.Errorf("handled %v while a transaction was open", got)
	}
	end("open", kgo.TryCommit)
	some.seen.await(t, 7)
	if got := some.seen.of(w.topic + "-0"); !slices.Equal(got, []string{"0", "2", "4", "6", "8", "open", "behind"}) {
		t.Errorf("handled %v with ReadCommitted", got)
	}
	if got := all.seen.of(w.topic + "-0"); !slices.Equal(got, append(strings.Split("0123456789", ""), "open", "behind")) {
		t.Errorf("handled %v without ReadCommitted", got)
	}
	if loss := errs.loss(); loss != nil {
		t.Errorf("told of a loss: %v", loss)
	}
}

// What compaction took away is no loss: the mapping goes on with what is left.
func TestRealCompacted_KAF37(t *testing.T) {
	t.Parallel()
	w := newRealWorld(t, 1, map[string]string{
		"cleanup.policy": "compact", "segment.ms": "1000", "min.cleanable.dirty.ratio": "0.01",
	})

	// By default the broker looks every 15 seconds what to compact.
	_, err := w.admin.AlterBrokerConfigs(t.Context(), []kadm.AlterConfig{{Name: "log.cleaner.backoff.ms", Value: new("300")}})
	if err != nil {
		t.Fatalf("configuring the broker: %v", err)
	}

	// A record that is so much younger begins another segment, and with that the one
	// before may be compacted.
	old := time.Now().Add(-time.Hour)
	for i, value := range strings.Split("0123456789", "") {
		err := w.client.ProduceSync(t.Context(), &kgo.Record{
			Topic: w.topic, Key: []byte{byte('a' + i%3)}, Value: []byte(value), Timestamp: old,
		}).FirstErr()
		if err != nil {
			t.Fatalf("sending %s: %v", value, err)
		}
	}
	w.put(0, "d", "young")
	began := time.Now()
	w.until("the topic is compacted", func() bool { return w.stored(1)[0].Offset == 7 })
	t.Logf("the topic was compacted within %v", time.Since(began))
	var (
		offsets kadm.Offsets
		errs    errorsOf
	)
	offsets.AddOffset(w.topic, 0, 2, -1)
	if err := w.admin.CommitAllOffsets(t.Context(), w.group, offsets); err != nil {
		t.Fatalf("committing: %v", err)
	}
	config := unwindowed
	config.Observer = errs.observe
	m := start(t, w.member(), config, nil)
	m.seen.await(t, 4)
	w.awaitCommitted(11)
	if got := m.seen.of(w.topic + "-0"); !slices.Equal(got, []string{"7", "8", "9", "young"}) {
		t.Errorf("handled %v", got)
	}
	if loss := errs.loss(); loss != nil {
		t.Errorf("told of a loss: %v", loss)
	}
}
