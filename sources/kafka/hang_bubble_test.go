//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// listener keeps the failures that a mapping tells of.
type listener struct {
	mu     sync.Mutex
	errs   []error
	counts map[esm.Metric]int
}

func (l *listener) observe(o esm.Observation) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.counts == nil {
		l.counts = make(map[esm.Metric]int)
	}
	l.counts[o.Metric] += o.Count
	if o.Err != nil {
		l.errs = append(l.errs, o.Err)
	}
}

// heard returns the first failure that says all of these.
func (l *listener) heard(words ...string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, err := range l.errs {
		all := true
		for _, word := range words {
			all = all && strings.Contains(err.Error(), word)
		}
		if all {
			return err
		}
	}
	return nil
}

// listened is a source whose reports the listener hears, as a mapping's observer does.
type listened struct {
	*kafka.Source

	to *listener
}

func (l listened) Start(ctx context.Context, settings sources.Settings) error {
	settings.Report = func(err error) { l.to.observe(esm.Observation{Metric: esm.PollingErrorCount, Count: 1, Err: err}) }
	return l.Source.Start(ctx, settings)
}

// runListened runs a mapping until cancel is called, or the end of the test.
func (w *world) runListened(seen *ledger, l *listener, config esm.Config) (cancel func(), ended <-chan error) {
	w.t.Helper()
	source, err := kafka.New(w.plain())
	if err != nil {
		w.t.Fatal(err)
	}
	config.Observer = l.observe
	return launch(w.t, listened{source, l}, esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		seen.add(records)
		return esm.Response{}, nil
	}), config)
}

// plain are the options of a member whose client is as it is by default.
func (w *world) plain() kafka.Options {
	o := w.options("g")
	o.ClientOptions = w.reach
	return o
}

// later waits until so many records are handled, in virtual time.
func (l *ledger) later(t *testing.T, n int, limit time.Duration) time.Duration {
	t.Helper()
	began := time.Now()
	for l.total() < n {
		if time.Since(began) > limit {
			t.Fatalf("%d of %d records were handled after %v", l.total(), n, limit)
		}
		time.Sleep(50 * time.Millisecond)
	}
	return time.Since(began)
}

// hungRequests are the kinds of requests that a mapping makes, and how long one may take
// to be given up.
var hungRequests = map[string]struct {
	key   kmsg.Key
	limit time.Duration
}{
	"Metadata":        {kmsg.Metadata, 30 * time.Second},
	"FindCoordinator": {kmsg.FindCoordinator, 30 * time.Second},
	"OffsetFetch":     {kmsg.OffsetFetch, 30 * time.Second},
	"ListOffsets":     {kmsg.ListOffsets, 50 * time.Second},
	"DescribeConfigs": {kmsg.DescribeConfigs, 30 * time.Second},
	"JoinGroup":       {kmsg.JoinGroup, 80 * time.Second},
	"SyncGroup":       {kmsg.SyncGroup, 80 * time.Second},
	"Heartbeat":       {kmsg.Heartbeat, 30 * time.Second},
	"Fetch":           {kmsg.Fetch, 30 * time.Second},
	"OffsetCommit":    {kmsg.OffsetCommit, 30 * time.Second},
	"ApiVersions":     {kmsg.ApiVersions, 30 * time.Second},
}

// all looks that each value of each partition was handled, maybe more than once.
func (l *ledger) all(t *testing.T, partitions, n int) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.values) != partitions {
		t.Errorf("records of %d partitions, want %d", len(l.values), partitions)
	}
	for p, values := range l.values {
		for i := range n {
			if !slices.Contains(values, strconv.Itoa(i)) {
				t.Errorf("P1: %s: %d was not handled; %v were", p, i, values)
			}
		}
	}
}

// TestHungRequestAtTheStartInBubbles has the requests of a kind not answered for some seconds
// from the start on: the mapping reads after their deadline, and tells of it (P9, P11, P14).
func TestHungRequestAtTheStartInBubbles(t *testing.T) {
	t.Parallel()
	for name, kind := range hungRequests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 2)
				w.send(0, 0, 5)
				w.send(1, 0, 5)
				var l listener
				hung, seen := w.hang(kind.key), newLedger()
				time.AfterFunc(5*time.Second, func() { hung.over.Store(true) })
				cancel, ended := w.runListened(seen, &l, esm.Config{})
				seen.later(t, 10, kind.limit+5*time.Second)
				seen.wantOnce(t, 2, 5)
				time.Sleep(kind.limit)
				cancel()
				if err := <-ended; err != nil {
					t.Errorf("Run: %v", err)
				}
				err := l.heard("kafka: "+name+" ", "orders", "not answered within")
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("P14: told %v, want that %s was not answered", l.errs, name)
				}
			})
		})
	}
}

