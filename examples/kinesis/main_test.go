package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
	"github.com/openesm/openesm/sources/sourcetest/memhttp"
)

func TestTheAccountAddsUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out strings.Builder
		if err := run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"worker-1 reads shardId-",
			"worker-2 reads shardId-",
			"shardId-000000000000 is split into shardId-000000000002 and shardId-000000000003",
			"worker-1 is killed",
			"shardId-000000000000  SHARD_END\n",
			"sent            400",
			"handled         393",
			"given up          7",
			"out of order      0",
			"shards ended      1",
			"It adds up",
		} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the output has no %q", want)
			}
		}
		// The shards of the one that was killed go on.
		_, after, _ := strings.Cut(out.String(), "worker-1 is killed")
		if !strings.Contains(after, "worker-2 reads shardId-") || strings.Contains(after, "worker-1 ") {
			t.Error("worker-2 does not take over, or worker-1 goes on")
		}
		if t.Failed() {
			t.Log(out.String())
		}
	})
}

func newMapping(ctx context.Context, cfg aws.Config, streamARN string) (*esm.Mapping, error) {
	positions, err := dynamodb.New(awsdynamodb.NewFromConfig(cfg), "telemetry-positions", dynamodb.Options{})
	if err != nil {
		return nil, err
	}
	if err := positions.CreateTable(ctx); err != nil { // unless it is there
		return nil, err
	}
	source, err := kinesis.New(awskinesis.NewFromConfig(cfg), streamARN, positions, kinesis.Options{})
	if err != nil {
		return nil, err
	}
	return esm.New(source, esm.Typed(handle), esm.Config{BatchSize: 500, ParallelizationFactor: 4})
}

func handle(_ context.Context, event events.KinesisEvent) error {
	for _, record := range event.Records {
		fmt.Println(record.Kinesis.PartitionKey, string(record.Kinesis.Data))
	}
	return nil // the shard's position moves on; an error retries the batch in place
}

// TestReadmeShowsThisCode holds the README to what is compiled here, and run
// against two fakes.
func TestReadmeShowsThisCode(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile("main_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(code, []byte("\nfunc newMapping("))
	shown, _, found := bytes.Cut(rest, []byte("\n\n// TestReadme"))
	if !found || !bytes.Contains(readme, append([]byte("```go\nfunc newMapping("), append(shown, "\n```"...)...)) {
		t.Error("README.md does not show newMapping and handle as they are here")
	}
}

func TestReadmeCodeRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		table, server := dynamodbtest.New(), kinesistest.New()
		defer table.Close()
		defer server.Close()
		if err := server.AddStream(stream, 1); err != nil {
			t.Fatal(err)
		}
		_, number, err := server.Put(stream, "sensor-1", []byte("21.5"))
		if err != nil {
			t.Fatal(err)
		}
		both := memhttp.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "Kinesis") {
				server.ServeHTTP(w, r)
			} else {
				table.ServeHTTP(w, r)
			}
		}))
		defer both.Close()
		mapping, err := newMapping(t.Context(), aws.Config{
			Region: kinesistest.Region, Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
			BaseEndpoint: aws.String(both.URL()), HTTPClient: both.Client(),
		}, stream)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := mapping.Run(ctx); err != nil {
			t.Error(err)
		}
		positions, err := dynamodb.New(table.Client(), "telemetry-positions", dynamodb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		leases, err := positions.Leases(t.Context())
		if err != nil || len(leases) != 1 || leases[0].Position.Sequence != number {
			t.Errorf("leases %v, %v; want one at %s", leases, err, number)
		}
	})
}
