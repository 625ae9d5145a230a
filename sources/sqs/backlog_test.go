package sqs_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// gauges keeps what an observer is told of the queue.
type gauges struct {
	mu   sync.Mutex
	told map[esm.Metric][]esm.Observation
}

func (g *gauges) observe(o esm.Observation) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if o.Kind == esm.Gauge {
		if g.told == nil {
			g.told = map[esm.Metric][]esm.Observation{}
		}
		g.told[o.Metric] = append(g.told[o.Metric], o)
	}
}

// take returns what was told of a metric since it was taken last.
func (g *gauges) take(m esm.Metric) []esm.Observation {
	g.mu.Lock()
	defer g.mu.Unlock()
	told := g.told[m]
	delete(g.told, m)
	return told
}

// TestBacklog has a handler be stuck on one message while others wait.
func TestBacklog_P15(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", map[string]string{"VisibilityTimeout": "3600"}, func(t *testing.T, w *world) {
		var g gauges
		block := make(chan struct{})
		m := w.run(w.journal(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			select {
			case <-block:
			case <-ctx.Done():
			}
			return esm.Response{}, ctx.Err()
		}), sqs.Options{}, esm.Config{
			BatchSize: 1, MaximumConcurrency: 1, Timeout: 15 * time.Minute, Observer: g.observe,
		})
		want := func(what string, m esm.Metric, counts ...int) {
			t.Helper()
			told := g.take(m)
			if len(told) != len(counts) {
				t.Fatalf("%s: %s was told %d times: %+v", what, m, len(told), told)
			}
			for i, n := range counts {
				if told[i].Count != n || told[i].Partition != "" {
					t.Errorf("%s: %s is %+v, want %d", what, m, told[i], n)
				}
			}
		}
		time.Sleep(30 * time.Second)
		want("at the start", sqs.ApproximateNumberOfMessagesVisible, 0)
		want("at the start", sqs.ApproximateNumberOfMessagesNotVisible, 0)
		want("at the start", sqs.ApproximateNumberOfMessagesDelayed, 0)
		if told := g.take(sqs.AgeOfOldestReceivedMessage); len(told) != 0 {
			t.Errorf("nothing was received, and %+v is told", told)
		}
		w.send("", "stuck")
		for range 9 {
			w.send("", "waits")
		}
		time.Sleep(5 * time.Minute)
		want("stuck", sqs.ApproximateNumberOfMessagesVisible, 9, 9, 9, 9, 9)
		want("stuck", sqs.ApproximateNumberOfMessagesNotVisible, 1, 1, 1, 1, 1)
		if told := g.take(sqs.AgeOfOldestReceivedMessage); len(told) != 1 || told[0].Duration > time.Second {
			t.Errorf("received at once, and %+v is told", told)
		}
		close(block)
		w.until(10, time.Minute)
		time.Sleep(2 * time.Minute)
		if told := g.take(sqs.AgeOfOldestReceivedMessage); len(told) != 1 || told[0].Duration.Round(time.Minute) != 5*time.Minute {
			t.Errorf("received after five minutes, and %+v is told", told)
		}
		if told := g.take(sqs.ApproximateNumberOfMessagesVisible); len(told) == 0 || told[len(told)-1].Count != 0 {
			t.Errorf("the queue is empty, and %+v is told", told)
		}
		m.end()
	})
}

// TestBacklogThatIsDenied is given up with one line of the log.
func TestBacklogThatIsDenied(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		var g gauges
		var log bytes.Buffer
		w.setFaults(func(c sqstest.Call) sqstest.Fault {
			if c.Action != "GetQueueAttributes" {
				return sqstest.Fault{}
			}
			if c.Number == 1 { // at the start
				return sqstest.Fault{}
			}
			return sqstest.Fault{Err: sqstest.AccessDenied()}
		})
		m := w.run(w.journal(nil), sqs.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))}, esm.Config{Observer: g.observe})
		time.Sleep(time.Hour)
		m.end()
		asked := w.Calls("GetQueueAttributes")
		if n := strings.Count(log.String(), "backlog of the queue is not told"); n != 1 || asked != 2 {
			t.Errorf("%d lines after %d calls: %s", n, asked, &log)
		}
		if told := g.take(sqs.ApproximateNumberOfMessagesVisible); len(told) != 1 {
			t.Errorf("told %+v, want what was known at the start only", told)
		}
	})
}

// TestBacklogThatIsNotAnswered_P15 has calls fail and hang.
func TestBacklogThatIsNotAnswered_P15(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		var g gauges
		var down atomic.Bool
		var calls atomic.Int64
		w.setFaults(func(c sqstest.Call) sqstest.Fault {
			if c.Action != "GetQueueAttributes" || !down.Load() {
				return sqstest.Fault{}
			}
			return []sqstest.Fault{{Err: sqstest.InternalFailure()}, {Delay: time.Hour}}[calls.Add(1)%2]
		})
		m := w.run(w.journal(nil), sqs.Options{}, esm.Config{Observer: g.observe})
		time.Sleep(time.Minute)
		g.take(sqs.ApproximateNumberOfMessagesVisible)
		down.Store(true)
		time.Sleep(time.Hour)
		if told := g.take(sqs.ApproximateNumberOfMessagesVisible); len(told) > 1 || calls.Load() < 30 { // one may have been under way
			t.Errorf("asked %d times without an answer, told %+v", calls.Load(), told)
		}
		down.Store(false)
		time.Sleep(3 * time.Minute)
		if told := g.take(sqs.ApproximateNumberOfMessagesVisible); len(told) == 0 {
			t.Error("not told again")
		}
		down.Store(true)
		for calls.Load()%2 != 1 { // a call hangs
			time.Sleep(time.Second)
		}
		if took, err := m.stop(); err != nil || took > 30*time.Second {
			t.Errorf("stop: %v after %v", err, took)
		}
	})
}
