package kinesis_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// Idle shard is asked once a second (KIN-20, KIN-29).
func TestIdleShardIsAskedOnceASecond(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.open(kinesis.Options{})
		defer p.close()
		p.nothing(time.Second)
		before := w.Calls("GetRecords")
		p.nothing(time.Minute)
		if n := w.Calls("GetRecords") - before; n < 59 || n > 61 {
			t.Errorf("%d calls in a minute, want one a second", n)
		}
		if n := w.Calls("GetShardIterator"); n != 1 {
			t.Errorf("%d calls of GetShardIterator, want one", n)
		}
	})
}

// TestBacklogIsReadWithoutPause has small answers, so that calls are what is short (KIN-21,
// KIN-22, KIN-24, KIN-233).
func TestBacklogIsReadWithoutPause(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		const calls = 200
		w.SetLimits(true)
		w.setFault(on("GetRecords", func(kinesistest.Call) kinesistest.Fault { return kinesistest.Fault{AtMost: 10} }))
		w.send("", texts(0, 10*calls)...)
		p := w.open(kinesis.Options{})
		defer p.close()
		start := time.Now()
		all, err := p.read(10*calls, 5*time.Minute)
		took := time.Since(start)
		if len(all) != 10*calls || err != nil || took > calls*time.Second/4+time.Second {
			t.Errorf("%d records (%v) after %v, want all in %v", len(all), err, took, calls*time.Second/4)
		}
		if n := w.Calls("GetRecords"); n != calls {
			t.Errorf("%d calls, want %d: none is throttled", n, calls)
		}
	})
}

// TestBytesOfAShard has large answers, so that bytes are what is short (KIN-23, KIN-24, KIN-25).
func TestBytesOfAShard(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		const mebibytes = 42
		w.SetLimits(true)
		large(w, mebibytes)
		p := w.open(kinesis.Options{})
		defer p.close()
		start := time.Now()
		all, err := p.read(mebibytes, 5*time.Minute)
		took := time.Since(start)

		// 10 MiB at once, and then 2 MiB a second, with one pause left to others.
		if minTime, maxTime := 20*time.Second, 21*time.Second+1250*time.Millisecond; len(all) != mebibytes || err != nil || took < minTime || took > maxTime {
			t.Errorf("%d records (%v) after %v, want all in %v to %v", len(all), err, took, minTime, maxTime)
		}
		large(w, 10)
		p.nothing(0)
		_, err = p.read(10, time.Minute)
		if err != nil || p.errs > 0 {
			t.Errorf("%d calls were throttled (%v)", p.errs, err)
		}
	})
}

// large puts so many records of a little less than a MiB.
func large(w *world, n int) {
	w.t.Helper()
	data := make([]byte, 1<<20-1)
	records := make([]kinesistest.Record, n)
	for i := range records {
		records[i] = kinesistest.Record{Key: "k", Data: data}
	}
	w.sendRecords(records)
}

// TestConsumersShareAShard has two mappings read what is more than the shard gives (KIN-24,
// KIN-25, KIN-34).
func TestConsumersShareAShard(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		records, size, atMost int
		full                  time.Duration // what one alone takes at the limit
	}{
		"calls": {3000, 100, 10, time.Minute},
		"bytes": {80, 1<<20 - 1, 0, 40 * time.Second},
		"both":  {800, 100 << 10, 20, 40 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if underRace && test.size > 1<<10 {
				t.Skip("much data, and nothing that the other case does not show of races")
			}
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.SetLimits(true)
				w.setFault(on("GetRecords", func(kinesistest.Call) kinesistest.Fault {
					return kinesistest.Fault{AtMost: test.atMost}
				}))
				data := make([]byte, test.size)
				records := make([]kinesistest.Record, test.records)
				for i := range records {
					records[i] = kinesistest.Record{Key: "k", Data: data}
				}
				w.sendRecords(records)
				var (
					readers sync.WaitGroup
					halves  [2]time.Duration
					totals  [2]time.Duration
				)
				for i := range 2 {
					source, err := kinesis.New(w.Client(), telemetry, checkpoint.NewMemory(), kinesis.Options{})
					if err != nil {
						t.Fatal(err)
					}
					err = source.Start(t.Context(), sources.Settings{})
					if err != nil {
						t.Fatal(err)
					}
					accepted, err := source.Accept(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					p := &openPart{Partition: accepted, w: w, source: source}
					readers.Go(func() {
						defer p.close()
						half, _ := p.read(test.records/2, time.Hour)
						halves[i] = time.Since(w.began)
						rest, _ := p.read(test.records-len(half), time.Hour)
						totals[i] = time.Since(w.began)
						if n := len(half) + len(rest); n != test.records {
							t.Errorf("reader %d got %d records", i, n)
						}
					})
				}
				readers.Wait()
				t.Logf("halves %v, all %v; the shard gives it to one in %v", halves, totals, test.full)

				// While both read, each should get a fair part of the half that is its.
				if slices.Max(halves[:]) > 3*slices.Min(halves[:]) {
					t.Errorf("halves after %v: one starves", halves)
				}
				if slices.Max(totals[:]) > 3*test.full {
					t.Errorf("all after %v, want about %v", totals, 2*test.full)
				}
			})
		})
	}
}

