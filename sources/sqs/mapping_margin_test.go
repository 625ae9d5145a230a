package sqs_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// What did not fit into a batch begins its own window after that, and is started as late
// as it may be: with the handler's time limit left. A handler that takes all of that is in
// time, so the message is hidden until it is deleted, which takes a call's time, whatever
// the queue's own visibility timeout is. A second receive would be the last, of what was
// handled.
func TestHiddenUntilDeleted_P5(t *testing.T) {
	t.Parallel()
	const timeout = 30 * time.Second
	heartbeat := sqs.Options{Heartbeat: true}
	for name, test := range map[string]struct {
		fifo    bool
		options sqs.Options
		window  time.Duration
		visible time.Duration
		handler time.Duration
		denied  bool // the permission to change visibility is missing
		late    bool // what is sent at the end of a long poll is answered late
	}{
		"limit":           {window: time.Minute, visible: timeout, handler: timeout},
		"most of it":      {window: time.Minute, visible: timeout, handler: timeout * 9 / 10},
		"six times":       {window: 5 * time.Minute, visible: 6 * timeout, handler: timeout},
		"denied":          {window: 10 * time.Second, visible: timeout, handler: timeout, denied: true},
		"heartbeat":       {window: time.Minute, visible: timeout, handler: timeout, options: heartbeat},
		"quick heartbeat": {window: time.Minute, visible: 5 * time.Second, handler: timeout, options: heartbeat},
		"slow heartbeat":  {window: 5 * time.Minute, visible: 6 * timeout, handler: timeout, options: heartbeat},
		"FIFO":            {fifo: true, visible: timeout, handler: timeout, late: true},
		"FIFO heartbeat":  {fifo: true, visible: timeout, handler: timeout, late: true, options: heartbeat},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			queue, dead, group := "orders", "dead", ""
			if test.fifo {
				queue, dead, group = "orders.fifo", "dead.fifo", "one"
			}
			inWorld(t, queue, nil, func(t *testing.T, w *world) {
				w.redrive(test.visible, dead, 1)
				w.SetFault(func(c sqstest.Call) sqstest.Fault {
					switch {
					case c.Action == "ReceiveMessage" && test.late:
						return sqstest.Fault{Delay: 9800 * time.Millisecond}
					case c.Action == "DeleteMessageBatch":
						time.Sleep(10 * time.Second) // on its way
					case c.Action == "ChangeMessageVisibilityBatch" && test.denied:
						return sqstest.Fault{Err: sqstest.AccessDenied()}
					}
					return w.fault(c)
				})
				const large = 10_000
				r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
					time.Sleep(test.handler - time.Millisecond)
					return esm.Response{}, nil
				}), test.options, esm.Config{
					BatchSize: 10, MaximumBatchingWindow: test.window, MaximumConcurrency: 1,
					MaximumBatchBytes: large * 3 / 2, Timeout: timeout,
				})
				if test.late {
					time.Sleep(19900 * time.Millisecond)
				}
				w.send(group, strings.Repeat("a", large), strings.Repeat("b", large))
				w.until(2, 20*time.Minute)
				r.end()
				w.left(sqstest.Counts{Deleted: 2})
				if starts, n := len(w.log()), len(w.Messages(dead)); starts != 2 || n > 0 {
					t.Errorf("2 messages started %d times, %d dead letters", starts, n)
				}
			})
		})
	}
}
