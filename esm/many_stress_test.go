package esm_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// TestStressRunIsOnce has many goroutines run one mapping: it runs once.
func TestStressRunIsOnce(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		q := queueOf(memory.QueueOptions{}, numbers(30)...)
		q.End()
		y, j := newTally(), newJournal()
		m := mustNew(t, q.Source(), y.handler(0, 0), j.config(esm.Config{BatchSize: 1 + round%3}))
		var ran atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if err := m.Run(t.Context()); err == nil {
					ran.Add(1)
				} else if !errors.Is(err, esm.ErrSpent) {
					t.Errorf("Run: %v", err)
				}
			})
		}
		all.Wait()
		equal(t, "ran", ran.Load(), 1)
		y.each(t, 30)
	}
}

// stopAfter runs a mapping and stops it while it handles its batch of that
// number, from the handler itself. It reports whether there were so many.
func stopAfter(t *testing.T, batches int, another func(stop func()) *esm.Mapping) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var seen atomic.Int32
	m := another(func() {
		if int(seen.Add(1)) == batches {
			cancel()
		}
	})
	if batches == 0 {
		go cancel()
	}
	if err := m.Run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// stopping makes a handler that calls stop for each batch.
func (y *tally) stopping(stop func()) esm.Handler {
	return esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		y.start(records)
		stop()
		y.mu.Lock()
		defer y.mu.Unlock()
		for _, r := range records {
			y.successes[string(r.Data)]++
		}
		return esm.Response{}, nil
	})
}

// TestStressManyMappings starts and stops mappings on one queue from many goroutines in
// real time, so that the race detector sees threads meet (P1, P4, P5, P11).
func TestStressManyMappings(t *testing.T) {
	t.Parallel()
	const n, workers, rounds = 2000, 6, 15
	for _, fifo := range []bool{false, true} {
		t.Run(fmt.Sprintf("fifo=%v", fifo), func(t *testing.T) {
			t.Parallel()
			q := memory.NewQueue(memory.QueueOptions{FIFO: fifo, VisibilityTimeout: time.Hour})
			for _, body := range numbers(n) {
				q.SendGroup(body[len(body)-1:], body)
			}
			q.End() // a mapping that comes too late has nothing to do
			y, j := newTally(), newJournal()
			var all sync.WaitGroup
			for worker := range workers {
				all.Go(func() {
					for round := range rounds {
						stopAfter(t, (worker+round)%7, func(stop func()) *esm.Mapping {
							source := &stub{Source: q.Source(), traits: func(t sources.Traits) sources.Traits {
								if worker%2 == 0 {
									t.AckBatch, t.AckLinger = 10, time.Millisecond
								}
								return t
							}}
							return mustNew(t, source, y.stopping(stop), j.config(esm.Config{BatchSize: 1 + worker%3}))
						})
					}
				})
			}
			all.Wait()
			equal(t, "in flight when all have stopped", q.InFlight(), 0)
			mustRun(t, mustNew(t, q.Source(), y.stopping(func() {}), j.config(esm.Config{})))
			equal(t, "deleted", q.Deleted(), n)
			y.each(t, n)
			if fifo {
				y.inOrder(t)
			}
		})
	}
}

// TestStressManyStreams is the same with streams: each goroutine has a
// consumer of its own, and the partitions are split and merged meanwhile (P1, P4, P11).
func TestStressManyStreams(t *testing.T) {
	t.Parallel()
	const n, workers, rounds = 600, 4, 12
	s := memory.NewStream(memory.StreamOptions{Partitions: 3})
	for _, body := range numbers(n) {
		s.Put(body[len(body)-1:], []byte(body))
	}
	var all sync.WaitGroup
	tallies := make([]*tally, workers)
	for worker := range workers {
		y, j := newTally(), newJournal()
		tallies[worker] = y
		all.Go(func() {
			name := "app-" + strconv.Itoa(worker)
			config := j.config(esm.Config{BatchSize: 4, ParallelizationFactor: 1 + worker})
			for round := range rounds {
				ids := s.Partitions()
				if round%3 == 2 {
					_, _ = s.Merge(ids[len(ids)-2], ids[len(ids)-1])
				} else {
					_, _, _ = s.Split(ids[len(ids)-1-round%2])
				}
				if s.Lag(name) > 0 { // else nothing would stop it
					stopAfter(t, min(round%5, 1), func(stop func()) *esm.Mapping {
						return mustNew(t, s.Source(name), y.stopping(stop), config)
					})
				}
			}
		})
	}
	all.Wait()
	s.End()
	for worker, y := range tallies {
		name := "app-" + strconv.Itoa(worker)
		mustRun(t, mustNew(t, s.Source(name), y.stopping(func() {}), newJournal().config(esm.Config{})))
		equal(t, "lag", s.Lag(name), 0)
		equal(t, "handled", len(y.successes), n)
		y.inOrder(t)
	}
}
