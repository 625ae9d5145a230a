// Quickstart runs an event source mapping on an embedded queue: no network, no
// account, done in seconds.
//
//	go run ./examples/quickstart
//
// 300 messages come in over three seconds; five of them are poison. A mapping
// gathers batches of up to 25 within a window of half a second and hands them to
// a Lambda-style handler, which reports the messages that failed. Those come
// back after the visibility timeout, and after three tries the queue's redrive
// policy moves them to the dead-letter queue.
//
// To consume a real queue, replace the embedded one by package sources/sqs: the
// handler and the mapping stay as they are.
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/memory"
)

const (
	messages = 300
	poison   = 60 // every 60th message cannot be handled
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second interrupt ends the program at once
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	deadLetters := memory.NewQueue(memory.QueueOptions{Name: "orders-dlq"})
	queue := memory.NewQueue(memory.QueueOptions{
		Name:              "orders",
		VisibilityTimeout: time.Second,
		MaxReceiveCount:   3,
		DeadLetter:        deadLetters,
	})
	shop := newShop(out)
	mapping, err := esm.New(queue.Source(), esm.TypedResponse(shop.handle), esm.Config{
		BatchSize:               25,
		MaximumBatchingWindow:   500 * time.Millisecond,
		ReportBatchItemFailures: true,
		MaximumConcurrency:      2,
		Timeout:                 500 * time.Millisecond,
		Observer:                shop.observe,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d messages, every %dth is poison; BatchSize 25, window 500ms, "+
		"3 receives, then the dead-letter queue\n\n", messages, poison)
	var producer sync.WaitGroup
	producer.Go(func() {
		for i := 1; i <= messages; i++ {
			body := fmt.Sprintf("order %d", i)
			if i%poison == 0 {
				body = fmt.Sprintf("poison %d", i)
			}
			queue.Send(body)
			time.Sleep(10 * time.Millisecond)
		}
		queue.End() // lets Run return once everything is handled
	})
	err = mapping.Run(ctx) // blocks until the queue has ended or ctx is done
	producer.Wait()
	if err != nil {
		return err
	}
	shop.account(deadLetters.Len(), queue.Deleted())
	return nil
}

// shop is the business: it handles orders.
type shop struct {
	out   io.Writer
	start time.Time

	mu      sync.Mutex
	batches int
	handled int
	failed  int
	counts  map[esm.Metric]int
}

func newShop(out io.Writer) *shop {
	return &shop{out: out, start: time.Now(), counts: map[esm.Metric]int{}}
}

// handle is an ordinary Lambda handler for SQS events.
func (s *shop) handle(_ context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	var response events.SQSEventResponse
	var failures []string
	for _, message := range event.Records {
		if strings.HasPrefix(message.Body, "poison") {
			response.BatchItemFailures = append(response.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
			failures = append(failures, fmt.Sprintf("%s (receive %s of 3)",
				message.Body, message.Attributes["ApproximateReceiveCount"]))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.batches++
	s.handled += len(event.Records) - len(failures)
	s.failed += len(failures)
	line := fmt.Sprintf("%6.2fs  batch %2d: %2d messages", time.Since(s.start).Seconds(), s.batches, len(event.Records))
	switch {
	case len(event.Records) == 25:
		line += ", closed by BatchSize"
	default:
		line += ", closed by the window"
	}
	if len(failures) > 0 {
		line += "; failed: " + strings.Join(failures, ", ")
	}
	fmt.Fprintln(s.out, line)
	return response, nil
}

// observe takes the counts behind AWS's metrics.
func (s *shop) observe(o esm.Observation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts[o.Metric] += o.Count
}

// account prints where every message went.
func (s *shop) account(deadLettered, deleted int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	received := s.counts[esm.PolledEventCount]
	retried := s.failed - deadLettered
	fmt.Fprintf(s.out, `
sent           %4d
received       %4d  (PolledEventCount)
  handled      %4d  with success, in %d batches
  retried      %4d  failed and came back after the visibility timeout
  dead-lettered%4d  after three receives
deleted        %4d  of %d handled (DeletedEventCount %d)
`, messages, received, s.handled, s.batches, retried, deadLettered, deleted, s.handled, s.counts[esm.DeletedEventCount])
	if s.handled+retried+deadLettered == received && deleted+deadLettered == messages {
		fmt.Fprintln(s.out, "\nIt adds up: every message was handled and deleted, or is in the dead-letter queue.")
	} else {
		fmt.Fprintln(s.out, "\nIt does not add up.")
	}
}
