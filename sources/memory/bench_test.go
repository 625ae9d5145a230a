package memory_test

import (
	"strconv"
	"testing"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// BenchmarkQueue fetches and acks batches of 100, with 100,000 messages queued.
func BenchmarkQueue(b *testing.B) {
	for _, fifo := range []bool{false, true} {
		b.Run("FIFO="+strconv.FormatBool(fifo), func(b *testing.B) {
			const queued, batch = 100_000, 100
			queue := memory.NewQueue(memory.QueueOptions{FIFO: fifo})
			partition, err := queue.Source().Accept(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			buf := make([]sources.Record, batch)
			sent := 0
			b.ReportAllocs()
			for b.Loop() {
				if queue.Len() < batch {
					b.StopTimer()
					for range queued {
						sent++
						queue.SendGroup(strconv.Itoa(sent%1000), "body")
					}
					b.StartTimer()
				}
				n, err := partition.Fetch(b.Context(), buf, 0)
				if err != nil || n != batch {
					b.Fatal(n, err)
				}
				if err := partition.Ack(b.Context(), buf); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
