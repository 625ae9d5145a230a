package kinesis_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// lag is what the source measures of a shard; false for nothing.
func lag(source *kinesis.Source, shard string) (time.Duration, bool) {
	for _, m := range source.Measure(nil) {
		if m.Name == "MillisBehindLatest" && m.Partition == shard {
			return m.Duration, true
		}
	}
	return 0, false
}

func wantLag(t *testing.T, source *kinesis.Source, what string, want time.Duration) {
	t.Helper()
	synctest.Wait()
	if got, known := lag(source, firstShard); !known || got.Round(time.Second) != want {
		t.Errorf("%s: %v behind, known: %t, want %v", what, got, known, want)
	}
}

// TestLagOfFailingHandler has a handler fail for two hours on a record that was read at
// once.
func TestLagOfFailingHandler_P15(t *testing.T) {
	t.Parallel()
	for _, many := range []bool{false, true} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			var healed atomic.Bool
			source := w.source(kinesis.Options{})
			m := w.runSource(source, w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
				if !healed.Load() {
					return esm.Response{}, errHandler
				}
				return esm.Response{}, nil
			}), esm.Config{BatchSize: 10, MaximumBufferedBytes: 10_000})
			time.Sleep(time.Minute)
			wantLag(t, source, "nothing came", 0)
			sent := 1
			w.send("k", "a")
			for ; many && sent < 200; sent++ { // more than the buffer takes: nothing is read any more
				w.send("k", "more")
			}
			for hours := range 3 {
				wantLag(t, source, "failing", time.Duration(hours)*time.Hour)
				time.Sleep(time.Hour)
			}
			healed.Store(true)
			w.until(sent, time.Hour)
			time.Sleep(time.Minute)
			wantLag(t, source, "back", 0)
			m.end()
		})
	}
}

// TestLagOfReadingThatFails is not known, and no old answer is told.
func TestLagOfReadingThatFails_P15(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		source := w.source(kinesis.Options{})
		m := w.runSource(source, w.journal(nil), esm.Config{})
		time.Sleep(time.Minute)
		wantLag(t, source, "idle", 0)
		w.setFault(on("GetRecords", func(kinesistest.Call) kinesistest.Fault {
			return kinesistest.Fault{Err: kinesistest.InternalFailure()}
		}))
		time.Sleep(time.Minute)
		if got, known := lag(source, firstShard); known {
			t.Errorf("nothing is read, but %v behind is told", got)
		}
		w.setFault(nil)
		time.Sleep(time.Minute)
		wantLag(t, source, "back", 0)
		m.end()
	})
}

// TestLagOfPartition settles records one by one.
func TestLagOfPartition_P15(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.open(kinesis.Options{})
		defer p.close()
		if got, known := lag(p.source, firstShard); known {
			t.Errorf("nothing was read, but %v behind is told", got)
		}
		for _, body := range []string{"a", "b", "c", "d"} {
			w.send("k", body)
			time.Sleep(time.Hour)
		}
		three := make([]sources.Record, 3)
		if n, err := p.Fetch(t.Context(), three, time.Minute); n != 3 || err != nil {
			t.Fatalf("%d records, %v", n, err)
		}
		wantLag(t, p.source, "three fetched", 4*time.Hour)
		settle := func(records []sources.Record) {
			t.Helper()
			w.finish(records)
			if err := p.Ack(t.Context(), records); err != nil {
				t.Fatal(err)
			}
		}
		settle(three[:2])
		wantLag(t, p.source, "settled in part", 3*time.Hour) // at most: the third may have come then
		settle(three[2:])
		wantLag(t, p.source, "one is read only", time.Hour)
		time.Sleep(time.Hour)
		fourth := make([]sources.Record, 1)
		if n, err := p.Fetch(t.Context(), fourth, time.Minute); n != 1 || err != nil {
			t.Fatalf("%d records, %v", n, err)
		}
		wantLag(t, p.source, "fetched", 2*time.Hour)
		settle(fourth)
		if got, known := lag(p.source, firstShard); known {
			t.Errorf("nothing was read for hours, but %v behind is told", got)
		}
	})
}
