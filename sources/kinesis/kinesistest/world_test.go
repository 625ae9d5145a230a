package kinesistest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

const streamARN = "arn:aws:kinesis:eu-west-1:123456789012:stream/telemetry"

// world is a bubble with a fake, a client and one stream.
type world struct {
	t      *testing.T
	server *kinesistest.Server
	client *kinesis.Client
	stream string
}

// run runs a test in a bubble, with a stream of so many shards.
func run(t *testing.T, shards int, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := kinesistest.New()
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		w := &world{t: t, server: server, client: server.Client(), stream: "telemetry"}
		if err := server.AddStream(streamARN, shards); err != nil {
			t.Fatal(err)
		}
		test(t, w)
	})
}

// put puts records, each with its key as its data, and returns their sequence
// numbers.
func (w *world) put(keys ...string) []string {
	w.t.Helper()
	numbers := make([]string, len(keys))
	for i, key := range keys {
		var err error
		if _, numbers[i], err = w.server.Put(w.stream, key, []byte(key)); err != nil {
			w.t.Fatalf("Put: %v", err)
		}
	}
	return numbers
}

func (w *world) ask(in *kinesis.GetShardIteratorInput) (string, error) {
	if in.StreamName == nil && in.StreamARN == nil {
		in.StreamName = &w.stream
	}
	if in.ShardId == nil {
		in.ShardId = new("shardId-000000000000")
	}
	out, err := w.client.GetShardIterator(w.t.Context(), in)
	if err != nil {
		return "", err
	}
	return *out.ShardIterator, nil
}

func (w *world) mustAsk(in *kinesis.GetShardIteratorInput) string {
	w.t.Helper()
	it, err := w.ask(in)
	if err != nil {
		w.t.Fatalf("GetShardIterator: %v", err)
	}
	return it
}

// horizon is the iterator for the beginning of a shard.
func (w *world) horizon(shard string) string {
	w.t.Helper()
	return w.mustAsk(&kinesis.GetShardIteratorInput{ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
}

// after is the iterator after a sequence number.
func (w *world) after(shard, number string) string {
	w.t.Helper()
	return w.mustAsk(&kinesis.GetShardIteratorInput{
		ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &number,
	})
}

func (w *world) get(iterator string) (*kinesis.GetRecordsOutput, error) {
	return w.client.GetRecords(w.t.Context(), &kinesis.GetRecordsInput{ShardIterator: &iterator})
}

func (w *world) mustGet(iterator string) *kinesis.GetRecordsOutput {
	w.t.Helper()
	out, err := w.get(iterator)
	if err != nil {
		w.t.Fatalf("GetRecords: %v", err)
	}
	return out
}

// expect gets records and holds their data to what they must be.
func (w *world) expect(iterator string, want ...string) *kinesis.GetRecordsOutput {
	w.t.Helper()
	out := w.mustGet(iterator)
	if got := data(out.Records); !slices.Equal(got, want) {
		w.t.Fatalf("got records %q, want %q", got, want)
	}
	return out
}

func data(records []types.Record) []string {
	var list []string
	for i := range records {
		list = append(list, string(records[i].Data))
	}
	return list
}

// list lists the IDs of the shards that a filter lets through.
func (w *world) list(filter *types.ShardFilter) []string {
	w.t.Helper()
	out, err := w.client.ListShards(w.t.Context(), &kinesis.ListShardsInput{StreamName: &w.stream, ShardFilter: filter})
	if err != nil {
		w.t.Fatalf("ListShards: %v", err)
	}
	return ids(out.Shards)
}

func ids(shards []types.Shard) []string {
	var list []string
	for i := range shards {
		list = append(list, *shards[i].ShardId)
	}
	return list
}

func (w *world) split(shard string) []string {
	w.t.Helper()
	children, err := w.server.Split(w.stream, shard)
	if err != nil {
		w.t.Fatalf("Split: %v", err)
	}
	return children
}

// consumer adds a consumer and returns its ARN.
func (w *world) consumer(name string) string {
	w.t.Helper()
	arn, err := w.server.AddConsumer(w.stream, name)
	if err != nil {
		w.t.Fatalf("AddConsumer: %v", err)
	}
	return arn
}

// ownProtocol gives a call a protocol object of its own. The events of all
// subscriptions of a client are decoded by its one object, which has state
// that the race detector rightly complains about.
func ownProtocol(o *kinesis.Options) { o.Protocol = awsjson.New11(schemas.Kinesis_20131202) }

func (w *world) subscribe(in *kinesis.SubscribeToShardInput) (*kinesis.SubscribeToShardEventStream, error) {
	if in.ShardId == nil {
		in.ShardId = new("shardId-000000000000")
	}
	out, err := w.client.SubscribeToShard(w.t.Context(), in, ownProtocol)
	if err != nil {
		return nil, err
	}
	return out.GetStream(), nil
}

// follow subscribes from the trim horizon.
func (w *world) follow(consumer string) *kinesis.SubscribeToShardEventStream {
	w.t.Helper()
	stream, err := w.subscribe(&kinesis.SubscribeToShardInput{
		ConsumerARN: &consumer, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon},
	})
	if err != nil {
		w.t.Fatalf("SubscribeToShard: %v", err)
	}
	w.t.Cleanup(func() { _ = stream.Close() })
	return stream
}

// event waits for the next event, nil for the end of the stream.
func event(stream *kinesis.SubscribeToShardEventStream) *types.SubscribeToShardEvent {
	e, ok := <-stream.Events()
	if !ok {
		return nil
	}
	return &e.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent).Value
}
