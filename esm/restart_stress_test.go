package esm_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// tally counts, by record, how often it was handled with success, and notes what
// was not in order.
type tally struct {
	mu        sync.Mutex
	successes map[string]int
	started   map[string]map[int]bool // numbers by key
	disorder  []string
}

func newTally() *tally {
	return &tally{successes: map[string]int{}, started: map[string]map[int]bool{}}
}

// start notes a batch. Those of the same key ahead of a record must have been
// handled, or be in the batch before it (P4).
func (y *tally) start(records []sources.Record) {
	y.mu.Lock()
	defer y.mu.Unlock()
	before := map[int]bool{}
	for _, r := range records {
		n, _ := strconv.Atoi(string(r.Data))
		seen := y.started[r.Key]
		if seen == nil {
			seen = map[int]bool{}
			y.started[r.Key] = seen
		}
		for m := range seen {
			if m < n && y.successes[strconv.Itoa(m)] == 0 && !before[m] || m > n && !seen[n] {
				y.disorder = append(y.disorder, fmt.Sprintf("key %s: %d started, but %d did before", r.Key, n, m))
			}
		}
		seen[n], before[n] = true, true
	}
}

// handler takes up to longest for a batch, and fails if its context ends before.
// A few batches fail by themselves.
func (y *tally) handler(longest time.Duration, failing float64) esm.Handler {
	return esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		y.start(records)
		if longest > 0 {
			timer := time.NewTimer(rand.N(longest)) // real time: none, longest is 0 outside of bubbles
			defer timer.Stop()
			select {
			case <-ctx.Done():
			case <-timer.C:
			}
		}
		if ctx.Err() != nil || rand.Float64() < failing {
			return esm.Response{}, errHandler
		}
		y.mu.Lock()
		defer y.mu.Unlock()
		for _, r := range records {
			y.successes[string(r.Data)]++
		}
		return esm.Response{}, nil
	})
}

// each looks that n records were handled with success, once each.
func (y *tally) each(t *testing.T, n int) {
	t.Helper()
	for _, body := range numbers(n) {
		if y.successes[body] != 1 {
			t.Errorf("record %s was handled with success %d times", body, y.successes[body])
		}
	}
}

// inOrder looks that no record was started before one ahead of it was handled.
func (y *tally) inOrder(t *testing.T) {
	t.Helper()
	if len(y.disorder) > 0 {
		t.Errorf("%d out of order, first: %s", len(y.disorder), y.disorder[0])
	}
}

// restarts runs mappings one after the other, each until a moment soon after its
// start, until so many were run. It returns how many of them were cut.
func restarts(t *testing.T, rounds int, longest time.Duration, another func() *esm.Mapping) (cut int) {
	t.Helper()
	for range rounds {
		ctx, cancel := context.WithTimeout(t.Context(), rand.N(longest))
		switch err := another().Run(ctx); {
		case errors.Is(err, esm.ErrDrainTimeout):
			cut++
		case err != nil:
			t.Errorf("Run: %v", err)
		}
		cancel()
	}
	return cut
}

// TestStressManyMappingsOnOneQueue starts and stops mappings that compete for
// the messages of a queue. Those that are not in a hurry leave nothing behind;
// those that are leave what they cut to the visibility timeout (P1, P4, P5, P11).
func TestStressManyMappingsOnOneQueue(t *testing.T) {
	const n, workers, rounds = 300, 4, 12
	for _, fifo := range []bool{false, true} {
		for _, hurry := range []bool{false, true} {
			t.Run(fmt.Sprintf("fifo=%v hurry=%v", fifo, hurry), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					q := memory.NewQueue(memory.QueueOptions{FIFO: fifo, VisibilityTimeout: time.Minute})
					for _, body := range numbers(n) {
						q.SendGroup(body[len(body)-1:], body)
					}
					y, j := newTally(), newJournal()
					config := j.config(esm.Config{BatchSize: 3})
					slowest := 20 * time.Millisecond
					if hurry {
						config.DrainTimeout, slowest = time.Millisecond, 2*time.Second
					}
					cuts := make([]int, workers)
					var all sync.WaitGroup
					for worker := range workers {
						all.Go(func() {
							cuts[worker] = restarts(t, rounds, 2*slowest, func() *esm.Mapping {
								return mustNew(t, q.Source(), y.handler(slowest, 0), config)
							})
						})
					}
					all.Wait()
					if !hurry {
						equal(t, "in flight when all have stopped", q.InFlight(), 0)
						equal(t, "cut", cuts, make([]int, workers))
					}
					equal(t, "settled", q.Deleted(), len(y.successes))
					q.End()
					mustRun(t, mustNew(t, q.Source(), y.handler(0, 0), config))
					equal(t, "deleted", q.Deleted(), n)
					y.each(t, n) // no success is lost or repeated, cut or not
					if fifo {
						y.inOrder(t)
					}
				})
			})
		}
	}
}

// TestStressFailuresAndStops has handlers fail, too (P1, P2, P11).
func TestStressFailuresAndStops(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n, workers, rounds = 200, 4, 10
		q := queueOf(memory.QueueOptions{VisibilityTimeout: 3 * time.Second}, numbers(n)...)
		y, j := newTally(), newJournal()
		config := j.config(esm.Config{BatchSize: 2, Timeout: time.Second, DrainTimeout: 50 * time.Millisecond})
		var all sync.WaitGroup
		for range workers {
			all.Go(func() {
				restarts(t, rounds, 3*time.Second, func() *esm.Mapping {
					return mustNew(t, q.Source(), y.handler(300*time.Millisecond, 0.3), config)
				})
			})
		}
		all.Wait()
		equal(t, "settled", q.Deleted(), len(y.successes))
		q.End()
		mustRun(t, mustNew(t, q.Source(), y.handler(0, 0), config))
		equal(t, "deleted", q.Deleted(), n)
		y.each(t, n)
	})
}

