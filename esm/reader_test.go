package esm_test

import (
	"context"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// burst is an ordered source that is idle at first, and then has all its records at
// once. It counts the fetches that bring some.
type burst struct {
	sources.Source
	ahead   bool
	records int
	begin   chan struct{}
	taken   bool
	fetched int // records
	fetches int
}

func newBurst(records int, ahead bool) *burst {
	return &burst{
		Source: memory.NewStream(memory.StreamOptions{}).Source("app"), ahead: ahead,
		records: records, begin: make(chan struct{}),
	}
}

func (b *burst) Traits() sources.Traits {
	traits := b.Source.Traits()
	traits.ReadsAhead, traits.TumblingWindow = b.ahead, 0
	return traits
}

func (b *burst) Accept(ctx context.Context) (sources.Partition, error) {
	if b.taken {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	b.taken = true
	return &burstPartition{b}, nil
}

type burstPartition struct{ *burst }

func (p *burstPartition) ID() string { return "0" }

func (p *burstPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	begin := p.begin
	if p.fetched == p.records {
		begin = nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-begin:
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-timer.C:
		return 0, nil
	}
	n := min(len(buf), p.records-p.fetched)
	for i := range n {
		buf[i] = sources.Record{ID: strconv.Itoa(p.fetched), Data: []byte(strconv.Itoa(p.fetched)), Size: 10}
		p.fetched++
	}
	p.fetches++
	return n, nil
}

func (p *burstPartition) Ack(context.Context, []sources.Record) error { return nil }
func (p *burstPartition) Close(context.Context) error                 { return nil }

// A run of records that the filter rejects is read as fast as any other, also by a lane
// that was idle before, and while a batch waits for the end of its window.
func TestFilteredRunIsReadInLargeFetches(t *testing.T) {
	const records, size = 20_000, 200
	for name, c := range map[string]struct {
		passes func(i int) bool
		window time.Duration
	}{
		"none passes":           {func(int) bool { return false }, 0},
		"one in 5,000 passes":   {func(i int) bool { return i%5000 == 4999 }, 0},
		"the first in a window": {func(i int) bool { return i == 0 }, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source := newBurst(records, ahead)
				j := newJournal()
				want := 0
				for i := range records {
					if c.passes(i) {
						want++
					}
				}
				stop := background(t, mustNew(t, source, j.handler(nil), j.config(esm.Config{
					BatchSize: size, MaximumBatchingWindow: c.window,
					Filter: func(r *sources.Record) bool {
						i, _ := strconv.Atoi(r.ID)
						return c.passes(i)
					},
				})))
				time.Sleep(time.Minute) // it is idle
				close(source.begin)
				time.Sleep(time.Second)
				synctest.Wait()
				equal(t, "filtered at once", j.count(esm.FilteredOutEventCount), records-want)
				if most := records/size + 10; source.fetches > most {
					t.Errorf("%d fetches for %d records in batches of %d, want at most %d", source.fetches, records, size, most)
				}
				time.Sleep(c.window)
				synctest.Wait()
				equal(t, "handled", len(j.seen()), want)
				equal(t, "committed", j.count(esm.CommittedEventCount), records)
				if _, err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
