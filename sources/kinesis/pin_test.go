package kinesis_test

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// kclRows puts leases into the store as the Kinesis Client Library leaves them.
func (w *world) kclRows(position string) {
	w.t.Helper()
	for _, s := range w.Shards(telemetry) {
		err := w.store.Create(w.t.Context(), checkpoint.Lease{
			Shard: s.ID, Owner: "kcl", Counter: 12, Position: checkpoint.Position{Sequence: position},
		})
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// unwatched has the store accept positions behind records that nobody handled, as those
// before the start.
func (w *world) unwatched() {
	if watched, ok := w.store.(*watchedStore); ok {
		w.store = watched.Store
	}
}

// numbered are the bodies of n records, from a number on.
func numbered(from, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(from + i)
	}
	return all
}

// TestRowsAtLatestLoseNothingToAnotherWorker adds a worker while the handler of the
// first one fails, so that nothing is settled yet (P1, P16).
func TestRowsAtLatestLoseNothingToAnotherWorker(t *testing.T) {
	t.Parallel()
	inWorld(t, 4, func(_ *testing.T, w *world) {
		w.unwatched()
		w.send("", numbered(0, 20)...) // before the start
		time.Sleep(time.Minute)
		w.kclRows(checkpoint.Latest)
		failing := func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, errHandler }
		options := kinesis.Options{StartingPosition: kinesis.Latest}
		a := w.run(w.journal(failing), options, esm.Config{})
		time.Sleep(30 * time.Second)
		w.send("", numbered(100, 20)...)
		time.Sleep(30 * time.Second)
		b := w.run(w.journal(nil), options, esm.Config{})
		time.Sleep(time.Minute)
		a.end()
		w.until(20, 5*time.Minute)
		b.end()
		if n := w.finished(); n != 20 {
			w.t.Errorf("%d records were handled, want those since the start", n)
		}
	})
}

// TestRowsAtTimestampBeginWhereTheyAreConfiguredTo gives them the time that the Kinesis
// Client Library has in its configuration.
func TestRowsAtTimestampBeginWhereTheyAreConfiguredTo_KIN47(t *testing.T) {
	t.Parallel()
	inWorld(t, 2, func(_ *testing.T, w *world) {
		w.unwatched()
		w.send("", numbered(0, 20)...)
		time.Sleep(time.Hour)
		from := time.Now()
		w.send("", numbered(100, 20)...)
		w.kclRows(checkpoint.AtTimestamp)
		m := w.run(w.journal(nil), kinesis.Options{
			StartingPosition: kinesis.AtTimestamp, StartingPositionTimestamp: from,
		}, esm.Config{})
		w.until(20, time.Minute)
		time.Sleep(time.Minute)
		m.end()
		if n := w.finished(); n != 20 {
			w.t.Errorf("%d records were handled, want 20", n)
		}
	})
}

// TestLatestKeepsShardThatIsSplitBeforeTheFirstList splits between the start and the
// first list that succeeds (KIN-50, P1, P16).
func TestLatestKeepsShardThatIsSplitBeforeTheFirstList(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		w.setFault(on("ListShards", func(kinesistest.Call) kinesistest.Fault {
			return kinesistest.Fault{Err: kinesistest.InternalFailure()}
		}))
		m := w.run(w.journal(nil), kinesis.Options{StartingPosition: kinesis.Latest}, esm.Config{})
		time.Sleep(10 * time.Second)
		w.send("k", "to the parent")
		if _, err := w.Split(telemetry, firstShard); err != nil {
			w.t.Fatal(err)
		}
		w.send("k", "to a child")
		w.setFault(nil)
		w.until(2, 5*time.Minute)
		time.Sleep(time.Minute)
		m.end()
		if n := w.finished(); n != 2 {
			w.t.Errorf("%d records were handled, want the two since the start", n)
		}
	})
}