// dealt is a stream whose record i is in partition i modulo partitions, with one
// of three keys there.
func dealt(t *testing.T, n, partitions int) *memory.Stream {
	t.Helper()
	s := memory.NewStream(memory.StreamOptions{Partitions: partitions})
	ids := s.Partitions()
	for i := range n {
		if _, err := s.PutTo(ids[i%partitions], fmt.Sprint(i%partitions, "-", i%7%3), []byte(strconv.Itoa(i))); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// watched is a source of such a stream that looks, at each settlement, that
// the position passes nothing that is unfinished (P3).
func (y *tally) watched(t *testing.T, s *memory.Stream, partitions int) *stub {
	t.Helper()
	return &stub{Source: s.Source("app"), ack: func(records []sources.Record) error {
		last, _ := strconv.Atoi(string(records[len(records)-1].Data))
		y.mu.Lock()
		defer y.mu.Unlock()
		for i := last % partitions; i <= last; i += partitions {
			if y.successes[strconv.Itoa(i)] == 0 {
				t.Errorf("the position passes record %d, which is unfinished, for %d", i, last)
			}
		}
		return nil
	}}
}

// TestStressRestartsOnOneStream stops and starts the mapping of a consumer. With
// one lane a partition nothing is handled twice; sub-lanes may have finished
// records behind the position (P1, P3, P4, P5, P12).
func TestStressRestartsOnOneStream(t *testing.T) {
	const n, partitions, rounds = 400, 3, 40
	for _, factor := range []int{1, 4} {
		for _, hurry := range []bool{false, true} {
			t.Run(fmt.Sprintf("factor=%d hurry=%v", factor, hurry), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					s := dealt(t, n, partitions)
					y, j := newTally(), newJournal()
					config := j.config(esm.Config{BatchSize: 4, ParallelizationFactor: factor})
					slowest := 20 * time.Millisecond
					if hurry {
						config.DrainTimeout = time.Millisecond
					}
					restarts(t, rounds, slowest, func() *esm.Mapping {
						return mustNew(t, y.watched(t, s, partitions), y.handler(slowest, 0), config)
					})
					s.End()
					mustRun(t, mustNew(t, y.watched(t, s, partitions), y.handler(0, 0), config))
					equal(t, "lag", s.Lag("app"), 0)
					if factor == 1 {
						y.each(t, n)
					}
					equal(t, "handled", len(y.successes), n)
					y.inOrder(t)
				})
			})
		}
	}
}

// TestStressTakeovers has mappings of one consumer take its partitions over from
// each other while they run, which loses nothing (P1, P3, P11).
func TestStressTakeovers(t *testing.T) {
	const n, partitions, rounds = 600, 3, 30
	for _, factor := range []int{1, 3} {
		t.Run(fmt.Sprintf("factor=%d", factor), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := dealt(t, n, partitions)
				y, j := newTally(), newJournal()
				config := j.config(esm.Config{BatchSize: 3, ParallelizationFactor: factor})
				var all sync.WaitGroup
				for range rounds {
					all.Go(func() {
						restarts(t, 1, 60*time.Millisecond, func() *esm.Mapping {
							return mustNew(t, y.watched(t, s, partitions), y.handler(10*time.Millisecond, 0), config)
						})
					})
					time.Sleep(rand.N(20 * time.Millisecond))
				}
				all.Wait()
				s.End()
				mustRun(t, mustNew(t, y.watched(t, s, partitions), y.handler(0, 0), config))
				equal(t, "lag", s.Lag("app"), 0)
				equal(t, "handled", len(y.successes), n)
			})
		})
	}
}

// TestStressReshards splits, merges and ends partitions under mappings that
// stop and start (P1, P4, P11).
func TestStressReshards(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const n = 500
		s := memory.NewStream(memory.StreamOptions{Partitions: 2})
		y, j := newTally(), newJournal()
		config := j.config(esm.Config{BatchSize: 5, ParallelizationFactor: 2})
		var all sync.WaitGroup
		all.Go(func() {
			for _, body := range numbers(n) {
				s.Put(body[len(body)-1:], []byte(body))
				time.Sleep(time.Millisecond)
			}
		})
		all.Go(func() {
			for range 40 {
				time.Sleep(10 * time.Millisecond)
				ids := s.Partitions()
				switch rand.N(2) { // of partitions that ended before nothing comes
				case 0:
					_, _, _ = s.Split(ids[rand.N(len(ids))])
				case 1:
					_, _ = s.Merge(ids[rand.N(len(ids))], ids[rand.N(len(ids))])
				}
			}
		})
		restarts(t, 30, 40*time.Millisecond, func() *esm.Mapping {
			return mustNew(t, s.Source("app"), y.handler(2*time.Millisecond, 0), config)
		})
		all.Wait()
		s.End()
		mustRun(t, mustNew(t, s.Source("app"), y.handler(0, 0), config))
		equal(t, "lag", s.Lag("app"), 0)
		equal(t, "handled", len(y.successes), n)
		y.inOrder(t)
	})
}
