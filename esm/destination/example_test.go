package destination_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/s3bucket"
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

func newMapping(stream sources.Source, handler esm.Handler, cfg aws.Config) (*esm.Mapping, error) {
	failed, err := s3bucket.New(s3.NewFromConfig(cfg), "failed-records")
	if err != nil {
		return nil, err
	}
	return esm.New(stream, handler, esm.Config{
		BatchSize:                  100,
		MaximumRetryAttempts:       new(3),
		BisectBatchOnFunctionError: true,
		OnFailure:                  failed,
	})
}

// TestReadmeShowsThisCode holds the README to what is compiled here.
func TestReadmeShowsThisCode(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile("example_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(program, []byte("\nfunc newMapping"))
	shown, _, found := bytes.Cut(rest, []byte("\n}\n"))
	if !found || !bytes.Contains(readme, append([]byte("```go\nfunc newMapping"), append(shown, "\n}\n```"...)...)) {
		t.Error("README.md does not show newMapping as it is here")
	}
	if _, err := newMapping(memory.NewStream(memory.StreamOptions{}).Source("test"), esm.Records(
		func(context.Context, []sources.Record) (esm.Response, error) { return esm.Response{}, nil },
	), aws.Config{}); err != nil {
		t.Error(err)
	}
}
