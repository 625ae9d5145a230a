package esm_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/memory"
)

// TestDocumentOfExactlyTheLimit_ESM38 goes as one.
func TestDocumentOfExactlyTheLimit_ESM38(t *testing.T) {
	bubble(t, func(t *testing.T) {
		documents := func(limit int) (sizes []int) {
			s := memory.NewStream(memory.StreamOptions{Name: "telemetry"})
			for range 3 {
				s.Put("device-17", slices.Repeat([]byte{'x'}, 1000))
			}
			s.End()
			handler := esm.Bytes(invoker(func(_ context.Context, payload []byte) ([]byte, error) {
				sizes = append(sizes, len(payload))
				return nil, nil
			}))
			config := esm.Config{MaximumBatchBytes: limit, MaximumBatchingWindow: time.Second}
			mustRun(t, mustNew(t, s.Source("app"), handler, newJournal().config(config)))
			return sizes
		}
		whole := documents(0)
		equal(t, "documents", len(whole), 1)
		equal(t, "documents at the limit", len(documents(whole[0])), 1)
		equal(t, "documents below it", len(documents(whole[0]-1)), 2)
	})
}
