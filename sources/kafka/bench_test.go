package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// load is one run: so many records of a topic, of an embedded broker that never runs
// out of them.
type load struct {
	records, size, partitions int
}

// cost is what a run took for each record.
type cost struct {
	wall, cpu time.Duration
	allocs    float64
}

// place is where there is something to read, for a group that has read nothing of it.
type place struct {
	brokers      []string
	topic, group string
}

// reading reads until m has enough, and commits. It tells m what was handled.
type reading func(b *testing.B, at place, m *meter)

const (
	benchTopic = "bench"
	benchBatch = 1000
)

// A meter takes the time from the first records to the last: joining and leaving the
// group are not in it.
type meter struct {
	want int

	mu          sync.Mutex
	count       int
	first, last moment
}

// moment is the time of day, and the processor time that this process has taken.
type moment struct {
	wall time.Time
	cpu  time.Duration
}

func now(b *testing.B) moment {
	b.Helper()
	return moment{wall: time.Now(), cpu: processTime(b)}
}

// handled counts n records, and reports whether that is enough.
func (m *meter) handled(b *testing.B, n int) bool {
	b.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.count >= m.want {
		return true
	}
	if m.count == 0 {
		m.first = now(b)
		m.want += n // these took no time
	}
	m.count += n
	if m.count >= m.want {
		m.last = now(b)
	}
	return m.count >= m.want
}

// measure measures on a fresh broker.
func (l load) measure(b *testing.B, read reading) cost {
	b.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(int32(l.partitions), benchTopic),
		kfake.SyntheticFetch(kfake.SyntheticBatch{RecordBytes: l.size}),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	return measure(b, place{cluster.ListenAddrs(), benchTopic, "bench"}, l.records, read)
}

// measure has so many records read, and divides by them. There are more, for what comes
// first takes no time.
func measure(b *testing.B, at place, records int, read reading) cost {
	b.Helper()
	var before, then runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	m := &meter{want: records}
	read(b, at, m)
	runtime.ReadMemStats(&then)
	if m.count < m.want {
		b.Fatalf("%d of %d records were read", m.count, m.want)
	}
	thousands := time.Duration(records) / 1000
	return cost{
		wall: m.last.wall.Sub(m.first.wall) / thousands, cpu: (m.last.cpu - m.first.cpu) / thousands,
		allocs: float64(then.Mallocs-before.Mallocs) / float64(m.count),
	}
}

func processTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	if err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// bareLoop polls, hands over batches of a thousand to a function that does nothing,
// and commits after each poll, with the client alone.
func bareLoop(b *testing.B, at place, m *meter) {
	b.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(at.brokers...), kgo.ConsumerGroup(at.group), kgo.ConsumeTopics(at.topic),
		kgo.DisableAutoCommit())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	for enough := false; !enough; {
		read := 0
		fetches := client.PollRecords(b.Context(), 0)
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for batch := range slices.Chunk(p.Records, benchBatch) {
				read += len(batch)
			}
		})
		err := client.CommitUncommittedOffsets(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		enough = m.handled(b, read)
	}
}

// mapping reads with engine and adapter.
func mapping(handler esm.Handler) reading {
	return func(b *testing.B, at place, m *meter) {
		b.Helper()
		source, err := kafka.New(kafka.Options{BootstrapServers: at.brokers, Topics: []string{at.topic}, ConsumerGroupID: at.group})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()
		mapping, err := esm.New(source, handler, esm.Config{
			BatchSize: benchBatch, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
			Observer: func(o esm.Observation) {
				if o.Err != nil {
					b.Log(o.Metric, o.Err)
				}
				if o.Metric == esm.InvokedEventCount && m.handled(b, o.Count) {
					cancel()
				}
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		err = mapping.Run(ctx)
		if err != nil {
			b.Error(err)
		}
	}
}

var (
	recordsHandler = esm.Records(func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil })
	bytesHandler   = esm.Bytes(nothing{})
)

type nothing struct{}

func (nothing) Invoke(context.Context, []byte) ([]byte, error) { return nil, nil }

// BenchmarkMapping runs the bare client and the mapping in turn. The ratios are those
// of the medians: of rates, so that more is better, and of processor time. Both count
// the broker, which runs in the same process.
func BenchmarkMapping(b *testing.B) {
	for _, size := range []int{100, 1024} {
		for _, partitions := range []int{1, 4} {
			for _, c := range []struct {
				name string
				read reading
			}{{"records", mapping(recordsHandler)}, {"bytes", mapping(bytesHandler)}} {
				b.Run(fmt.Sprintf("%s/%dB/%d", c.name, size, partitions), func(b *testing.B) {
					l := load{records: benchRecords(size), size: size, partitions: partitions}
					compare(b, l.measure, c.read)
				})
			}
		}
	}
}

// benchRecords makes a run long enough for what the client reads ahead not to count.
func benchRecords(size int) int { return 800_000_000 / (size + 100) }

func compare(b *testing.B, measure func(*testing.B, reading) cost, read reading) {
	b.Helper()
	var bare, ours []cost
	for range b.N {
		bare = append(bare, measure(b, bareLoop))
		ours = append(ours, measure(b, read))
	}
	wall := func(c cost) time.Duration { return c.wall }
	cpu := func(c cost) time.Duration { return c.cpu }
	b.ReportMetric(float64(median(bare, wall))/float64(median(ours, wall)), "x-bare-rate")
	b.ReportMetric(float64(median(ours, cpu))/float64(median(bare, cpu)), "x-bare-cpu")
	b.ReportMetric(float64(median(bare, wall).Nanoseconds())/1000, "bare-ns/record") // they are of a thousand
	b.ReportMetric(float64(median(ours, wall).Nanoseconds())/1000, "ns/record")
	b.ReportMetric(ours[0].allocs-bare[0].allocs, "allocs/record-over-bare")
}

func median(costs []cost, of func(cost) time.Duration) time.Duration {
	all := make([]time.Duration, len(costs))
	for i, c := range costs {
		all[i] = of(c)
	}
	slices.Sort(all)
	return all[len(all)/2]
}
