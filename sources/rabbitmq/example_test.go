package rabbitmq_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"

	"github.com/aws/aws-lambda-go/events"
	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/rabbitmq"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

// A handler for AWS Lambda, on a queue of Amazon MQ. What was not handled after ten retries
// is rejected, and ends in the queue's dead-letter exchange.
func Example() { //nolint:testableexamples // it needs a real broker
	source, err := rabbitmq.New(rabbitmq.Options{
		Endpoints:   []string{"amqps://b-1234.mq.eu-west-1.amazonaws.com:5671"},
		Queue:       "stock",
		Access:      rabbitmq.BasicAuth("lambda", os.Getenv("RABBITMQ_PASSWORD")),
		DeadLetters: true,
	})
	if err != nil {
		log.Print(err)
		return
	}
	handler := esm.Typed(func(_ context.Context, event events.RabbitMQEvent) error {
		for queue, messages := range event.MessagesByQueue {
			log.Print(len(messages), " messages of ", queue)
		}
		return nil
	})
	mapping, err := esm.New(source, handler, esm.Config{MaximumRetryAttempts: new(10)})
	if err != nil {
		log.Print(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // so that a second interrupt ends the program at once
	if err = mapping.Run(ctx); err != nil {
		log.Print(err)
	}
}

// A test of a handler, on a broker in the process.
func ExampleNew() {
	broker := rabbitmqtest.NewBroker(rabbitmqtest.Options{})
	defer broker.Close()
	broker.Declare("stock", rabbitmqtest.QueueOptions{})
	err := broker.Publish("stock", amqp.Publishing{MessageId: "m-1", Body: []byte(`{"sku":"A1"}`)})
	if err != nil {
		log.Print(err)
		return
	}
	source, err := rabbitmq.New(rabbitmq.Options{
		Endpoints: []string{"amqp://broker"}, Queue: "stock", Access: rabbitmq.BasicAuth("guest", "guest"), Dialer: broker,
	})
	if err != nil {
		log.Print(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	mapping, err := esm.New(source, esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		for _, r := range records {
			fmt.Println(r.ID, string(r.Data))
		}
		stop()
		return esm.Response{}, nil
	}), esm.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		log.Print(err)
		return
	}
	err = mapping.Run(ctx)
	fmt.Println(err, broker.Acked("stock"))
	// Output:
	// m-1 {"sku":"A1"}
	// <nil> 1
}
