// Kafka has the members of a consumer group share a topic of Apache Kafka, whose
// brokers are embedded here: nothing but the loopback interface, no account, done in
// seconds.
//
//	go run ./examples/kafka
//
// Orders of twelve customers come into four partitions. Some fail once, some always.
// Each member is a mapping as a process of its own would have it. Two share the
// partitions; one stops while orders flow, and the other has them all; then a third
// joins and takes its part. A handler names what failed by partition and offset, and
// that is tried again; what fails after two retries goes to a dead-letter topic. Orders
// of a customer are handled in order all the time, and none twice.
//
// For a real cluster say which brokers, and how they are reached, both to the source
// and to the client of the dead-letter topic. On Amazon MSK with IAM, port 9098:
//
//	entries := []access.Config{access.IAM(cfg.Credentials, "eu-west-1")}
//	source, err := kafka.New(kafka.Options{Access: entries, BootstrapServers: brokers, ...})
//	options, err := access.Options(entries...)
//	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(brokers...))...)
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	topic       = "orders"
	deadLetters = "orders-failed"
	group       = "billing"
	partitions  = 4
	customers   = 12
	batch       = 25
	window      = 200 * time.Millisecond
	poison      = 50 // every 50th order cannot be handled
	busy        = 35 // every 35th cannot be handled at first
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second interrupt ends the program at once
	if err := run(ctx, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cluster, err := kfake.NewCluster(kfake.SeedTopics(partitions, topic), kfake.SeedTopics(1, deadLetters))
	if err != nil {
		return err
	}
	defer cluster.Close()
	brokers := cluster.ListenAddrs()
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer client.Close()
	fmt.Fprintf(out, "Orders of %d customers, every %dth is poison; %d partitions; batches of %d, or what comes in %v\n\n",
		customers, poison, partitions, batch, window)
	shop := newShop(out)
	members := newMembers(brokers, shop)
	over := make(chan error, 1)
	go func() { over <- show(ctx, members) }()
	rounds, err := sell(ctx, client, over)
	err = errors.Join(err, settle(ctx, client), members.stop())
	if err != nil {
		return err
	}
	return account(ctx, client, shop, rounds)
}

// show has members come and go.
func show(ctx context.Context, members *members) error {
	err := members.join(ctx, "member-1", "member-2")
	if err == nil {
		err = members.share(ctx, "member-1", "member-2")
	}
	if err == nil {
		members.leave("member-1")
		err = members.share(ctx, "member-2")
	}
	if err == nil {
		err = members.join(ctx, "member-3")
	}
	if err == nil {
		err = members.share(ctx, "member-2", "member-3")
	}
	return err
}

// sell has each customer order, again and again, until it is over.
func sell(ctx context.Context, client *kgo.Client, over <-chan error) (rounds int, err error) {
	for {
		select {
		case err := <-over:
			return rounds, err
		case <-time.After(75 * time.Millisecond):
		}
		var orders []*kgo.Record
		for customer := range customers {
			orders = append(orders, &kgo.Record{
				Key: fmt.Append(nil, "customer-", customer), Value: fmt.Append(nil, kind(customer, rounds), " ", rounds),
			})
		}
		if err := client.ProduceSync(ctx, orders...).FirstErr(); err != nil {
			return rounds, errors.Join(err, <-over)
		}
		rounds++
	}
}
