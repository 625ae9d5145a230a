package memory_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func quiet(config esm.Config) esm.Config {
	config.Logger = slog.New(slog.DiscardHandler)
	return config
}

func ignore(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil }

func TestBatchAboveTenNeedsAWindow_SQS07(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config  esm.Config
		refused bool
	}{
		{esm.Config{BatchSize: 10}, false},
		{esm.Config{BatchSize: 11}, true},
		{esm.Config{BatchSize: 11, MaximumBatchingWindow: time.Millisecond}, false},
	} {
		source := memory.NewQueue(memory.QueueOptions{}).Source()
		_, err := esm.New(source, esm.Records(ignore), quiet(c.config))
		if _, refused := errors.AsType[*esm.ConfigError](err); refused != c.refused {
			t.Errorf("BatchSize %d, window %v: %v", c.config.BatchSize, c.config.MaximumBatchingWindow, err)
		}
	}
}

// Timeout above visibility is refused (SQS-41, API-77).
func TestTimeoutAboveVisibilityIsRefused(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			timeout time.Duration
			refused bool
		}{{time.Second, false}, {time.Second + 1, true}, {0, true}} { // 30 s by default
			queue := memory.NewQueue(memory.QueueOptions{Name: "orders", VisibilityTimeout: time.Second})
			queue.End()
			mapping, err := esm.New(queue.Source(), esm.Records(ignore), quiet(esm.Config{Timeout: c.timeout}))
			if err != nil {
				t.Fatal(err)
			}
			err = mapping.Run(t.Context())
			if errors.Is(err, sources.ErrUnusable) != c.refused {
				t.Errorf("Timeout %v: %v", c.timeout, err)
			}
			if c.refused && !strings.Contains(err.Error(), "Queue visibility timeout: 1s is less than Function timeout: ") {
				t.Error(err)
			}
		}
	})
}

// TestHandlersThatTakeAllTheirTimeHaveNoOtherBesideThem: a window and a time limit
// that together are longer than the visibility timeout.
func TestHandlersThatTakeAllTheirTimeHaveNoOtherBesideThem_SQS43(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const messages = 50
		dead := memory.NewQueue(memory.QueueOptions{})
		queue := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: 30 * time.Second, MaxReceiveCount: 1, DeadLetter: dead})
		var mu sync.Mutex
		starts := 0
		mapping, err := esm.New(queue.Source(), esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
			mu.Lock()
			starts += len(records)
			mu.Unlock()
			select {
			case <-time.After(29 * time.Second):
			case <-ctx.Done():
			}
			return esm.Response{}, ctx.Err()
		}), quiet(esm.Config{BatchSize: 100, MaximumBatchingWindow: 20 * time.Second, MaximumConcurrency: 2}))
		if err != nil {
			t.Fatal(err)
		}
		for range messages {
			queue.Send("body")
		}
		queue.End()
		if err := mapping.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if starts != messages || queue.Deleted() != messages || dead.Len() != 0 {
			t.Errorf("%d starts, %d deleted, %d dead-lettered of %d", starts, queue.Deleted(), dead.Len(), messages)
		}
	})
}

// TestWhatFailedComesBackAfterTheQueuesOwnTimeout: not after the longer time for
// which a mapping hides what it handles.
func TestWhatFailedComesBackAfterTheQueuesOwnTimeout_SQS44(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: 10 * time.Second})
		queue.Send("body")
		queue.End()
		var tries []time.Duration
		began := time.Now()
		mapping, err := esm.New(queue.Source(), esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
			tries = append(tries, time.Since(began))
			time.Sleep(time.Second)
			if len(tries) < 3 {
				return esm.Response{}, errors.New("not yet")
			}
			return esm.Response{}, nil
		}), quiet(esm.Config{Timeout: 10 * time.Second}))
		if err != nil {
			t.Fatal(err)
		}
		if err := mapping.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(tries) != 3 || tries[1] != 10*time.Second || tries[2] != 20*time.Second {
			t.Errorf("tried at %v", tries)
		}
	})
}

func TestExtendHidesMessagesForLonger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		queue := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: 10 * time.Second})
		queue.Send("extended")
		queue.Send("other")
		partition := accept(t, queue.Source())
		records := fetch(t, partition, 10, 0)
		time.Sleep(6 * time.Second)
		extender := partition.(sources.Extender)
		if err := extender.Extend(t.Context(), records[:1]); err != nil {
			t.Fatal(err)
		}
		if left := time.Until(records[0].Expires); left != 10*time.Second {
			t.Errorf("expires in %v", left)
		}
		time.Sleep(9 * time.Second)
		if got := texts(fetch(t, partition, 10, 0)); len(got) != 1 || got[0] != "other" {
			t.Errorf("visible: %q", got)
		}
		if err := extender.Extend(t.Context(), records); err == nil {
			t.Error("a record that somebody else received can be extended")
		}
		if left := time.Until(records[0].Expires); left != 10*time.Second {
			t.Errorf("beside a stale one it expires in %v", left)
		}
	})
}
