package file

import (
	"fmt"
	"sync"
	"testing"

	"github.com/openesm/openesm/sources/checkpoint"
)

// BenchmarkUpdate is the durable updates of one shard, and of many that share commits.
func BenchmarkUpdate(b *testing.B) {
	for _, shards := range []int{1, 200} {
		b.Run(fmt.Sprint("shards=", shards), func(b *testing.B) {
			s := mustOpen(b, newPath(b))
			last := make([]checkpoint.Lease, shards)
			for i := range last {
				last[i] = lease(fmt.Sprintf("shardId-%012d", i), 0)
				mustPut(b, s, last[i].Shard, 0)
			}
			var running sync.WaitGroup
			b.ResetTimer()
			for i := range last {
				running.Go(func() {
					for n := i; n < b.N; n += shards {
						next := last[i]
						next.Counter++
						if err := s.Update(b.Context(), last[i], next); err != nil {
							b.Error(err)
							return
						}
						last[i] = next
					}
				})
			}
			running.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
		})
	}
}
