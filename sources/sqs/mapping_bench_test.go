package sqs_test

import (
	"context"
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

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// load is one run: so many messages in a fresh queue on the wire fake.
type load struct {
	messages, receivers int
	// batch is the handler's batch size.
	batch int
	// answer is how long a receive and a delete take to be answered.
	answer time.Duration
}

// cost is what a run took for each message.
type cost struct {
	wall, cpu time.Duration
	calls     float64
}

// consumer empties a queue: until deleted tells that all messages are gone. What
// it returns is called afterwards, when the server has gone.
type consumer func(client *awssqs.Client, url string, deleted func() int) (after func())

// measure seeds a queue, runs consume on it and divides by the messages.
func (l load) measure(b *testing.B, consume consumer) cost {
	b.Helper()
	server := sqstest.New()
	url, err := server.AddQueue("arn:aws:sqs:eu-west-1:123456789012:bench", map[string]string{"VisibilityTimeout": "5"})
	if err != nil {
		b.Fatal(err)
	}
	bodies := slices.Repeat([]string{strings.Repeat("0123456789abcde ", 16)}, l.messages)
	if _, err := server.Send(url, bodies...); err != nil {
		b.Fatal(err)
	}
	if l.answer > 0 {
		server.SetFault(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Delay: l.answer} })
	}
	client := server.Client()
	runtime.GC()
	before, start := processTime(b), time.Now()
	after := consume(client, url, func() int { return server.Counts(url).Deleted })
	wall, cpu := time.Since(start), processTime(b)-before
	if left := server.Counts(url); left.Deleted != l.messages {
		b.Fatalf("%+v after %d messages", left, l.messages)
	}
	calls := server.Calls("ReceiveMessage") + server.Calls("DeleteMessageBatch")
	if err := server.Close(); err != nil {
		b.Error(err)
	}
	after()
	n := time.Duration(l.messages)
	return cost{wall: wall / n, cpu: cpu / n, calls: float64(calls) / float64(l.messages)}
}

func processTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// bareLoop receives, handles (nothing) and deletes in turn, with the SDK alone.
func (l load) bareLoop(b *testing.B) consumer {
	b.Helper()
	return func(client *awssqs.Client, url string, gone func() int) func() {
		var deleted atomic.Int64
		var loops sync.WaitGroup
		for range l.receivers {
			loops.Go(func() {
				for deleted.Load() < int64(l.messages) || gone() < l.messages {
					out, err := client.ReceiveMessage(b.Context(), &awssqs.ReceiveMessageInput{
						QueueUrl: &url, MaxNumberOfMessages: 10,
						MessageAttributeNames:       []string{"All"},
						MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
					})
					if err != nil {
						b.Log(err) // its messages come back
						continue
					}
					if len(out.Messages) == 0 {
						continue
					}
					entries := make([]types.DeleteMessageBatchRequestEntry, len(out.Messages))
					for i, m := range out.Messages {
						entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(string(rune('a' + i))), ReceiptHandle: m.ReceiptHandle}
					}
					if _, err := client.DeleteMessageBatch(b.Context(), &awssqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries}); err != nil {
						b.Log(err)
						continue
					}
					deleted.Add(int64(len(entries)))
				}
			})
		}
		loops.Wait()
		return func() {}
	}
}

// scaled is a source that has all its lanes from the start.
type scaled struct {
	*sqs.Source
	lanes int
}

// Traits implements [sources.Source].
func (s scaled) Traits() sources.Traits {
	t := s.Source.Traits()
	t.Scaling = sources.Scaling{Initial: s.lanes, Idle: s.lanes, Max: s.lanes}
	return t
}

// mapping consumes the queue with engine and adapter, on the records path.
func (l load) mapping(b *testing.B) consumer {
	b.Helper()
	return func(client *awssqs.Client, url string, gone func() int) func() {
		source, err := sqs.New(client, url, sqs.Options{WaitTime: time.Second})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		done := make(chan struct{})
		var deleted atomic.Int64
		var once sync.Once
		mapping, err := esm.New(scaled{source, l.receivers}, esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, nil
		}), esm.Config{
			BatchSize: l.batch, MaximumConcurrency: l.receivers, Timeout: time.Second, Logger: slog.New(slog.DiscardHandler),
			Observer: func(o esm.Observation) {
				if o.Err != nil {
					b.Log(o.Metric, o.Err)
				}
				if o.Metric == esm.DeletedEventCount && deleted.Add(int64(o.Count)) >= int64(l.messages) && gone() == l.messages {
					once.Do(func() { close(done) })
				}
			},
		})
		if err != nil {
			b.Fatal(err)
		}
		var run sync.WaitGroup
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

// versus runs both in turn and reports the median of their ratios.
func (l load) versus(b *testing.B) {
	b.Helper()
	var speed, cpu, calls []float64
	for b.Loop() {
		bare := l.measure(b, l.bareLoop(b))
		ours := l.measure(b, l.mapping(b))
		speed = append(speed, float64(bare.wall)/float64(ours.wall))
		cpu = append(cpu, float64(ours.cpu)/float64(bare.cpu))
		calls = append(calls, ours.calls)
	}
	b.ReportMetric(median(speed), "x-bare-rate")
	b.ReportMetric(median(cpu), "x-bare-cpu")
	b.ReportMetric(median(calls), "calls/message")
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// BenchmarkMapping compares engine plus adapter with a bare loop of the same
// SDK client and the same number of receivers, in one run and in turn. The
// wire fake runs in the same process and counts on both sides.
func BenchmarkMapping(b *testing.B) {
	for _, receivers := range []int{1, 2, 4} {
		b.Run(fmt.Sprintf("ten/receivers=%d", receivers), func(b *testing.B) {
			load{messages: 50_000, receivers: receivers, batch: 10}.versus(b)
		})
	}
	b.Run("5ms", func(b *testing.B) {
		load{messages: 4_000, receivers: 4, batch: 10, answer: 5 * time.Millisecond}.versus(b)
	})
	b.Run("one", func(b *testing.B) { load{messages: 10_000, receivers: 4, batch: 1}.versus(b) })
	b.Run("one/5ms", func(b *testing.B) {
		load{messages: 4_000, receivers: 4, batch: 1, answer: 5 * time.Millisecond}.versus(b)
	})
}

// BenchmarkIdle is what a mapping on an empty queue costs: its long polls, and
// nothing between them. An operation is a tenth of a second.
func BenchmarkIdle(b *testing.B) {
	server := sqstest.New()
	defer server.Close()
	url, err := server.AddQueue("arn:aws:sqs:eu-west-1:123456789012:idle", nil)
	if err != nil {
		b.Fatal(err)
	}
	source, err := sqs.New(server.Client(), url, sqs.Options{WaitTime: time.Second})
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
		if err := mapping.Run(ctx); err != nil {
			b.Error(err)
		}
	})
	before, start := processTime(b), time.Now()
	for b.Loop() {
		time.Sleep(100 * time.Millisecond)
	}
	cpu, wall := processTime(b)-before, time.Since(start)
	b.ReportMetric(float64(cpu.Microseconds())/wall.Seconds(), "cpu-µs/s")
	b.ReportMetric(float64(server.Calls("ReceiveMessage"))/wall.Seconds(), "polls/s")
	cancel()
	run.Wait()
}
