package sqstest_test

import (
	"context"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// TestManyPollers has many pollers share a queue, lose messages to visibility
// timeouts and leave at odd moments. No message may be lost, and each poller
// that waits must be woken: the queue is empty soon after the last send.
func TestManyPollers(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "3"}, manyPollers)
}

// TestManyPollersFIFO is the same with message groups.
func TestManyPollersFIFO(t *testing.T) {
	t.Parallel()
	attributes := fifo()
	attributes["VisibilityTimeout"] = "3"
	run(t, "steps.fifo", attributes, manyPollers)
}

func manyPollers(w *world) {
	const messages = 200
	var pollers sync.WaitGroup
	ctx, cancel := context.WithCancel(w.t.Context())
	for range 6 {
		pollers.Go(func() { w.pollUntil(ctx) })
	}
	for i := range messages {
		group := ""
		if w.queue == "steps.fifo" {
			group = strconv.Itoa(i % 7)
		}
		w.send(group, strconv.Itoa(i))
		time.Sleep(time.Duration(i%5) * 100 * time.Millisecond)
	}
	time.Sleep(time.Minute)
	synctest.Wait()
	w.wantCounts(sqstest.Counts{Deleted: messages})
	cancel()
	pollers.Wait()
}

// pollUntil polls with a deadline and deletes what was received for the second
// time, or is a multiple of three.
func (w *world) pollUntil(ctx context.Context) {
	for ctx.Err() == nil {
		once, cancel := context.WithTimeout(ctx, 1700*time.Millisecond)
		out, err := w.client.ReceiveMessage(once, everything(w.url, 10, 20))
		cancel()
		if err != nil {
			continue // left, or the end
		}
		for _, m := range out.Messages {
			n, _ := strconv.Atoi(*m.Body)
			if n%3 == 0 || m.Attributes["ApproximateReceiveCount"] != "1" {
				w.mustDelete(m) //nolint:contextcheck // a delete is not given up with the poll
			}
		}
	}
}