// TestHungRequestsForAWhileInBubbles has the requests of a kind not answered for two minutes,
// while records come and another member joins (P1, P9, P11, P14).
func TestHungRequestsForAWhileInBubbles(t *testing.T) {
	t.Parallel()
	for name, kind := range hungRequests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 2)
				w.send(0, 0, 5)
				w.send(1, 0, 5)
				var l listener
				seen := newLedger()
				cancel, ended := w.runListened(seen, &l, esm.Config{})
				seen.later(t, 10, time.Minute)
				time.Sleep(10 * time.Second)
				hung := w.hang(kind.key)
				w.send(0, 5, 6)
				w.send(1, 5, 6)
				cancelOther, otherEnded := w.runListened(seen, &l, esm.Config{})
				time.Sleep(2 * time.Minute)
				if hung.asked.Load() > 0 && l.heard("kafka: "+name+" ", "not answered within") == nil {
					t.Errorf("P14: told %v, want that %s was not answered", l.errs, name)
				}
				hung.over.Store(true)
				w.send(0, 6, 7)
				w.send(1, 6, 7)
				seen.later(t, 14, 3*time.Minute)
				time.Sleep(time.Minute)
				seen.all(t, 2, 7)
				cancel()
				cancelOther()
				if err := errors.Join(<-ended, <-otherEnded); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

// TestHungRequestIsToldInBubbles has the requests of a kind never answered, from the start
// on or from some moment on while the group changes: that is told within a minute.
func TestHungRequestIsToldInBubbles_P14(t *testing.T) {
	t.Parallel()
	for name, kind := range hungRequests {
		for _, from := range []time.Duration{0, 20 * time.Second} {
			t.Run(name+" from "+from.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newVirtualWorld(t, 2)
					w.send(0, 0, 5)
					var l listener
					seen, config := newLedger(), esm.Config{DrainTimeout: time.Second}
					if from > 0 {
						cancel, ended := w.runListened(seen, &l, config)
						defer func() {
							cancel()
							awaitEnd(t, ended)
						}()
						time.Sleep(from)
					}
					hung := w.hang(kind.key)
					cancel, ended := w.runListened(seen, &l, config)
					w.send(1, 0, 5)
					for began := time.Now(); hung.asked.Load() == 0 && time.Since(began) < time.Minute; {
						time.Sleep(time.Second)
					}
					time.Sleep(55 * time.Second)
					if l.heard("kafka: "+name+" ", "orders", "not answered within") == nil {
						t.Errorf("after %d requests told %v, want that %s is not answered", hung.asked.Load(), l.errs, name)
					}
					cancel()
					awaitEnd(t, ended)
				})
			})
		}
	}
}

// TestStopWithHungRequestsInBubbles stops mappings whose requests of a kind are never answered,
// from the start on and later.
func TestStopWithHungRequestsInBubbles_P11(t *testing.T) {
	t.Parallel()
	const (
		drain = 10 * time.Second
		grace = 20 * time.Second // for the commit that is under way, and for leaving the group (Config.DrainTimeout)
	)
	for name, kind := range hungRequests {
		for _, from := range []time.Duration{0, 5 * time.Second} {
			t.Run(name+" from "+from.String(), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newVirtualWorld(t, 2)
					w.send(0, 0, 5)
					var l listener
					cancel, ended := w.runListened(newLedger(), &l, esm.Config{DrainTimeout: drain})
					time.Sleep(from)
					w.hang(kind.key)
					w.send(1, 0, 5)
					time.Sleep(15 * time.Second)
					began := time.Now()
					cancel()
					err := <-ended
					if took := time.Since(began); took > drain+grace {
						t.Errorf("Run returned %v after %v, want %v at most", err, took, drain+grace)
					}
				})
			})
		}
	}
}

// awaitEnd waits for the end of a mapping that was stopped, or cut off.
func awaitEnd(t *testing.T, ended <-chan error) {
	t.Helper()
	if err := <-ended; err != nil && !errors.Is(err, esm.ErrDrainTimeout) {
		t.Errorf("Run returned %v", err)
	}
}
