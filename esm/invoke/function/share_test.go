package function_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/invoke/function"
	"github.com/openesm/openesm/sources/memory"
)

// counter counts records in tumbling windows, as AWS's documentation does.
type counter struct {
	mu     sync.Mutex
	counts map[string]int // by shard, over its windows
}

func (c *counter) handle(_ context.Context, event events.KinesisTimeWindowEvent) (events.KinesisTimeWindowEventResponse, error) {
	var response events.KinesisTimeWindowEventResponse
	count, _ := strconv.Atoi(event.State["count"])
	if event.IsFinalInvokeForWindow {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.counts[event.ShardID] += count
		return response, nil
	}
	response.State = map[string]string{"count": strconv.Itoa(count + len(event.Records))}
	return response, nil
}

// TestWindowsOfManyShardsKeepApart: with a handler value that lanes share, shards
// get each other's states, and counts are wrong.
func TestWindowsOfManyShardsKeepApart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const shards, records = 8, 3_000 // in each
		stream := memory.NewStream(memory.StreamOptions{Partitions: shards})
		want := map[string]int{}
		for _, partition := range stream.Partitions() {
			want[partition] = records
			for range records {
				if _, err := stream.PutTo(partition, "key", []byte("data")); err != nil {
					t.Fatal(err)
				}
			}
		}
		stream.End()
		c := counter{counts: map[string]int{}}
		errs := run(t, stream.Source("app"), c.handle, function.Options{}, esm.Config{BatchSize: 10, TumblingWindow: 10 * time.Second})
		equal(t, "failures", errs, nil)
		equal(t, "counts", c.counts, want)
	})
}

// TestPartialFailuresNameOnlyThePoison: with a handler value that lanes share,
// responses name messages of other batches, which fails good ones.
func TestPartialFailuresNameOnlyThePoison(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const messages, every = 20_000, 7
		deadLetters := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
		queue := memory.NewQueue(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: deadLetters})
		var poison []string
		for i := range messages {
			body := fmt.Sprintf("good %d", i)
			if i%every == 0 {
				body = fmt.Sprintf("poison %d", i)
				poison = append(poison, body)
			}
			queue.Send(body)
		}
		queue.End()
		errs := run(t, queue.Source(), failPoison, function.Options{}, esm.Config{ReportBatchItemFailures: true})
		equal(t, "batches that failed as a whole", errs, nil)
		equal(t, "deleted", queue.Deleted(), messages-len(poison))
		for _, body := range deadLetters.Bodies() {
			if !strings.HasPrefix(body, "poison") {
				t.Errorf("dead letter: %s", body)
			}
		}
	})
}

// failPoison reports the messages that it cannot handle.
func failPoison(_ context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	var response events.SQSEventResponse
	for _, message := range event.Records {
		if strings.HasPrefix(message.Body, "poison") {
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
		}
	}
	return response, nil
}

// TestStreamOfFailingRecords runs a function of a stream that reports the record it
// cannot handle, over many shards.
func TestStreamOfFailingRecords(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const shards, records, poison = 8, 800, 100
		stream := memory.NewStream(memory.StreamOptions{Partitions: shards})
		for i := range records {
			stream.Put("key "+strconv.Itoa(i), []byte(strconv.Itoa(i)))
		}
		stream.End()
		var mu sync.Mutex
		handled, gaveUp := map[string]int{}, map[string]int{}
		handle := func(event events.KinesisEvent) (events.KinesisEventResponse, error) {
			mu.Lock()
			defer mu.Unlock()
			for _, record := range event.Records {
				if n, _ := strconv.Atoi(string(record.Kinesis.Data)); n%poison == 0 {
					return events.KinesisEventResponse{BatchItemFailures: []events.KinesisBatchItemFailure{
						{ItemIdentifier: record.Kinesis.SequenceNumber},
					}}, nil
				}
				handled[string(record.Kinesis.Data)]++
			}
			return events.KinesisEventResponse{}, nil
		}
		errs := run(t, stream.Source("app"), handle, function.Options{}, esm.Config{
			ReportBatchItemFailures: true, BisectBatchOnFunctionError: true, MaximumRetryAttempts: new(1),
			OnFailure: esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
				mu.Lock()
				defer mu.Unlock()
				for _, r := range record.Records {
					gaveUp[string(r.Data)]++
				}
				return nil
			}),
		})
		equal(t, "failures", errs, nil)
		equal(t, "handled", len(handled), records-records/poison)
		for n := range gaveUp {
			if i, _ := strconv.Atoi(n); i%poison != 0 {
				t.Errorf("given up: %s", n)
			}
		}
		equal(t, "given up", len(gaveUp), records/poison)
	})
}

// TestHandlerValueServesOneInvocationAtATime counts the values made, and what
// serves whom.
func TestHandlerValueServesOneInvocationAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const lanes = 4
		queue := memory.NewQueue(memory.QueueOptions{})
		var mu sync.Mutex
		made := 0
		environment := func() lambda.Handler {
			mu.Lock()
			made++
			mu.Unlock()
			running := false // without a lock: the race detector watches
			return lambda.NewHandler(func(context.Context, json.RawMessage) error {
				if running {
					return errFunction
				}
				running = true
				time.Sleep(time.Second)
				running = false
				return nil
			})
		}
		for i := range 100 {
			queue.Send(strconv.Itoa(i))
		}
		queue.End()
		errs := run(t, queue.Source(), environment, function.Options{}, esm.Config{BatchSize: 1, MaximumConcurrency: lanes})
		equal(t, "failures", errs, nil)
		equal(t, "handler values", made, lanes)
	})
}

// TestAbandonedInvocationKeepsItsHandlerValue: a function that outlives its batch
// may still write to the buffer of its handler value.
func TestAbandonedInvocationKeepsItsHandlerValue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		deadLetters := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
		queue := memory.NewQueue(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: deadLetters})
		for _, body := range []string{"hangs", "a", "b"} {
			queue.Send(body)
		}
		queue.End()
		busy := map[int]bool{}
		var mu sync.Mutex
		made := 0
		environment := func() lambda.Handler {
			mu.Lock()
			defer mu.Unlock()
			made++
			number := made
			return lambda.NewHandler(func(event events.SQSEvent) error {
				mu.Lock()
				if busy[number] {
					t.Error("in use by two")
				}
				busy[number] = true
				mu.Unlock()
				if event.Records[0].Body == "hangs" {
					time.Sleep(time.Minute)
				}
				mu.Lock()
				busy[number] = false
				mu.Unlock()
				return nil
			})
		}
		errs := run(t, queue.Source(), environment, function.Options{}, esm.Config{
			BatchSize: 1, MaximumConcurrency: 1, Timeout: 5 * time.Second,
		})
		equal(t, "failures", len(errs), 1)
		equal(t, "deleted", queue.Deleted(), 2)
		equal(t, "handler values", made, 2)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
	})
}

// TestThrottleOfTheFunctionIsFound: an error within an error keeps its meaning.
func TestThrottleOfTheFunctionIsFound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		queue := memory.NewQueue(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: memory.NewQueue(memory.QueueOptions{})})
		queue.Send("a")
		queue.End()
		calls := 0
		errs := run(t, queue.Source(), func() (string, error) {
			if calls++; calls < 3 {
				return "", fmt.Errorf("table orders: %w", &esm.ThrottleError{RetryAfter: time.Second, Err: errFunction})
			}
			return "done", nil
		}, function.Options{}, esm.Config{})
		equal(t, "failures", errs, nil)
		equal(t, "calls", calls, 3)
		equal(t, "deleted", queue.Deleted(), 1)
	})
}
