package dynamodbstreams_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awsdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	tabletypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	awsstreams "github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/dynamodbstreams"
)

// realTable makes a table with a stream on the server that the environment names.
func realTable(t *testing.T) (client *awsdynamodb.Client, streams *awsstreams.Client, table, arn string) {
	t.Helper()
	endpoint := os.Getenv("OPENESM_DYNAMODB_ENDPOINT")
	if endpoint == "" {
		t.Skip("OPENESM_DYNAMODB_ENDPOINT is not set: no DynamoDB server to test against")
	}
	transport := new(http.Transport)
	t.Cleanup(transport.CloseIdleConnections)
	config := aws.Config{
		HTTPClient: &http.Client{Transport: transport},
		Region:     "eu-west-1", BaseEndpoint: &endpoint, Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "example", ""),
	}
	client, streams = awsdynamodb.NewFromConfig(config), awsstreams.NewFromConfig(config)
	table = fmt.Sprintf("orders-%d", time.Now().UnixNano())
	out, err := client.CreateTable(t.Context(), &awsdynamodb.CreateTableInput{
		TableName: &table, BillingMode: tabletypes.BillingModePayPerRequest,
		AttributeDefinitions: []tabletypes.AttributeDefinition{{AttributeName: new("id"), AttributeType: tabletypes.ScalarAttributeTypeS}},
		KeySchema:            []tabletypes.KeySchemaElement{{AttributeName: new("id"), KeyType: tabletypes.KeyTypeHash}},
		StreamSpecification: &tabletypes.StreamSpecification{
			StreamEnabled: new(true), StreamViewType: tabletypes.StreamViewTypeNewAndOldImages,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return client, streams, table, aws.ToString(out.TableDescription.LatestStreamArn)
}

// A real server's changes reach a handler of documents, each once and in the order of its
// item, over a restart, from a stream and from a table that is named.
func TestRealChanges(t *testing.T) {
	t.Parallel()
	client, streams, table, arn := realTable(t)
	const orders, versions = 5, 4
	put := func(from, to int) {
		for version := from; version < to; version++ {
			for n := range orders {
				_, err := client.PutItem(t.Context(), &awsdynamodb.PutItemInput{TableName: &table, Item: map[string]tabletypes.AttributeValue{
					"id":      &tabletypes.AttributeValueMemberS{Value: "order-" + strconv.Itoa(n)},
					"version": &tabletypes.AttributeValueMemberN{Value: strconv.Itoa(version)},
					"tags":    &tabletypes.AttributeValueMemberSS{Value: []string{"a", "b"}},
				}})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	var mu sync.Mutex
	seen := map[string][]string{}
	total := 0
	handler := esm.Typed(func(_ context.Context, e events.DynamoDBEvent) error {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range e.Records {
			id := r.Change.Keys["id"].String()
			if image, ok := r.Change.NewImage["version"]; ok {
				seen[id] = append(seen[id], image.Number())
			} else {
				seen[id] = append(seen[id], r.EventName)
			}
			total++
		}
		return nil
	})
	store := checkpoint.NewMemory()
	read := func(stream string, until int) {
		source, err := dynamodbstreams.New(streams, stream, store, dynamodbstreams.Options{})
		if err != nil {
			t.Fatal(err)
		}
		mapping, err := esm.New(source, handler, esm.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- mapping.Run(ctx) }()
		for done := false; !done; {
			select {
			case err := <-ended:
				t.Fatalf("Run: %v", err)
			case <-time.After(20 * time.Millisecond):
			}
			mu.Lock()
			done = total >= until
			mu.Unlock()
		}
		stop()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	}
	put(0, 2)
	read(arn, 2*orders)
	put(2, versions)
	_, err := client.DeleteItem(t.Context(), &awsdynamodb.DeleteItemInput{TableName: &table, Key: map[string]tabletypes.AttributeValue{
		"id": &tabletypes.AttributeValueMemberS{Value: "order-0"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	read(table, versions*orders+1)
	mu.Lock()
	defer mu.Unlock()
	for n := range orders {
		want := "[0 1 2 3]"
		if n == 0 {
			want = "[0 1 2 3 REMOVE]"
		}
		if got := fmt.Sprint(seen["order-"+strconv.Itoa(n)]); got != want {
			t.Errorf("order %d: %s, want %s", n, got, want)
		}
	}
}

// What the service says and refuses is as the fake has it.
func TestRealService(t *testing.T) {
	t.Parallel()
	_, streams, table, arn := realTable(t)
	out, err := streams.DescribeStream(t.Context(), &awsstreams.DescribeStreamInput{StreamArn: &arn})
	if err != nil {
		t.Fatal(err)
	}
	d := out.StreamDescription
	if aws.ToString(d.StreamArn) != arn || aws.ToString(d.TableName) != table || len(d.Shards) == 0 || d.LastEvaluatedShardId != nil {
		t.Errorf("%+v", d)
	}
	source, err := dynamodbstreams.New(streams, arn+"9", checkpoint.NewMemory(), dynamodbstreams.Options{})
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := esm.New(source, esm.Typed(func(context.Context, events.DynamoDBEvent) error { return nil }), esm.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := mapping.Run(t.Context()); err == nil {
		t.Error("a stream that is not there was read")
	}
}
