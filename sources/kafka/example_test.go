package kafka_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"os/signal"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/kafkatopic"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
	"github.com/openesm/openesm/sources/kafka/access"
)

// A handler for AWS Lambda, on a topic, with what was not handled after three retries
// sent to another topic of the cluster.
func Example() { //nolint:testableexamples // it needs a real cluster
	brokers := []string{"b-1.orders.example.com:9096", "b-2.orders.example.com:9096"}
	user := access.SASLSCRAM512("billing", os.Getenv("KAFKA_PASSWORD"))
	source, err := kafka.New(kafka.Options{
		BootstrapServers: brokers,
		Topics:           []string{"orders"},
		ConsumerGroupID:  "billing",
		StartingPosition: kafka.Latest,
		Access:           []access.Config{user},
	})
	if err != nil {
		log.Print(err)
		return
	}
	options, err := access.Options(user)
	if err != nil {
		log.Print(err)
		return
	}
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(brokers...))...)
	if err != nil {
		log.Print(err)
		return
	}
	defer client.Close()
	failed, err := kafkatopic.New(client, "orders-failed")
	if err != nil {
		log.Print(err)
		return
	}
	handler := esm.Typed(func(_ context.Context, event events.KafkaEvent) error {
		for partition, records := range event.Records {
			log.Print(len(records), " records of ", partition)
		}
		return nil
	})
	mapping, err := esm.New(source, handler, esm.Config{
		BatchSize:             500,
		MaximumBatchingWindow: 5 * time.Second,
		MaximumRetryAttempts:  new(3),
		OnFailure:             failed,
	})
	if err != nil {
		log.Print(err)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // so that a second interrupt ends the program at once
	err = mapping.Run(ctx)
	if err != nil {
		log.Print(err)
	}
}

// A test of a handler, on an embedded broker.
func ExampleNew() {
	cluster, err := kfake.NewCluster(kfake.SeedTopics(1, "orders"))
	if err != nil {
		log.Print(err)
		return
	}
	defer cluster.Close()
	client, err := kgo.NewClient(kgo.SeedBrokers(cluster.ListenAddrs()...))
	if err != nil {
		log.Print(err)
		return
	}
	defer client.Close()
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	err = client.ProduceSync(ctx, &kgo.Record{
		Topic: "orders", Key: []byte("customer-7"), Value: []byte(`{"total":21.5}`),
	}).FirstErr()
	if err != nil {
		log.Print(err)
		return
	}
	source, err := kafka.New(kafka.Options{
		BootstrapServers: cluster.ListenAddrs(),
		Topics:           []string{"orders"},
		ConsumerGroupID:  "billing",
	})
	if err != nil {
		log.Print(err)
		return
	}
	mapping, err := esm.New(source, esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		for _, r := range records {
			fmt.Println(r.ID, r.Key, string(r.Data))
		}
		stop()
		return esm.Response{}, nil
	}), esm.Config{
		MaximumBatchingWindow: esm.NoBatchingWindow,
		Logger:                slog.New(slog.DiscardHandler),
	})
	if err != nil {
		log.Print(err)
		return
	}
	err = mapping.Run(ctx)
	fmt.Println(err)
	// Output:
	// orders-0:0 customer-7 {"total":21.5}
	// <nil>
}
