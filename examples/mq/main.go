// MQ reads a queue of RabbitMQ and one of ActiveMQ, of Amazon MQ or any other. The brokers
// are embedded, so it needs nothing and is done in seconds:
//
//	go run ./examples/mq
//
// or a real one. In RabbitMQ it makes two queues of its own and removes them; of ActiveMQ it
// takes what is in ActiveMQ.DLQ too:
//
//	MQ_PASSWORD=guest go run ./examples/mq -rabbitmq amqp://127.0.0.1:5672 -user guest
//	MQ_PASSWORD=admin go run ./examples/mq -activemq amqp://127.0.0.1:5672 -user admin
//
// Orders are handled in batches, in order. Some fail once: their batch stays
// unacknowledged, and is tried again whole. One fails always: after two retries its batch
// is rejected, whole too, and ends in the queue of dead letters.
package main

import (
	"context"
	"flag"
	"io"
	"log"
	"os"
	"os/signal"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second interrupt ends the program at once
	if err := run(ctx, os.Stdout, os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer, arguments []string) error {
	flags := flag.NewFlagSet("mq", flag.ContinueOnError)
	rabbit := flags.String("rabbitmq", "", "endpoint of a RabbitMQ, as amqps://host:5671; default: an embedded one")
	active := flags.String("activemq", "", "endpoint of an ActiveMQ, as amqps://host:5671; default: an embedded one")
	user := flags.String("user", "guest", "who logs in; the password is in $MQ_PASSWORD")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	password := os.Getenv("MQ_PASSWORD")
	if *rabbit != "" || *active == "" {
		place, err := newRabbitMQ(ctx, *rabbit, *user, password)
		if err != nil {
			return err
		}
		defer place.close()
		if err := sell(ctx, out, place); err != nil {
			return err
		}
	}
	if *rabbit != "" && *active == "" {
		return nil
	}
	place, err := newActiveMQ(ctx, *active, *user, password)
	if err != nil {
		return err
	}
	defer place.close()
	return sell(ctx, out, place)
}
