// Sqs prints the messages of an Amazon SQS queue: go run ./examples/sqs QUEUE.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/sqs"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: go run ./examples/sqs QUEUE")
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second interrupt ends the program at once
	cfg, err := config.LoadDefaultConfig(ctx)
	check(err)
	source, err := sqs.New(awssqs.NewFromConfig(cfg), os.Args[1], sqs.Options{}) // ARN, URL or name of the queue
	check(err)
	mapping, err := esm.New(source, esm.Typed(handle), esm.Config{BatchSize: 10})
	check(err)
	check(mapping.Run(ctx)) // until interrupted; then it drains
}

func handle(_ context.Context, event events.SQSEvent) error {
	for _, message := range event.Records {
		fmt.Println(message.MessageId, message.Body)
	}
	return nil // deletes the batch; an error leaves it to the queue
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
