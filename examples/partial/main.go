// Partial shows a handler that reports the messages that failed, on an embedded
// queue.
//
//	go run ./examples/partial
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func main() {
	deadLetters := memory.NewQueue(memory.QueueOptions{})
	queue := memory.NewQueue(memory.QueueOptions{
		VisibilityTimeout: time.Second, MaxReceiveCount: 2, DeadLetter: deadLetters,
	})
	for i := range 10 {
		queue.Send(fmt.Sprintf("order %d", i))
	}
	queue.Send("poison")
	queue.End()
	mapping, err := newMapping(queue.Source())
	if err != nil {
		log.Fatal(err)
	}
	if err := mapping.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("deleted %d, dead letters %q\n", queue.Deleted(), deadLetters.Bodies())
}

var errPoison = errors.New("cannot be handled")

func process(message events.SQSMessage) error {
	if message.Body == "poison" {
		return errPoison
	}
	return nil
}

func handle(_ context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	var response events.SQSEventResponse
	for _, message := range event.Records {
		if err := process(message); err != nil {
			response.BatchItemFailures = append(response.BatchItemFailures,
				events.SQSBatchItemFailure{ItemIdentifier: message.MessageId})
		}
	}
	return response, nil
}

func newMapping(source sources.Source) (*esm.Mapping, error) {
	return esm.New(source, esm.TypedResponse(handle), esm.Config{
		BatchSize:               10,
		MaximumBatchingWindow:   500 * time.Millisecond,
		ReportBatchItemFailures: true,
		Timeout:                 500 * time.Millisecond,
	})
}
