package esm_test

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// heap is what is in use after a collection.
func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// What is read ahead of a handler that hangs takes no more memory than is configured,
// also with tiny records, each of which is mostly what the engine keeps of it. Beside it
// a batch in the hands of each lane and its handler is what the mapping works with. No
// other test may run meanwhile.
func TestMemoryIsBounded_P7(t *testing.T) {
	const records, bound = 1_000_000, 8 << 20
	for name, c := range map[string]struct {
		config esm.Config
		ahead  bool
	}{
		"small batches":     {config: esm.Config{BatchSize: 100}},
		"middling batches":  {config: esm.Config{BatchSize: 1000}},
		"large batches":     {config: esm.Config{BatchSize: 10_000}},
		"sub-lanes":         {config: esm.Config{BatchSize: 10_000, ParallelizationFactor: 10}},
		"source reads":      {config: esm.Config{BatchSize: 10_000}, ahead: true},
		"source reads long": {config: esm.Config{BatchSize: 10_000, MaximumBatchingWindow: 5 * time.Minute}, ahead: true},
		"none but the first passes": {config: esm.Config{
			BatchSize: 10_000, Filter: func(r *sources.Record) bool { return r.ID == "0" },
		}},
		"every other passes": {config: esm.Config{
			BatchSize: 10_000, Filter: func(r *sources.Record) bool { return r.ID[len(r.ID)-1]%2 == 0 },
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				source := newBurst(records, c.ahead)
				close(source.begin)
				var hands atomic.Int64
				handler := esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
					hands.Add(int64(len(records)))
					<-ctx.Done()
					return esm.Response{}, ctx.Err()
				})
				c.config.MaximumBufferedBytes, c.config.Timeout, c.config.DrainTimeout = bound, 15*time.Minute, time.Second
				before := heap()
				stop := background(t, mustNew(t, source, handler, newJournal().config(c.config)))
				time.Sleep(10 * time.Minute)
				synctest.Wait()
				took := heap() - before
				t.Logf("%d bytes for %d records read, %d bytes each, %d of them with handlers", took, source.fetched, took/source.fetched, hands.Load())
				if took > bound {
					t.Errorf("%d bytes in use, MaximumBufferedBytes is %d", took, bound)
				}
				if least := bound / 2000; source.fetched < min(least, 10*c.config.BatchSize) && c.config.MaximumBatchingWindow == 0 && !c.ahead {
					t.Errorf("only %d records read, there is room for %d", source.fetched, least)
				}
				_, _ = stop()
			})
		})
	}
}
