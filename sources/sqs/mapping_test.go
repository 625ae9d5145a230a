package sqs_test

import (
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// The tests of mappings are those of engine, adapter and SDK client together,
// on the fake service: what the engine's own tests cannot show.

// Mapping handles each message once (P1, P2, P5, SQS-02, SQS-60).
func TestMappingHandlesEachMessageOnce(t *testing.T) {
	t.Parallel()
	const messages = 600
	for _, test := range []struct {
		config esm.Config
		calls  float64 // for each message, at most
	}{
		// A receive asks for what the lanes that wait have places for: here of twenty.
		{esm.Config{BatchSize: 1, ProvisionedPollerConfig: &esm.ProvisionedPollerConfig{MinimumPollers: 2, MaximumPollers: 2}}, 0.25},
		{esm.Config{BatchSize: 10}, 0.25},
		{esm.Config{BatchSize: 100, MaximumBatchingWindow: time.Second}, 0.25},
	} {
		t.Run(strconv.Itoa(test.config.BatchSize), func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", nil, func(t *testing.T, w *world) {
				bodies := numbers(messages)
				_, err := w.Send("orders", bodies...)
				if err != nil {
					t.Fatal(err)
				}
				r := w.run(w.journal(nil), sqs.Options{}, test.config)
				w.until(messages, 30*time.Second)
				calls := w.Calls("ReceiveMessage") + w.Calls("DeleteMessageBatch")
				if most := test.calls * messages; float64(calls) > most {
					t.Errorf("%d calls for %d messages, want at most %v", calls, messages, most)
				}
				r.end()
				w.once(bodies)
				w.left(sqstest.Counts{Deleted: messages})
				largest := 0
				for _, b := range w.log() {
					largest = max(largest, len(b.bodies))
				}
				if largest != test.config.BatchSize {
					t.Errorf("largest batch %d, want %d", largest, test.config.BatchSize)
				}
			})
		})
	}
}

// Mapping window on a trickle (P8, SQS-08, SQS-10, ESM-44).
func TestMappingWindowOnATrickle(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		const (
			window   = 5 * time.Second
			messages = 20
			slack    = time.Second // the fetch in flight; the service waits whole seconds
		)
		r := w.run(w.journal(nil), sqs.Options{}, esm.Config{
			BatchSize: 100, MaximumBatchingWindow: window, MaximumConcurrency: 1,
		})
		time.Sleep(time.Second)
		sent := map[string]time.Duration{}
		for _, body := range numbers(messages) {
			sent[body] = time.Since(w.began)
			w.send("", body)
			time.Sleep(time.Second)
		}
		w.until(messages, time.Minute)
		r.end()
		w.once(numbers(messages))
		for _, b := range w.log() {
			if waited := b.at - sent[b.bodies[0]]; waited > window+slack {
				t.Errorf("batch %v waited %v, want at most %v", b.bodies, waited, window+slack)
			}
		}
		if n := len(w.log()); n > messages/4 {
			t.Errorf("%d batches of %d messages: the window gathers too little", n, messages)
		}
	})
}

// Mapping refusals (SQS-07, SQS-08, SQS-33).
func TestMappingRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		queue  string
		config esm.Config
		want   string
	}{
		"11 without window": {standardARN, esm.Config{BatchSize: 11}, "must be greater than 0 if BatchSize (11) is greater than 10"},
		"10,001":            {standardARN, esm.Config{BatchSize: 10_001, MaximumBatchingWindow: time.Second}, "between 1 and 10000"},
		"FIFO window":       {fifoARN, esm.Config{MaximumBatchingWindow: time.Second}, "a batching window is not supported"},
		"FIFO 11":           {fifoARN, esm.Config{BatchSize: 11}, "between 1 and 10"},
		"long window":       {standardARN, esm.Config{MaximumBatchingWindow: 301 * time.Second}, "between 0s and 5m0s"},
	} {
		test.config.Logger = slog.New(slog.DiscardHandler)
		_, err := esm.New(newSource(t, newStub(test.queue), sqs.Options{}), (&world{}).journal(nil), test.config)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// Mapping concurrency follows the backlog (SQS-20, SQS-22).
func TestMappingConcurrencyFollowsTheBacklog(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		const messages = 500
		_, err := w.Send("orders", numbers(messages)...)
		if err != nil {
			t.Fatal(err)
		}
		var gauge gauge
		r := w.run(w.journal(gauge.around(time.Second)), sqs.Options{}, esm.Config{BatchSize: 1, MaximumConcurrency: 7})
		took := w.until(messages, 2*time.Minute)
		r.end()
		w.once(numbers(messages))
		if gauge.peak() != 7 || took > 80*time.Second {
			t.Errorf("at most %d at once, %v in all; want 7 and little above %v", gauge.peak(), took, messages*time.Second/7)
		}
	})
}

// With no window a batch is what one receive gave, however many more wait (SQS-09, SQS-12).
func TestMappingWithoutWindow(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		w.send("", "a", "b", "c")
		r := w.run(w.journal(nil), sqs.Options{}, esm.Config{MaximumConcurrency: 1})
		time.Sleep(time.Second)
		w.send("", "d")
		time.Sleep(time.Second)
		if _, err := r.stop(); err != nil {
			t.Error(err)
		}
		if got := len(w.log()); got < 2 {
			t.Errorf("%d batches, want what was there at once and what came later apart", got)
		}
		if got := w.Counts(w.url).Deleted; got != 4 {
			t.Errorf("%d messages deleted, want 4", got)
		}
	})
}

// Two mappings on one queue compete: each message goes to one of them (SQS-13, SQS-23).
func TestMappingsShareAQueue_SQS13(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		first := w.run(w.journal(nil), sqs.Options{}, esm.Config{MaximumConcurrency: 2})
		second := w.run(w.journal(nil), sqs.Options{}, esm.Config{MaximumConcurrency: 2})
		for range 20 {
			w.send("", "x", "y", "z")
			time.Sleep(time.Second)
		}
		for _, r := range []*running{first, second} {
			if _, err := r.stop(); err != nil {
				t.Error(err)
			}
		}
		handled := 0
		for _, b := range w.log() {
			handled += len(b.bodies)
		}
		if handled != 60 || w.Counts(w.url).Deleted != 60 {
			t.Errorf("%d messages handled and %d deleted, want 60", handled, w.Counts(w.url).Deleted)
		}
	})
}
