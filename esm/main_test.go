package esm_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errHandler = errors.New("handler failed")

// bubble runs f as a parallel test with virtual time.
func bubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}

// journal records what a mapping did, for tests to ask.
type journal struct {
	mu      sync.Mutex
	batches [][]string
	times   []time.Duration
	counts  map[esm.Metric]int
	errs    map[esm.Metric][]error
	began   time.Time
	running int
	most    int
}

func newJournal() *journal {
	return &journal{counts: map[esm.Metric]int{}, errs: map[esm.Metric][]error{}, began: time.Now()}
}

func (j *journal) observe(o esm.Observation) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.counts[o.Metric] += o.Count
	if o.Err != nil {
		j.errs[o.Metric] = append(j.errs[o.Metric], o.Err)
	}
}

func (j *journal) count(metric esm.Metric) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.counts[metric]
}

// enter records a batch; the function it returns must be called when the
// handler returns.
func (j *journal) enter(records []sources.Record) func() {
	j.mu.Lock()
	defer j.mu.Unlock()
	bodies := make([]string, len(records))
	for i, r := range records {
		bodies[i] = string(r.Data)
	}
	j.batches = append(j.batches, bodies)
	j.times = append(j.times, time.Since(j.began))
	j.running++
	j.most = max(j.most, j.running)
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.running--
	}
}

// handler makes a records handler that records its batches and answers as
// handle says; nil succeeds.
func (j *journal) handler(handle func(ctx context.Context, records []sources.Record) (esm.Response, error)) esm.Handler {
	return esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		defer j.enter(records)()
		if handle == nil {
			return esm.Response{}, nil
		}
		return handle(ctx, records)
	})
}

// seen returns all bodies in the order in which they were handed over.
func (j *journal) seen() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var all []string
	for _, b := range j.batches {
		all = append(all, b...)
	}
	return all
}

// peak is how many batches were in flight at once at most.
func (j *journal) peak() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.most
}

func (j *journal) sizes() []int {
	j.mu.Lock()
	defer j.mu.Unlock()
	var sizes []int
	for _, b := range j.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

// failIf fails the batch when it holds a record with the given body.
func failIf(body string) func(context.Context, []sources.Record) (esm.Response, error) {
	return func(_ context.Context, records []sources.Record) (esm.Response, error) {
		for _, r := range records {
			if string(r.Data) == body {
				return esm.Response{}, errHandler
			}
		}
		return esm.Response{}, nil
	}
}

// quiet fills in what every test wants: no log, a known jitter, the journal.
func (j *journal) config(c esm.Config) esm.Config {
	c.Logger = slog.New(slog.DiscardHandler)
	c.Observer = j.observe
	if c.Jitter == nil {
		c.Jitter = func() float64 { return 0.999 }
	}
	return c
}

func mustNew(t *testing.T, source sources.Source, handler esm.Handler, config esm.Config) *esm.Mapping {
	t.Helper()
	m, err := esm.New(source, handler, config)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// mustRun runs a mapping until its source ends.
func mustRun(t *testing.T, m *esm.Mapping) {
	t.Helper()
	if err := m.Run(t.Context()); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// background runs a mapping; the function it returns stops it and gives Run's
// error and how long it took to stop.
func background(t *testing.T, m *esm.Mapping) func() (time.Duration, error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- m.Run(ctx) }()
	synctest.Wait()
	return func() (time.Duration, error) {
		start := time.Now()
		cancel()
		err := <-done
		return time.Since(start), err
	}
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(i)
	}
	return all
}

func equal[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if g, w := fmt.Sprintf("%+v", got), fmt.Sprintf("%+v", want); g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}
