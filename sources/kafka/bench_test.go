package kafka_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
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

// reading reads that many records, and commits.
type reading func(b *testing.B, brokers []string, l load)

const (
	benchTopic = "bench"
	benchBatch = 1000
)

// measure runs read on a fresh broker and divides by the records.
func (l load) measure(b *testing.B, read reading) cost {
	b.Helper()

	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(int32(l.partitions), benchTopic),
		kfake.SyntheticFetch(kfake.SyntheticBatch{RecordBytes: l.size}),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()

	var before, then runtime.MemStats

	runtime.GC()
	runtime.ReadMemStats(&before)

	cpu, start := processTime(b), time.Now()
	read(b, cluster.ListenAddrs(), l)
	wall := time.Since(start)
	cpu = processTime(b) - cpu

	runtime.ReadMemStats(&then)

	n := float64(l.records)

	return cost{
		wall: time.Duration(float64(wall) * 1000 / n), cpu: time.Duration(float64(cpu) * 1000 / n), // of a thousand
		allocs: float64(then.Mallocs-before.Mallocs) / n,
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
func bareLoop(b *testing.B, brokers []string, l load) {
	b.Helper()

	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumerGroup("bare"), kgo.ConsumeTopics(benchTopic),
		kgo.DisableAutoCommit())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()

	for read := 0; read < l.records; {
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
	}
}

// mapping reads with engine and adapter.
func mapping(handler esm.Handler) reading {
	return func(b *testing.B, brokers []string, l load) {
		b.Helper()

		source, err := kafka.New(kafka.Options{BootstrapServers: brokers, Topics: []string{benchTopic}, ConsumerGroupID: "mapping"})
		if err != nil {
			b.Fatal(err)
		}

		var (
			handled atomic.Int64
			once    sync.Once
		)

		ctx, cancel := context.WithCancel(b.Context())
		defer cancel()

		m, err := esm.New(source, handler, esm.Config{
			BatchSize: benchBatch, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
			Observer: func(o esm.Observation) {
				if o.Err != nil {
					b.Log(o.Metric, o.Err)
				}

				if o.Metric == esm.CommittedEventCount && handled.Add(int64(o.Count)) >= int64(l.records) {
					once.Do(cancel)
				}
			},
		})
		if err != nil {
			b.Fatal(err)
		}

		err = m.Run(ctx)
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
					compare(b, load{records: benchRecords(size), size: size, partitions: partitions}, c.read)
				})
			}
		}
	}
}

// benchRecords makes a run long enough for what it has to begin with not to count.
func benchRecords(size int) int { return 400_000_000 / (size + 100) }

func compare(b *testing.B, l load, read reading) {
	b.Helper()

	var bare, ours []cost
	for range b.N {
		bare = append(bare, l.measure(b, bareLoop))
		ours = append(ours, l.measure(b, read))
	}

	wall := func(c cost) time.Duration { return c.wall }
	cpu := func(c cost) time.Duration { return c.cpu }

	b.ReportMetric(float64(median(bare, wall))/float64(median(ours, wall)), "x-bare-rate")
	b.ReportMetric(float64(median(ours, cpu))/float64(median(bare, cpu)), "x-bare-cpu")
	b.ReportMetric(float64(median(bare, wall))/1000, "bare-ns/record")
	b.ReportMetric(float64(median(ours, wall))/1000, "ns/record")
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

var _ = strconv.Itoa
