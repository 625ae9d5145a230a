package kafka_test

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// footprint is what is in use of heap and stacks.
func footprint() (bytes, goroutines float64) {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc + m.StackInuse), float64(runtime.NumGoroutine())
}

// BenchmarkIdle is what idle partitions cost, the client's own part of it included and
// told apart: memory and goroutines, and processor time of an idle second. The broker
// runs in the same process, and has its memory before.
func BenchmarkIdle(b *testing.B) {
	const partitions = 10_000
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, benchTopic),
		kfake.BrokerConfigs(map[string]string{"group.initial.rebalance.delay.ms": "0"}))
	if err != nil {
		b.Fatal(err)
	}
	defer cluster.Close()
	for range b.N {
		before, _ := footprint()
		client := bareIdle(b, cluster.ListenAddrs())
		bare, running := footprint()
		bareCPU := idleSecond(b)
		client.Close()
		again, _ := footprint()
		stop := mappingIdle(b, cluster.ListenAddrs(), partitions)
		ours, runningOurs := footprint()
		cpu := idleSecond(b)
		stop()
		b.ReportMetric((ours-again)/partitions, "B/partition")
		b.ReportMetric((bare-before)/partitions, "bare-B/partition")
		b.ReportMetric((runningOurs-running)/partitions, "goroutines/partition-over-bare")
		b.ReportMetric(float64(cpu.Milliseconds()), "cpu-ms/idle-s")
		b.ReportMetric(float64(bareCPU.Milliseconds()), "bare-cpu-ms/idle-s")
	}
}

// idleSecond is the processor time of a second in which nothing is asked for.
func idleSecond(b *testing.B) time.Duration {
	b.Helper()
	before := processTime(b)
	<-time.After(time.Second)
	return processTime(b) - before
}

func bareIdle(b *testing.B, brokers []string) *kgo.Client {
	b.Helper()
	assigned := make(chan struct{}, 10)
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.ConsumerGroup("bare"), kgo.ConsumeTopics(benchTopic),
		kgo.DisableAutoCommit(), kgo.OnPartitionsAssigned(func(context.Context, *kgo.Client, map[string][]int32) { assigned <- struct{}{} }))
	if err != nil {
		b.Fatal(err)
	}
	<-assigned
	<-time.After(2 * time.Second) // until it has its first long poll under way
	return client
}

func mappingIdle(b *testing.B, brokers []string, partitions int) (stop func()) {
	b.Helper()
	source, err := kafka.New(kafka.Options{BootstrapServers: brokers, Topics: []string{benchTopic}, ConsumerGroupID: "mapping"})
	if err != nil {
		b.Fatal(err)
	}
	counted := &counting{Source: source, all: make(chan struct{}), left: partitions}
	m, err := esm.New(counted, recordsHandler, esm.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	<-counted.all
	<-time.After(2 * time.Second)
	return func() {
		cancel()
		if err := <-ended; err != nil {
			b.Error(err)
		}
	}
}

// counting tells when so many partitions were accepted.
type counting struct {
	*kafka.Source

	all  chan struct{}
	left int
}

// Accept is the source's.
func (c *counting) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := c.Source.Accept(ctx)
	if err == nil {
		if c.left--; c.left == 0 {
			close(c.all)
		}
	}
	return p, err
}
