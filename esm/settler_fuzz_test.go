package esm

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
)

// counter is a partition that takes its time to settle, and counts.
type counter struct {
	took time.Duration

	mu       sync.Mutex
	times    map[string]int
	at       map[string]time.Time
	sizes    []int
	now, top int
}

func (*counter) ID() string { return "counter" }

func (*counter) Fetch(context.Context, []sources.Record, time.Duration) (int, error) { return 0, nil }

func (*counter) Close(context.Context) error { return nil }

func (c *counter) Ack(_ context.Context, records []sources.Record) error {
	c.mu.Lock()
	c.now++
	c.top = max(c.top, c.now)
	c.sizes = append(c.sizes, len(records))
	for i := range records {
		c.times[records[i].ID]++
		c.at[records[i].ID] = time.Now()
	}
	c.mu.Unlock()
	time.Sleep(c.took)
	c.mu.Lock()
	c.now--
	c.mu.Unlock()
	return nil
}

// newCounter returns a counter and a settler for it.
func newCounter(t *testing.T, batch int, linger, took time.Duration) (*counter, *settler) {
	t.Helper()
	c := &counter{took: took, times: map[string]int{}, at: map[string]time.Time{}}
	m := &Mapping{
		traits: sources.Traits{AckBatch: batch, AckLinger: linger},
		config: Config{Observer: func(Observation) {}, Logger: slog.New(slog.DiscardHandler)},
	}
	p := m.newPart(c, stages{t.Context(), t.Context(), t.Context()})
	t.Cleanup(func() { p.end(nil) })
	return c, newSettler(p, &budget{}, func() int { return 1 })
}

// numbered makes n records that are told apart, counting on from first.
func numbered(first, n int) []sources.Record {
	records := make([]sources.Record, n)
	for i := range records {
		records[i].ID = strconv.Itoa(first + i)
	}
	return records
}

// Goroutines that wait for work do not keep those that are started beside them
// from theirs.
func TestSettlerStartsEveryGroupAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 10
		c, s := newCounter(t, size, 20*time.Millisecond, time.Second)
		s.add(numbered(0, spareSettlers*size))
		time.Sleep(2 * time.Second) // the goroutines wait now
		start := time.Now()
		s.add(numbered(spareSettlers*size, maxSettlements*size))
		s.close()
		if took := time.Since(start); c.top != maxSettlements || took != time.Second {
			t.Errorf("at most %d settlements at once, all done after %v; want %d after 1s", c.top, took, maxSettlements)
		}
	})
}

// FuzzSettler hands records over in pieces, by one lane or several at a time.
// Each is settled once, in time, and in groups that are not too large; and no
// more is pending than the settlements under way can take (P7). Two bytes are
// one step.
func FuzzSettler(f *testing.F) {
	f.Add(uint8(9), uint8(20), uint8(30), []byte{0, 5, 3, 10, 0, 7, 0, 1, 3, 40})
	f.Add(uint8(9), uint8(0), uint8(3), []byte{0, 29, 0, 29, 3, 1, 1, 30, 1, 30, 2, 200})
	f.Add(uint8(0), uint8(5), uint8(0), []byte{1, 3, 0, 3})
	f.Add(uint8(1), uint8(1), uint8(250), []byte{2, 200, 1, 100, 0, 1, 3, 1, 0, 1})
	for seed := range byte(16) {
		f.Add(seed, 3*seed, 16*seed, noise(seed, 60))
	}
	f.Fuzz(func(t *testing.T, size, linger, took uint8, steps []byte) {
		synctest.Test(t, func(t *testing.T) {
			batch, wait := 1+int(size)%12, time.Duration(linger)*time.Millisecond
			settling := time.Duration(took) * time.Millisecond
			c, s := newCounter(t, batch, wait, settling)
			added := map[string]time.Time{}
			largest, adding := batch, sync.WaitGroup{}
			for i := 0; i+1 < min(len(steps), 60); i += 2 {
				kind, value := steps[i]%4, int(steps[i+1])
				switch kind {
				case 3:
					time.Sleep(time.Duration(value) * time.Millisecond)
				default:
					records := numbered(len(added), value)
					for _, r := range records {
						added[r.ID] = time.Now()
					}
					if batch == 1 {
						largest = max(largest, value)
					}
					if kind == 1 {
						adding.Go(func() { s.add(records) })
					} else {
						s.add(records)
					}
				}
			}
			adding.Wait()
			s.close()
			if len(c.times) != len(added) {
				t.Errorf("%d of %d records were settled", len(c.times), len(added))
			}
			for id, times := range c.times {
				if late := c.at[id].Sub(added[id]); times != 1 || c.top < maxSettlements && late > wait {
					t.Errorf("record %s was settled %d times, %v after it was added", id, times, late)
				}
			}
			for _, n := range c.sizes {
				if n < 1 || n > largest {
					t.Errorf("a group of %d", n)
				}
			}
			if s.idle.Load() != 0 || s.group != nil || c.top > max(maxSettlements, len(steps)) {
				t.Errorf("left: %d idle workers, a group of %d; %d settlements at once", s.idle.Load(), len(s.group), c.top)
			}
		})
	})
}
