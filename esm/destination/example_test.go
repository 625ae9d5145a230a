package destination_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/s3"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// A Go function as destination, to see in a unit test what a mapping gives up.
func Example_function() {
	stream := memory.NewStream(memory.StreamOptions{})
	stream.Put("device-17", []byte("21.5"))
	stream.Put("device-17", []byte("broken"))
	stream.End() // Run returns when everything is handled

	handler := esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		if string(records[0].Data) == "broken" {
			return esm.Response{}, errors.New("no number")
		}
		return esm.Response{}, nil
	})
	mapping, err := esm.New(stream.Source("test"), handler, esm.Config{
		BatchSize:            1,
		MaximumRetryAttempts: new(0),
		Logger:               slog.New(slog.DiscardHandler),
		OnFailure: esm.DestinationFunc(func(_ context.Context, failure *esm.FailureRecord) error {
			fmt.Printf("%s after %d: %s\n", failure.Condition, failure.ApproximateInvokeCount, failure.Records[0].Data)
			return nil
		}),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := mapping.Run(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output: RetryAttemptsExhausted after 1: broken
}

// Failed batches of a stream go to a bucket, with their data.
func Example() {
	ctx := context.Background()
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	bucket, err := s3.New(awss3.NewFromConfig(cfg), "failed-records")
	if err != nil {
		fmt.Println(err)
		return
	}
	_ = esm.Config{
		MaximumRetryAttempts:       new(3),
		BisectBatchOnFunctionError: true,
		OnFailure:                  bucket,
	}
}
