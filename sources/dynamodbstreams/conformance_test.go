package dynamodbstreams_test

import (
	"context"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/dynamodbstreams"
	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
	"github.com/openesm/openesm/sources/sourcetest"
)

// never is longer than any call may take.
const never = 24 * time.Hour

// harness makes a table of its own on a fake server, for the suite.
func harness(t *testing.T, shards int) sourcetest.Harness {
	t.Helper()
	server := dynamodbstreamstest.New()
	t.Cleanup(func() { _ = server.Close() })
	arn, err := server.AddTable("orders", dynamodbstreamstest.Setup{Shards: shards})
	if err != nil {
		t.Fatal(err)
	}
	client, store := server.Client(), checkpoint.NewMemory()
	options := dynamodbstreams.Options{Jitter: func() float64 { return 0.5 }}
	var serial atomic.Int64 // so that each write is a change
	return sourcetest.Harness{
		Send: func(_ context.Context, messages ...sourcetest.Message) error {
			for _, m := range messages {
				_, err := server.Put("orders", item{
					"id": text(m.Key), "data": &types.AttributeValueMemberB{Value: m.Data},
					"serial": number(strconv.FormatInt(serial.Add(1), 10)),
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
		Sent: func(r sources.Record) sourcetest.Message {
			image := r.Native.(*types.Record).Dynamodb.NewImage
			data := image["data"].(*types.AttributeValueMemberB).Value
			return sourcetest.Message{Key: image["id"].(*types.AttributeValueMemberS).Value, Data: append([]byte{}, data...)}
		},
		Open: func(context.Context) (sources.Source, error) {
			return dynamodbstreams.New(client, arn, store, options)
		},
		Reshard: func(context.Context) error {
			_, err := server.Split(arn, server.Shards(arn)[0].ID)
			return err
		},
		Steal: func(ctx context.Context) (func(context.Context) error, error) {
			return func(ctx context.Context) error { return own(ctx, store, "") }, own(ctx, store, "thief")
		},
		Hang: func(context.Context) (func(), error) {
			server.SetFault(func(dynamodbstreamstest.Call) dynamodbstreamstest.Fault {
				return dynamodbstreamstest.Fault{Delay: never}
			})
			return func() { server.SetFault(nil) }, nil
		},
		CloseIdle:  server.HTTPClient().CloseIdleConnections,
		Settings:   sources.Settings{BatchSize: 10, Timeout: 3 * time.Second},
		Partitions: shards,
		Patience:   time.Minute,
	}
}

// own gives every lease another owner.
func own(ctx context.Context, store checkpoint.Store, owner string) error {
	leases, err := store.Leases(ctx)
	if err != nil {
		return err
	}
	for _, last := range leases {
		next := last
		next.Owner, next.Counter = owner, last.Counter+1
		err := store.Update(ctx, last, next)
		if err != nil {
			return err
		}
	}
	return nil
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, shards := range map[string]int{"one shard": 1, "three shards": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.RunInBubbles(t, func(t *testing.T) sourcetest.Harness {
				t.Helper()
				return harness(t, shards)
			})
		})
	}
}
