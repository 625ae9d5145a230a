package dynamodbstreams_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	awsstreams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/dynamodbstreams"
	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

const benchBatch = 1000

// load is one run: so many changes of items of ten attributes and about 500 bytes, with
// both images, in a fresh stream of one shard on the wire fake.
type load struct {
	records int
	// documents has the handler take event documents.
	documents bool
}

// cost is what a run took for each record.
type cost struct {
	wall, cpu time.Duration
	allocs    float64
}

// stage is a server that is filled.
type stage struct {
	server     *dynamodbstreamstest.Server
	client     *awsstreams.Client
	arn, shard string
}

// reading reads a stream to its end. What it returns is called afterwards, when the
// server has gone.
type reading func(s stage) (after func())

// measure fills a stream, runs read on it and divides by the records.
func (l load) measure(b *testing.B, read reading) cost {
	b.Helper()
	s := stage{server: dynamodbstreamstest.New()}
	var err error
	if s.arn, err = s.server.AddTable("orders", dynamodbstreamstest.Setup{}); err != nil {
		b.Fatal(err)
	}
	s.shard, s.client = s.server.Shards(s.arn)[0].ID, s.server.Client()
	image := json.RawMessage(`{"id":{"S":"o-1234567"},"line":{"N":"3"},"price":{"N":"12.50"},"paid":{"BOOL":true},"version":{"N":"2"},` +
		`"tags":{"SS":["new","gift","express"]},"address":{"M":{"city":{"S":"Espoo"},"street":{"S":"Rantatie 1"},"zip":{"S":"02100"}}},` +
		`"customer":{"S":"c-` + strings.Repeat("7", 40) + `"},"note":{"S":"` + strings.Repeat("please ring twice ", 12) + `"},"etag":{"B":"` +
		strings.Repeat("eHh4", 16) + `"}}`)
	raw := dynamodbstreamstest.Raw{
		Event: types.OperationTypeModify, Keys: json.RawMessage(`{"id":{"S":"o-1234567"},"line":{"N":"3"}}`), NewImage: image, OldImage: image,
	}
	for range l.records {
		if _, err := s.server.Append(s.arn, s.shard, raw); err != nil {
			b.Fatal(err)
		}
	}
	var before, then runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	cpu, start := processTime(b), time.Now()
	after := read(s)
	wall := time.Since(start)
	cpu = processTime(b) - cpu
	runtime.ReadMemStats(&then)
	if err := s.server.Close(); err != nil {
		b.Error(err)
	}
	after()
	n := time.Duration(l.records)
	return cost{wall: wall / n, cpu: cpu / n, allocs: float64(then.Mallocs-before.Mallocs) / float64(l.records)}
}

func processTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// bareLoop reads with the SDK alone.
func (l load) bareLoop(b *testing.B) reading {
	b.Helper()
	return func(s stage) func() {
		at, err := s.client.GetShardIterator(b.Context(), &awsstreams.GetShardIteratorInput{
			StreamArn: &s.arn, ShardId: &s.shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		})
		if err != nil {
			b.Fatal(err)
		}
		iterator := at.ShardIterator
		for read := 0; read < l.records; {
			out, err := s.client.GetRecords(b.Context(), &awsstreams.GetRecordsInput{ShardIterator: iterator, Limit: new(int32(benchBatch))})
			if err != nil {
				b.Fatal(err)
			}
			iterator = out.NextShardIterator
			read += len(out.Records)
		}
		return func() {}
	}
}

// answering is a function that gives the same answer always.
type answering string

func (a answering) Invoke(context.Context, []byte) ([]byte, error) { return []byte(a), nil }

// mapping reads with engine and adapter.
func (l load) mapping(b *testing.B) reading {
	b.Helper()
	return func(s stage) func() {
		source, err := dynamodbstreams.New(s.client, s.arn, exclusive{checkpoint.NewMemory()}, dynamodbstreams.Options{CallInterval: -1})
		if err != nil {
			b.Fatal(err)
		}
		var (
			handled atomic.Int64
			once    sync.Once
			run     sync.WaitGroup
			done    = make(chan struct{})
		)
		handler := esm.Records(func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil })
		if l.documents {
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
			if err := mapping.Run(ctx); err != nil {
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
	for _, documents := range []bool{false, true} {
		b.Run(fmt.Sprintf("documents=%t", documents), func(b *testing.B) { load{records: 20_000, documents: documents}.versus(b) })
	}
}
