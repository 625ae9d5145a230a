package esm

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
)

// FuzzLane feeds a lane records of any size at any time, and holds the batches
// that it collects to P8 and to order: every record is in one batch, next to
// the one before it, or is told to be too large. Three bytes are one fetch: how
// many records, how large, how long it takes.
func FuzzLane(f *testing.F) {
	f.Add(uint8(3), uint8(60), uint8(20), false, []byte{1, 5, 0, 2, 30, 9, 4, 90, 1, 3, 200, 2})
	f.Add(uint8(0), uint8(0), uint8(0), true, []byte{9, 0, 9, 9, 255, 0})
	f.Add(uint8(9), uint8(200), uint8(250), true, []byte{1, 1, 200, 1, 1, 200, 1, 1, 200, 0, 0, 255})
	for seed := range byte(16) {
		f.Add(seed, 16*seed, 8*seed, seed%2 == 0, noise(seed, 150))
	}
	f.Fuzz(func(t *testing.T, most, bytes, window uint8, fromRecord bool, script []byte) {
		synctest.Test(t, func(t *testing.T) {
			const overhead = 10
			m := &Mapping{
				config: Config{
					BatchSize: 1 + int(most)%20, MaximumBatchBytes: overhead + 1 + int(bytes),
					MaximumBatchingWindow: time.Duration(window) * 10 * time.Millisecond,
				},
				traits: sources.Traits{EventOverhead: overhead, WindowFromRecord: fromRecord},
			}
			feed := &laneFeed{script: script[:min(len(script), 150)], times: map[string]time.Time{}}
			l := (&part{Mapping: m}).newLane()
			l.fetch = func(buf []sources.Record, wait time.Duration) (int, error) { return feed.fetch(t, buf, wait) }
			for next := 0; ; {
				n, tooLarge, err := l.collect()
				if n == 0 && err != nil {
					if len(l.held) > 0 || next != feed.sent {
						t.Fatalf("the end, with %d records held, %d of %d in batches", len(l.held), next, feed.sent)
					}
					return
				}
				m.checkBatch(t, l.held[:n], tooLarge, next)
				if waited := time.Since(feed.times[l.held[0].ID]); waited > m.config.MaximumBatchingWindow+feed.slowest {
					t.Fatalf("record %s waited %v", l.held[0].ID, waited)
				}
				next += n
				l.finish(n)
				feed.slowest = 0
			}
		})
	})
}

// checkBatch holds a batch to its bounds, and to beginning with record next.
func (m *Mapping) checkBatch(t *testing.T, batch []sources.Record, tooLarge bool, next int) {
	t.Helper()
	size := m.traits.EventOverhead
	for i, r := range batch {
		size += r.Size
		if r.ID != strconv.Itoa(next+i) {
			t.Fatalf("record %s came when %d was next", r.ID, next+i)
		}
	}
	fits := size <= m.config.MaximumBatchBytes
	if len(batch) < 1 || len(batch) > m.config.BatchSize || fits == tooLarge || tooLarge && len(batch) != 1 {
		t.Fatalf("a batch of %d records and %d bytes, too large %v, with a BatchSize of %d and %d bytes",
			len(batch), size, tooLarge, m.config.BatchSize, m.config.MaximumBatchBytes)
	}
}

// laneFeed is a partition that follows a script and then ends.
type laneFeed struct {
	script  []byte
	sent    int
	times   map[string]time.Time // when a record came
	slowest time.Duration        // fetch since the last batch
}

func (f *laneFeed) fetch(t *testing.T, buf []sources.Record, wait time.Duration) (int, error) {
	t.Helper()
	if len(buf) == 0 || wait < 0 {
		t.Fatalf("a fetch for %d records in %v", len(buf), wait)
	}
	if len(f.script) < 3 {
		return 0, sources.ErrEnd
	}
	count, size := min(int(f.script[0])%25, len(buf)), int(f.script[1])
	took := min(time.Duration(f.script[2])*7*time.Millisecond, wait+15*time.Millisecond) // it may overstay
	ends := f.script[2] == 255
	f.script = f.script[3:]
	if count == 0 {
		took = max(wait, took)
	}
	time.Sleep(took)
	f.slowest = max(f.slowest, took)
	for i := range count {
		buf[i] = sources.Record{ID: strconv.Itoa(f.sent), Size: 1 + size*(i+1)%256}
		f.times[buf[i].ID] = time.Now()
		f.sent++
	}
	if ends {
		f.script = nil
		return count, sources.ErrEnd
	}
	return count, nil
}
