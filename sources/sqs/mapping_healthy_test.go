package sqs_test

import (
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// TestMappingStartsWhatItReceives has handlers that take most of their time limit, on
// a queue whose visibility timeout is that limit and that takes a second receive for
// poison: starts equal messages, and no message is received that nobody starts.
func TestMappingStartsWhatItReceives_P5(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Second
	for name, test := range map[string]struct {
		config   esm.Config
		messages int
		handler  time.Duration
		visible  time.Duration
		answer   time.Duration
		every    time.Duration // a message comes; 0: all are there
	}{
		"one":         {config: esm.Config{BatchSize: 1, MaximumConcurrency: 2}, messages: 60, handler: 20 * time.Second, visible: timeout},
		"limit":       {config: esm.Config{BatchSize: 1, MaximumConcurrency: 2}, messages: 30, handler: 27 * time.Second, visible: timeout},
		"six times":   {config: esm.Config{BatchSize: 1, MaximumConcurrency: 2}, messages: 60, handler: 27 * time.Second, visible: 6 * timeout},
		"single":      {config: esm.Config{BatchSize: 1, MaximumConcurrency: 1}, messages: 20, handler: 27 * time.Second, visible: timeout},
		"growing":     {config: esm.Config{BatchSize: 1}, messages: 300, handler: 20 * time.Second, visible: timeout},
		"ten":         {config: esm.Config{MaximumConcurrency: 3}, messages: 200, handler: 27 * time.Second, visible: timeout},
		"window":      {config: esm.Config{BatchSize: 100, MaximumBatchingWindow: 5 * time.Second, MaximumConcurrency: 2}, messages: 700, handler: 27 * time.Second, visible: timeout},
		"late answer": {config: esm.Config{BatchSize: 1, MaximumConcurrency: 2}, messages: 30, handler: 27 * time.Second, visible: timeout, answer: 8 * time.Second},
		"trickle": {
			config: esm.Config{BatchSize: 100, MaximumBatchingWindow: 5 * time.Second, MaximumConcurrency: 1}, messages: 400,
			handler: 27 * time.Second, visible: timeout, answer: 30 * time.Millisecond, every: 703 * time.Millisecond,
		},
		"quick trickle": {
			config: esm.Config{BatchSize: 100, MaximumBatchingWindow: time.Second / 2, MaximumConcurrency: 2}, messages: 400,
			handler: 27 * time.Second, visible: timeout, answer: 30 * time.Millisecond, every: 97 * time.Millisecond,
		},
		"trickle of one": {
			config: esm.Config{BatchSize: 1, MaximumConcurrency: 20}, messages: 100,
			handler: 20 * time.Second, visible: timeout, answer: 30 * time.Millisecond, every: 703 * time.Millisecond,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", nil, func(t *testing.T, w *world) {
				w.redrive(test.visible, "dead", 1)
				w.setFaults(func(c sqstest.Call) sqstest.Fault {
					if c.Action == "ReceiveMessage" {
						return sqstest.Fault{Delay: test.answer}
					}
					return sqstest.Fault{}
				})
				var gauge gauge
				test.config.Timeout = timeout
				bodies := numbers(test.messages)
				if test.every == 0 {
					w.sendAll(bodies, 0)
				}
				r := w.run(w.journal(gauge.around(test.handler)), sqs.Options{}, test.config)
				if test.every > 0 {
					w.sendAll(bodies, test.every)
				}
				w.until(test.messages, 2*time.Hour)
				r.end()
				w.once(bodies)
				w.left(sqstest.Counts{Deleted: test.messages})
				if dead := w.Messages("dead"); len(dead) > 0 {
					t.Errorf("%d dead letters of %d healthy messages", len(dead), test.messages)
				}
			})
		})
	}
}

// sendAll sends messages one after the other.
func (w *world) sendAll(bodies []string, every time.Duration) {
	w.t.Helper()
	for _, body := range bodies {
		if _, err := w.Send(w.name, body); err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(every)
	}
}
