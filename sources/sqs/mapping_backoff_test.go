package sqs_test

import (
	"context"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

// A failure back-off is kept on a queue with the longest visibility timeout too, though
// the service counts its 12 hours from the receive.
func TestFailureBackoffOfLongVisibility_P9(t *testing.T) {
	t.Parallel()
	for _, visibility := range []string{"43200", "43190", "30"} {
		t.Run(visibility, func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", map[string]string{"VisibilityTimeout": visibility}, func(t *testing.T, w *world) {
				w.send("", "poison")
				r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
					time.Sleep(10 * time.Millisecond)
					return esm.Response{}, errHandler
				}), sqs.Options{FailureBackoff: retry.Backoff{Initial: 10 * time.Second, Max: 20 * time.Second}}, esm.Config{})
				time.Sleep(10 * time.Minute)
				if n := len(w.log()); n < 20 || n > 200 {
					t.Errorf("started %d times in ten minutes, want about one each 10 s", n)
				}
				r.end()
			})
		})
	}
}
