package memory_test

import (
	"context"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
	"github.com/openesm/openesm/sources/sourcetest"
)

func queueHarness(queue *memory.Queue, visibility time.Duration) sourcetest.Harness {
	return sourcetest.Harness{
		Send: func(_ context.Context, messages ...sourcetest.Message) error {
			for _, m := range messages {
				queue.SendGroup(m.Key, string(m.Data))
			}
			return nil
		},
		Open: func(context.Context) (sources.Source, error) { return queue.Source(), nil },
		End: func(context.Context) error {
			queue.End()
			return nil
		},
		VisibilityTimeout: visibility,
		TextOnly:          true,
	}
}

func streamHarness(stream *memory.Stream, partitions int) sourcetest.Harness {
	open := func(context.Context) (sources.Source, error) { return stream.Source("app"), nil }
	return sourcetest.Harness{
		Send: func(_ context.Context, messages ...sourcetest.Message) error {
			for _, m := range messages {
				stream.Put(m.Key, m.Data)
			}
			return nil
		},
		Open: open,
		End: func(context.Context) error {
			stream.End()
			return nil
		},
		Reshard: func(context.Context) error {
			_, _, err := stream.Split(stream.Partitions()[0])
			return err
		},
		Steal: func(ctx context.Context) (func(context.Context) error, error) {
			thief := stream.Source("app")
			for range partitions {
				if _, err := thief.Accept(ctx); err != nil {
					return nil, err
				}
			}
			return thief.Close, nil
		},
		Revoke: func(context.Context) (func(context.Context) error, error) {
			for _, id := range stream.Partitions() {
				stream.Revoke("app", id)
			}
			return func(context.Context) error { return nil }, nil
		},
		Partitions: partitions,
	}
}

func TestQueueConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(*testing.T) sourcetest.Harness {
		return queueHarness(memory.NewQueue(memory.QueueOptions{}), 30*time.Second)
	})
}

func TestFIFOConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(*testing.T) sourcetest.Harness {
		return queueHarness(memory.NewQueue(memory.QueueOptions{FIFO: true}), 30*time.Second)
	})
}

func TestInPlaceConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(*testing.T) sourcetest.Harness {
		return queueHarness(memory.NewQueue(memory.QueueOptions{InPlace: true, DeadLetter: memory.NewQueue(memory.QueueOptions{})}), 0)
	})
}

func TestStreamConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(*testing.T) sourcetest.Harness {
		return streamHarness(memory.NewStream(memory.StreamOptions{}), 1)
	})
}

func TestManyPartitionsConformance(t *testing.T) {
	t.Parallel()
	sourcetest.RunInBubbles(t, func(*testing.T) sourcetest.Harness {
		const partitions = 3
		return streamHarness(memory.NewStream(memory.StreamOptions{Partitions: partitions}), partitions)
	})
}

// TestRealTimeConformance holds the suite itself to working without bubbles.
func TestRealTimeConformance(t *testing.T) {
	t.Parallel()
	sourcetest.Run(t, func(*testing.T) sourcetest.Harness {
		h := streamHarness(memory.NewStream(memory.StreamOptions{}), 1)
		h.Patience = time.Second
		return h
	})
}
