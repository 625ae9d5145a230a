package kinesistest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// follow is the code under test: it hands every record of a shard to handle,
// and returns at the shard's end.
func follow(ctx context.Context, client *kinesis.Client, stream, shard string, handle func([]byte)) error {
	it, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: &stream, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		return err
	}
	for next := it.ShardIterator; next != nil; time.Sleep(time.Second) {
		out, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: next})
		if err != nil {
			continue // with the same iterator
		}
		for i := range out.Records {
			handle(out.Records[i].Data)
		}
		next = out.NextShardIterator
	}
	return nil
}

// TestFollow is a unit test as users of the library write them: a throttled
// call is tried again a second later, which takes no time in the bubble.
func TestFollow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := kinesistest.New()
		t.Cleanup(func() { _ = server.Close() })
		if err := server.AddStream("telemetry", 1); err != nil {
			t.Fatal(err)
		}
		if _, _, err := server.Put("telemetry", "device-1", []byte("one")); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Split("telemetry", "shardId-000000000000"); err != nil {
			t.Fatal(err)
		}
		server.Inject("GetRecords", kinesistest.Fault{Err: kinesistest.ProvisionedThroughputExceeded()})
		var got []string
		err := follow(t.Context(), server.Client(), "telemetry", "shardId-000000000000", func(data []byte) {
			got = append(got, string(data))
		})
		if err != nil || len(got) != 1 || got[0] != "one" {
			t.Errorf("got %q, %v", got, err)
		}
	})
}

func Example() {
	server := kinesistest.New()
	defer func() { _ = server.Close() }()
	if err := server.AddStream("telemetry", 1); err != nil {
		fmt.Println(err)
		return
	}
	shard, number, err := server.Put("telemetry", "device-1", []byte("hello"))
	fmt.Println(shard, number, err)
	ctx, client := context.Background(), server.Client()
	it, err := client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
		StreamName: new("telemetry"), ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// The first call is too fast; it took nothing, and its iterator is still good.
	server.Inject("GetRecords", kinesistest.Fault{Err: kinesistest.ProvisionedThroughputExceeded()})
	_, err = client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
	fmt.Println("failed:", err != nil)
	out, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%s from %s\n", out.Records[0].Data, *out.Records[0].PartitionKey)
	// Output:
	// shardId-000000000000 49667000000000000000000000000000000000000000000000000006 <nil>
	// failed: true
	// hello from device-1
}
