package sqs_test

import (
	"context"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// Receives hide messages for longer than the queue does, so that each can be started
// with its whole time limit left. What failed comes back after the queue's own timeout all
// the same, or, where the permission for that is missing, after all of that (SQS-44, SQS-81).
func TestFailedMessagesComeBackAfterTheQueuesTimeout(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]time.Duration{"allowed": 35 * time.Second, "denied": 75 * time.Second} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", map[string]string{"VisibilityTimeout": "30"}, func(t *testing.T, w *world) {
				calls := 0
				w.SetFault(func(c sqstest.Call) sqstest.Fault {
					if c.Action != "ChangeMessageVisibilityBatch" {
						return sqstest.Fault{}
					}
					calls++
					if name == "denied" {
						return sqstest.Fault{Err: sqstest.AccessDenied()}
					}
					return sqstest.Fault{}
				})
				if _, err := w.Send("orders", "a"); err != nil {
					t.Fatal(err)
				}
				r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
					time.Sleep(5 * time.Second)
					return esm.Response{}, errHandler
				}), sqs.Options{}, esm.Config{})
				time.Sleep(5 * time.Minute)
				log := w.log()
				for i := 1; i < len(log); i++ {
					if took := log[i].at - log[i-1].at; took < want-time.Second || took > want+time.Second {
						t.Errorf("it came back after %v, want %v", took, want)
					}
				}
				if len(log) < 4 || name == "denied" && calls != 1 {
					t.Errorf("it was handled %d times, after %d changes of its visibility", len(log), calls)
				}
				_, _ = r.stop()
			})
		})
	}
}
