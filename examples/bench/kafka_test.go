package bench_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

const (
	kafkaTopic      = "bench"
	kafkaPartitions = 4
	kafkaBatch      = 1000 // of contestants whose handler takes batches
)

// A kafkaContestant reads the topic as a consumer group, hands everything to a handler
// that does nothing, and commits, all as its users would. It tells m how many records
// were handled, and returns when ctx is done. The first is what others are measured by.
type kafkaContestant struct {
	name  string
	megas int // of bytes that a run reads: enough for what the client has fetched ahead not to count
	read  func(ctx context.Context, brokers []string, m *meter) error
}

var kafkaContestants = []kafkaContestant{
	{"franz", 500, franz},
	{"sarama", 500, sarama},
	{"sarama-batch", 500, saramaBatch},
	{"records", 500, mapping(recordsHandler)},
	{"bytes", 500, mapping(bytesHandler)},
	{"typed", 50, mapping(typedHandler)},
}

// A meter takes the time from the first records to the last; joining the group and
// the first fetch are not in it.
type meter struct {
	mu          sync.Mutex
	want, count int
	first, last moment
	cancel      context.CancelFunc
}

// add counts n records that were handled.
func (m *meter) add(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count >= m.want {
		return
	}
	if m.count == 0 {
		m.first = now()
		m.want += n // these took no time
	}
	m.count += n
	if m.count >= m.want {
		m.last = now()
		m.cancel()
	}
}

// A moment is the time of day, and the processor time that this process has taken.
type moment struct {
	wall time.Time
	cpu  time.Duration
}

func now() moment {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return moment{wall: time.Now(), cpu: time.Duration(usage.Utime.Nano() + usage.Stime.Nano())}
}

// BenchmarkKafka has the contestants read the topic of a broker in this process, which
// never runs out of records. Rates are those of the first contestant, and x-rate and
// x-cpu what the others have of its records a second (more is better) and of its
// processor time, the broker's included (less is better).
func BenchmarkKafka(b *testing.B) {
	for _, size := range []int{100, 1024} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			wall := make([][]time.Duration, len(kafkaContestants)) // of a thousand records
			cpu := make([][]time.Duration, len(kafkaContestants))
			for range b.N {
				for i, c := range kafkaContestants {
					thousands := c.megas * 1000 / (size + 100)
					m := runKafka(b, c, size, thousands*1000)
					wall[i] = append(wall[i], m.last.wall.Sub(m.first.wall)/time.Duration(thousands))
					cpu[i] = append(cpu[i], (m.last.cpu-m.first.cpu)/time.Duration(thousands))
				}
			}
			b.ReportMetric(0, "ns/op") // of all together: of no interest
			b.ReportMetric(1000/median(wall[0]).Seconds(), kafkaContestants[0].name+"-records/s")
			b.ReportMetric(float64(median(cpu[0]))/1000, kafkaContestants[0].name+"-cpu-ns/record")
			for i, c := range kafkaContestants[1:] {
				b.ReportMetric(float64(median(wall[0]))/float64(median(wall[i+1])), c.name+"-x-rate")
				b.ReportMetric(float64(median(cpu[i+1]))/float64(median(cpu[0])), c.name+"-x-cpu")
			}
		})
	}
}

// runKafka has the contestant read so many records of that size from a fresh broker.
func runKafka(b *testing.B, c kafkaContestant, size, records int) *meter {
	b.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(kafkaPartitions, kafkaTopic),
		kfake.SyntheticFetch(kfake.SyntheticBatch{RecordBytes: size}),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(b.Context(), time.Minute)
	defer cancel()
	m := &meter{want: records, cancel: cancel}
	if err := c.read(ctx, cluster.ListenAddrs(), m); err != nil {
		b.Fatalf("%s: %v", c.name, err)
	}
	if m.count < m.want {
		b.Fatalf("%s read %d of %d records", c.name, m.count, m.want)
	}
	return m
}

func median[T cmp.Ordered](values []T) T {
	values = slices.Sorted(slices.Values(values))
	return values[len(values)/2]
}
