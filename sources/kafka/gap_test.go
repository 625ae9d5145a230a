//go:build synctests

package kafka_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources/kafka"
)

// transact puts records into a partition in one transaction, and ends it.
func (w *world) transact(producer *kgo.Client, end kgo.TransactionEndTry, partition int32, values ...string) {
	w.t.Helper()
	if err := producer.BeginTransaction(); err != nil {
		w.t.Fatal(err)
	}
	for _, value := range values {
		err := producer.ProduceSync(w.t.Context(), &kgo.Record{Topic: w.topic, Partition: partition, Value: []byte(value)}).FirstErr()
		if err != nil {
			w.t.Fatal(err)
		}
	}
	if err := producer.EndTransaction(w.t.Context(), end); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) transactor() *kgo.Client {
	w.t.Helper()
	return w.newClient(kgo.TransactionalID("tx"), kgo.RecordPartitioner(kgo.ManualPartitioner()))
}

// end is the offset behind all that a partition has.
func (w *world) end(partition int32) int64 {
	w.t.Helper()
	listed, err := w.admin.ListEndOffsets(w.t.Context(), w.topic)
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		w.t.Fatal(err)
	}
	at, _ := listed.Lookup(w.topic, partition)
	return at.Offset
}

// The position passes the marks of transactions, and what was aborted: a group that has
// caught up has no lag, with one record open before them or none.
func TestPositionPassesTransactions_KAF170(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		for _, readCommitted := range []bool{false, true} {
			name := map[bool]string{false: "lanes", true: "mixed"}[mixed] + map[bool]string{false: "", true: " read committed"}[readCommitted]
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newVirtualWorld(t, 2)
					producer := w.transactor()
					options := w.options("g")
					options.MixPartitions, options.ReadCommitted = mixed, readCommitted
					m := start(t, options, unwindowed, nil)
					w.transact(producer, kgo.TryCommit, 0, "a", "b")
					w.transact(producer, kgo.TryCommit, 1, "c")
					w.transact(producer, kgo.TryAbort, 0, "d", "e", "f")
					w.transact(producer, kgo.TryAbort, 0, "g")
					w.until("all is passed", func() bool {
						at := w.committed("g")
						return at[0] == w.end(0) && at[1] == w.end(1)
					})
					if err := m.stop(); err != nil {
						t.Error(err)
					}
					if want := map[bool]int{false: 7, true: 3}[readCommitted]; m.seen.total() != want {
						t.Errorf("%d records were handled, want %d: %v", m.seen.total(), want, m.seen.values)
					}
				})
			})
		}
	}
}

// A mark behind a record that is not done is passed with it, not before.
func TestMarkBehindAnOpenRecord_P3(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		producer := w.transactor()
		g := newGate()
		m := start(t, w.options("g"), unwindowed, g.hold)
		w.transact(producer, kgo.TryCommit, 0, "a")
		g.await(t)
		w.transact(producer, kgo.TryAbort, 0, "b")
		<-time.After(200 * time.Millisecond)
		if at, ok := w.committed("g")[0]; ok {
			t.Errorf("committed %d while the first record is open", at)
		}
		g.release()
		m.seen.await(t, 2)
		w.until("all is passed", func() bool { return w.committed("g")[0] == 4 })
	})
}

// What was aborted, and is deleted later, is no loss, and a mapping that begins at Latest
// goes on where it was, not at the end.
func TestAbortedAndDeletedIsNoLoss_KAF37(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		producer := w.transactor()
		options := w.options("g")
		options.ReadCommitted, options.StartingPosition = true, kafka.Latest
		var seen errorsOf
		config := unwindowed
		config.Observer = seen.observe
		m := start(t, options, config, nil)
		w.until("the start is stored", func() bool { return len(w.committed("g")) == 1 })
		w.transact(producer, kgo.TryCommit, 0, "a", "b")
		m.seen.await(t, 2)
		for range 50 {
			w.transact(producer, kgo.TryAbort, 0, "aborted")
		}
		w.until("all is passed", func() bool { return w.committed("g")[0] == w.end(0) })
		if err := m.stop(); err != nil {
			t.Error(err)
		}
		if err := w.cluster.DeleteRecords(w.topic, 0, w.end(0)); err != nil {
			t.Fatal(err)
		}
		w.transact(producer, kgo.TryCommit, 0, "d", "e", "f")
		m = start(t, options, config, nil)
		m.seen.await(t, 3)
		if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"d", "e", "f"}) {
			t.Errorf("handled %v", got)
		}
		if loss := seen.loss(); loss != nil {
			t.Error(loss)
		}
	})
}