// TestSlowHandlerSlowsTheReading holds what is read and not done to its bound.
func TestSlowHandlerSlowsTheReading_P7(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		const buffered = 4 << 20
		large(w, 30)
		block := make(chan struct{})
		r := w.run(w.journal(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			select {
			case <-block:
			case <-ctx.Done():
			}
			return esm.Response{}, ctx.Err()
		}), kinesis.Options{BytesPerSecond: -1, CallInterval: -1}, esm.Config{
			BatchSize: 1, MaximumBufferedBytes: buffered, Timeout: 15 * time.Minute, DrainTimeout: time.Second,
		})
		time.Sleep(10 * time.Minute)
		if n := w.Calls("GetRecords"); n != 2 {
			t.Errorf("%d calls of GetRecords, want 2: one answer is buffered, and without a pace another is ahead", n)
		}
		if n := w.count(esm.PolledEventCount); n > 5 {
			t.Errorf("%d records fetched of %d bytes each, want at most %d bytes", n, 4<<18, buffered)
		}
		close(block)
		w.until(30, time.Minute)
		r.end()
		w.once()
	})
}

// A reader that is throttled calls half as often each time, down to once a second, give
// or take a fifth (KIN-24).
func TestThrottledReaderLeavesRoom(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		var calls []time.Time
		w.setFault(on("GetRecords", func(kinesistest.Call) kinesistest.Fault {
			if calls = append(calls, time.Now()); len(calls) < 5 {
				return kinesistest.Fault{Err: kinesistest.ProvisionedThroughputExceeded()}
			}
			return kinesistest.Fault{}
		}))
		w.send("k", "a")
		p := w.open(kinesis.Options{})
		defer p.close()
		p.want("a")
		for i, least := range []time.Duration{400 * time.Millisecond, 800 * time.Millisecond, 800 * time.Millisecond, 800 * time.Millisecond} {
			if gap := calls[i+1].Sub(calls[i]); gap < least {
				t.Errorf("call %d comes %v after the one that was throttled, want %v or more", i+1, gap, least)
			}
		}
	})
}

func TestNoLimits_KIN24(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		large(w, 25)
		p := w.open(kinesis.Options{CallInterval: -1, BytesPerSecond: -1})
		defer p.close()
		start := time.Now()
		all, err := p.read(25, time.Minute)
		if took := time.Since(start); len(all) != 25 || err != nil || took > 0 {
			t.Errorf("%d records (%v) after %v, want all at once", len(all), err, took)
		}
	})
}

// TestReadsAheadWhileRecordsAreServed has answers that take a second, and a reader who
// takes a second for each: one goes on beside the other.
func TestReadsAheadWhileRecordsAreServed(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		const records = 20
		for range records {
			w.send("k", "a")
		}
		w.setFault(on("GetRecords", func(kinesistest.Call) kinesistest.Fault {
			return kinesistest.Fault{AtMost: 1, Delay: time.Second}
		}))
		p := w.open(kinesis.Options{CallInterval: -1, BytesPerSecond: -1})
		start := time.Now()
		for range records {
			all, err := p.read(1, time.Minute)
			if len(all) != 1 || err != nil {
				t.Fatalf("%d records, %v", len(all), err)
			}
			time.Sleep(time.Second)
		}
		if took := time.Since(start); took > (records+1)*time.Second {
			t.Errorf("took %v, want about %v", took, records*time.Second)
		}

		// A call is under way; Close does not wait for its answer.
		start = time.Now()
		p.close()
		if took := time.Since(start); took > 0 {
			t.Errorf("Close took %v", took)
		}
	})
}
