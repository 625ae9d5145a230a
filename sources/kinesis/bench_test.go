package kinesis_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// load is one run: so many records in a fresh stream of one shard on the wire fake.
type load struct {
	records, size int
	// atMost is how many records an answer has, 0 for as many as the service gives,
	// and delay how long it takes.
	atMost int
	delay  time.Duration
	// handler is how long the handler takes for a batch of 1,000.
	handler time.Duration
	// bytes has the handler take event documents.
	bytes bool
}

// cost is what a run took for each record.
type cost struct {
	wall, cpu time.Duration
	allocs    float64
}

// reading reads a stream to its end. What it returns is called afterwards, when the
// server has gone.
type reading func(client *awskinesis.Client) (after func())

const benchBatch = 1000

// measure fills a stream, runs read on it and divides by the records.
func (l load) measure(b *testing.B, read reading) cost {
	b.Helper()
	server := kinesistest.New()
	err := server.AddStream(telemetry, 1)
	if err != nil {
		b.Fatal(err)
	}
	data := []byte(strings.Repeat("0123456789abcdef", l.size/16+1)[:l.size])
	records := slices.Repeat([]kinesistest.Record{{Key: "device-17", Data: data}}, l.records)
	err = server.PutRecords(telemetry, records)
	if err != nil {
		b.Fatal(err)
	}
	if l.atMost > 0 || l.delay > 0 {
		server.SetFault(func(c kinesistest.Call) kinesistest.Fault {
			if c.Action != "GetRecords" {
				return kinesistest.Fault{}
			}
			return kinesistest.Fault{AtMost: l.atMost, Delay: l.delay}
		})
	}
	client := server.Client()
	var before, then runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, start := processTime(b), time.Now()
	after := read(client)
	wall := time.Since(start)
	cpu = processTime(b) - cpu
	runtime.ReadMemStats(&then)
	err = server.Close()
	if err != nil {
		b.Error(err)
	}
	after()
	n := time.Duration(l.records)
	return cost{wall: wall / n, cpu: cpu / n, allocs: float64(then.Mallocs-before.Mallocs) / float64(l.records)}
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

// bareLoop reads and handles in turn, with the SDK alone.
func (l load) bareLoop(b *testing.B) reading {
	b.Helper()
	return func(client *awskinesis.Client) func() {
		at, err := client.GetShardIterator(b.Context(), &awskinesis.GetShardIteratorInput{
			StreamARN: new(telemetry), ShardId: new(firstShard), ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			b.Fatal(err)
		}
		iterator := at.ShardIterator
		for read := 0; read < l.records; {
			out, err := client.GetRecords(b.Context(), &awskinesis.GetRecordsInput{
				StreamARN: new(telemetry), ShardIterator: iterator, Limit: new(int32(10_000)),
			})
			if err != nil {
				b.Fatal(err)
			}
			iterator = out.NextShardIterator
			read += len(out.Records)
			if l.handler > 0 {
				time.Sleep(l.handler * time.Duration(len(out.Records)) / benchBatch)
			}
		}
		return func() {}
	}
}

// mapping reads with engine and adapter, on the records path.
func (l load) mapping(b *testing.B) reading {
	b.Helper()
	return func(client *awskinesis.Client) func() {
		source, err := kinesis.New(client, telemetry, exclusive{checkpoint.NewMemory()}, kinesis.Options{
			CallInterval: -1, BytesPerSecond: -1,
		})
		if err != nil {
			b.Fatal(err)
		}
		var (
			handled atomic.Int64
			once    sync.Once
			run     sync.WaitGroup
			done    = make(chan struct{})
		)
		handler := esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if l.handler > 0 {
				time.Sleep(l.handler * time.Duration(len(records)) / benchBatch)
			}
			return esm.Response{}, nil
		})
		if l.bytes {
			handler = esm.Bytes(answering(""))
		}
		mapping, err := esm.New(source, handler, esm.Config{
			BatchSize: benchBatch, Timeout: time.Minute, Logger: slog.New(slog.DiscardHandler),
			Observer: func(o esm.Observation) {
				if o.Err != nil {
					b.Log(o.Metric, o.Err)
				}
				if o.Metric == esm.CommittedEventCount && handled.Add(int64(o.Count)) >= int64(l.records) {
					once.Do(func() { close(done) })
				}
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		run.Go(func() {
			err := mapping.Run(ctx)
			if err != nil {
				b.Error(err)
			}
			once.Do(func() { close(done) })
		})
		<-done
		cancel()
		return run.Wait
	}
}

// exclusive is a store that needs no renewals, as package file's.
type exclusive struct{ checkpoint.Store }

func (exclusive) Exclusive() {}

// versus runs both in turn and reports the medians of their ratios.
func (l load) versus(b *testing.B) {
	b.Helper()
	var speed, cpu, allocs []float64
	for b.Loop() {
		bare := l.measure(b, l.bareLoop(b))
		ours := l.measure(b, l.mapping(b))
		speed = append(speed, float64(bare.wall)/float64(ours.wall))
		cpu = append(cpu, float64(ours.cpu)/float64(bare.cpu))
		allocs = append(allocs, ours.allocs-bare.allocs)
	}
	b.ReportMetric(median(speed), "x-bare-rate")
	b.ReportMetric(median(cpu), "x-bare-cpu")
	b.ReportMetric(median(allocs), "allocs/record-over-bare")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkMapping compares engine plus adapter with a bare GetRecords loop of the same
// SDK client, in one run and in turn. The wire fake runs in the same process and counts
// on both sides. An operation is one run of both.
func BenchmarkMapping(b *testing.B) {
	b.Run("1KiB", func(b *testing.B) { load{records: 60_000, size: 1 << 10}.versus(b) })
	b.Run("100B", func(b *testing.B) { load{records: 200_000, size: 100}.versus(b) })
	b.Run("1KiB/answers=1000", func(b *testing.B) { load{records: 60_000, size: 1 << 10, atMost: 1000}.versus(b) })
	b.Run("100B/answers=1000", func(b *testing.B) { load{records: 200_000, size: 100, atMost: 1000}.versus(b) })
	b.Run("100B/documents", func(b *testing.B) { load{records: 200_000, size: 100, bytes: true}.versus(b) })
}

// BenchmarkSlowHandler has a handler that takes as long as a fetch, so that one can go
// on beside the other.
func BenchmarkSlowHandler(b *testing.B) {
	for _, size := range []int{100, 1 << 10} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			l := load{records: 50_000, size: size, atMost: benchBatch, delay: 20 * time.Millisecond}
			l.handler = l.measure(b, l.bareLoop(b)).wall * benchBatch
			l.versus(b)
		})
	}
}

// emptyClient is a client of a stream of idle shards, which costs next to nothing.
type emptyClient struct {
	shards []types.Shard
	polls  atomic.Int64
}

func newEmptyClient(shards int) *emptyClient {
	c := new(emptyClient)
	for i := range shards {
		c.shards = append(c.shards, types.Shard{
			ShardId: new(fmt.Sprintf("shardId-%012d", i)), SequenceNumberRange: &types.SequenceNumberRange{},
		})
	}
	return c
}

func (c *emptyClient) DescribeStreamSummary(
	context.Context, *awskinesis.DescribeStreamSummaryInput, ...func(*awskinesis.Options),
) (*awskinesis.DescribeStreamSummaryOutput, error) {
	return &awskinesis.DescribeStreamSummaryOutput{StreamDescriptionSummary: &types.StreamDescriptionSummary{
		StreamARN: new(telemetry), RetentionPeriodHours: new(int32(24)), StreamStatus: types.StreamStatusActive,
	}}, nil
}

func (c *emptyClient) ListShards(
	context.Context, *awskinesis.ListShardsInput, ...func(*awskinesis.Options),
) (*awskinesis.ListShardsOutput, error) {
	return &awskinesis.ListShardsOutput{Shards: c.shards}, nil
}

func (c *emptyClient) GetShardIterator(
	context.Context, *awskinesis.GetShardIteratorInput, ...func(*awskinesis.Options),
) (*awskinesis.GetShardIteratorOutput, error) {
	return &awskinesis.GetShardIteratorOutput{ShardIterator: new(strings.Clone(text))}, nil
}

var text = strings.Repeat("iterator", 28) // as long as those of the service

func (c *emptyClient) GetRecords(
	context.Context, *awskinesis.GetRecordsInput, ...func(*awskinesis.Options),
) (*awskinesis.GetRecordsOutput, error) {
	c.polls.Add(1)
	deep(64)
	return &awskinesis.GetRecordsOutput{Records: []types.Record{}, NextShardIterator: new(strings.Clone(text)), MillisBehindLatest: new(int64(0))}, nil
}

// deep takes as much stack as the SDK does, 32 KiB.
//
//go:noinline
func deep(n int) byte {
	var frame [512]byte
	if n > 0 {
		frame[n] = deep(n - 1)
	}
	return frame[n]
}

// BenchmarkIdle is what idle shards cost: memory, stacks and buffers of engine, lease
// manager and adapter included, and CPU between and at their polls, without the SDK's.
func BenchmarkIdle(b *testing.B) {
	const shards = 10_000
	client := newEmptyClient(shards)
	before := heap()
	source, err := kinesis.New(client, telemetry, exclusive{checkpoint.NewMemory()}, kinesis.Options{})
	if err != nil {
		b.Fatal(err)
	}
	mapping, err := esm.New(source, esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
		return esm.Response{}, nil
	}), esm.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var run sync.WaitGroup
	run.Go(func() {
		err := mapping.Run(ctx)
		if err != nil {
			b.Error(err)
		}
	})
	for client.polls.Load() < 3*shards {
		time.Sleep(10 * time.Millisecond)
	}
	runtime.GC() // stacks shrink
	after := heap()
	polls, cpu, start := client.polls.Load(), processTime(b), time.Now()
	for b.Loop() {
		time.Sleep(time.Second)
	}
	cpu, wall := processTime(b)-cpu, time.Since(start)
	polls = client.polls.Load() - polls
	b.ReportMetric(float64(after-before)/shards, "bytes/shard")
	b.ReportMetric(float64(runtime.NumGoroutine())/shards, "goroutines/shard")
	b.ReportMetric(float64(polls)/wall.Seconds()/shards, "polls/s/shard")
	b.ReportMetric(float64(cpu.Nanoseconds())/float64(polls), "cpu-ns/poll")
	cancel()
	run.Wait()
}

// heap is what heap and stacks take after a collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
