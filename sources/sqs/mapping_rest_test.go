package sqs_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// sendLarge sends messages of which five fit into an event document.
func (w *world) sendLarge(n int) {
	w.t.Helper()
	const mebibyte = 1 << 20
	for i := range n {
		w.send("", strings.Repeat("x", mebibyte-4)+fmt.Sprintf("%04d", i))
	}
}

// What did not fit into a batch is kept for the next ones by calls of their own. If one
// of these hangs no batch waits for it: each starts with its whole time limit left, and
// once.
func TestHungExtensionHoldsUpNoBatch_P5(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		const limit, messages = 30 * time.Second, 25
		w.redrive(limit, "dead", 1)
		w.sendLarge(messages)
		w.setFaults(func(c sqstest.Call) sqstest.Fault {
			if c.Action == "ChangeMessageVisibilityBatch" && c.Number == 1 {
				return sqstest.Fault{Cut: sqstest.CutBefore, Delay: time.Hour}
			}
			return sqstest.Fault{}
		})
		r := w.run(w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			for i := range records {
				if left := time.Until(records[i].Expires); left < limit {
					t.Errorf("started with %v left", left)
				}
			}
			time.Sleep(22 * time.Second)
			return esm.Response{}, nil
		}), sqs.Options{}, esm.Config{
			BatchSize: 100, MaximumBatchingWindow: 20 * time.Second, MaximumConcurrency: 1, Timeout: limit,
		})
		w.until(messages, 5*time.Minute)
		r.end()
		if n := w.Counts("dead").Visible; n != 0 {
			t.Errorf("%d messages in the dead-letter queue", n)
		}
		if n := w.Calls("ChangeMessageVisibilityBatch"); n == 0 {
			t.Error("nothing was extended: the test tests nothing")
		}
		for body, n := range w.seen() {
			if n != 1 {
				t.Errorf("message %s was handled %d times", body[len(body)-4:], n)
			}
		}
	})
}
