package sqs_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// Ten lanes with batches of one share their receives and their deletes: a quarter of a
// call a message where all of them wait, however quick the service answers, and little
// more where they come back one by one (SQS-02, SQS-60).
func TestTenLanesShareTheirCalls(t *testing.T) {
	t.Parallel()
	const messages = 1000
	for _, handler := range []struct {
		name string
		took func(n int64) time.Duration
		most float64 // calls for each message
	}{
		{"at once", func(int64) time.Duration { return 0 }, 0.25},
		{"in 1 ms", func(int64) time.Duration { return time.Millisecond }, 0.25},
		{"in up to 3 ms", func(n int64) time.Duration { return time.Duration(n*7%31) * 100 * time.Microsecond }, 0.33},
	} {
		for _, answer := range []time.Duration{0, 5 * time.Millisecond} {
			t.Run(fmt.Sprintf("handled %s, answers after %v", handler.name, answer), func(t *testing.T) {
				t.Parallel()
				inWorld(t, "orders", nil, func(t *testing.T, w *world) {
					w.setFaults(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Delay: answer} })
					if _, err := w.Send("orders", numbers(messages)...); err != nil {
						t.Fatal(err)
					}
					var n atomic.Int64
					end := w.lanes(10, w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
						time.Sleep(handler.took(n.Add(1)))
						return esm.Response{}, nil
					}))
					took := w.until(messages, 2*time.Second)
					receives, deletes := w.Calls("ReceiveMessage"), w.Calls("DeleteMessageBatch")
					end()
					if float64(receives+deletes) > handler.most*messages {
						t.Errorf("%d receives and %d deletes in %v for %d messages, want at most %v calls for each",
							receives, deletes, took, messages, handler.most)
					}
				})
			})
		}
	}
}

// A lane that is alone waits for nobody to share its receives.
func TestOneLaneDoesNotWaitForOthers(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		const (
			messages = 200
			answer   = 5 * time.Millisecond
			once     = 50 * time.Millisecond // the start, and the last delete
		)
		w.setFaults(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Delay: answer} })
		if _, err := w.Send("orders", numbers(messages)...); err != nil {
			t.Fatal(err)
		}
		end := w.lanes(1, w.journal(nil))
		if took := w.until(messages, 2*time.Second); took > messages*answer+once {
			t.Errorf("%d messages took %v, want %v each", messages, took, answer)
		}
		end()
	})
}

// lanes runs a mapping with batches of one that has so many lanes from the start, and
// returns what ends it.
func (w *world) lanes(lanes int, handler esm.Handler) func() {
	w.t.Helper()
	source, err := sqs.New(w.Client(), w.url, sqs.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := esm.New(scaled{source, lanes}, handler, esm.Config{
		BatchSize: 1, MaximumConcurrency: lanes, Logger: slog.New(slog.DiscardHandler), Observer: w.observe,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
}
