package kinesis_test

import (
	"context"
	"testing"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
	"github.com/openesm/openesm/sources/sourcetest"
)

const telemetry = "arn:aws:kinesis:" + kinesistest.Region + ":123456789012:stream/telemetry"

// harness makes a stream of its own on a fake server, for the suite.
func harness(t *testing.T, shards int, options kinesis.Options) sourcetest.Harness {
	t.Helper()
	server := kinesistest.New()
	t.Cleanup(func() { _ = server.Close() })
	err := server.AddStream(telemetry, shards)
	if err != nil {
		t.Fatal(err)
	}
	client, store := server.Client(), checkpoint.NewMemory()
	options.Jitter = func() float64 { return 0.5 }
	return sourcetest.Harness{
		Send: func(ctx context.Context, messages ...sourcetest.Message) error {
			for _, m := range messages {
				_, err := client.PutRecord(ctx, &awskinesis.PutRecordInput{
					StreamARN: new(telemetry), PartitionKey: &m.Key, Data: m.Data,
				})
				if err != nil {
					return err
				}
			}
			return nil
		},
		Open: func(context.Context) (sources.Source, error) { return kinesis.New(client, telemetry, store, options) },
		Reshard: func(context.Context) error {
			_, err := server.Split(telemetry, server.Shards(telemetry)[0].ID)
			return err
		},
		Steal: func(ctx context.Context) (func(context.Context) error, error) {
			return func(ctx context.Context) error { return own(ctx, store, "") }, own(ctx, store, "thief")
		},
		Hang: func(context.Context) (func(), error) {
			server.SetFault(func(c kinesistest.Call) kinesistest.Fault {
				if c.Action == "PutRecord" {
					return kinesistest.Fault{}
				}
				return kinesistest.Fault{Delay: never}
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
				return harness(t, shards, kinesis.Options{})
			})
		})
	}
}
