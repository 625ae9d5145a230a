package kinesis_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/aws/aws-lambda-go/events"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/file"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// A handler for AWS Lambda, on a stream, with what was not handled after three retries
// written to the log.
func Example() { //nolint:testableexamples // it needs a real stream
	client := awskinesis.New(awskinesis.Options{Region: "eu-west-1"}) // usually NewFromConfig
	store, err := file.Open("telemetry.positions", file.Options{})
	if err != nil {
		log.Print(err)
		return
	}
	defer store.Close()
	source, err := kinesis.New(client, "arn:aws:kinesis:eu-west-1:123456789012:stream/telemetry", store, kinesis.Options{
		StartingPosition: kinesis.Latest,
	})
	if err != nil {
		log.Print(err)
		return
	}
	handler := esm.Typed(func(_ context.Context, event events.KinesisEvent) error {
		log.Print(len(event.Records), " records")
		return nil
	})
	mapping, err := esm.New(source, handler, esm.Config{
		BatchSize:             500,
		MaximumBatchingWindow: 5 * time.Second,
		ParallelizationFactor: 4,
		MaximumRetryAttempts:  new(3),
		OnFailure: esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
			log.Print(record.Condition, " of ", len(record.Records), " records")
			return nil
		}),
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

// A test of a handler, on the fake service.
func ExampleNew() {
	server := kinesistest.New()
	defer server.Close()
	err := server.AddStream("telemetry", 1)
	if err != nil {
		log.Print(err)
		return
	}
	_, _, err = server.Put("telemetry", "device-17", []byte(`{"temp":21.5}`))
	if err != nil {
		log.Print(err)
		return
	}
	const stream = "arn:aws:kinesis:" + kinesistest.Region + ":" + kinesistest.Account + ":stream/telemetry"
	source, err := kinesis.New(server.Client(), stream, checkpoint.NewMemory(), kinesis.Options{})
	if err != nil {
		log.Print(err)
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	mapping, err := esm.New(source, esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		for _, r := range records {
			fmt.Println(r.Key, string(r.Data))
		}
		stop()
		return esm.Response{}, nil
	}), esm.Config{})
	if err != nil {
		log.Print(err)
		return
	}
	err = mapping.Run(ctx)
	fmt.Println(err)
	// Output:
	// device-17 {"temp":21.5}
	// <nil>
}
