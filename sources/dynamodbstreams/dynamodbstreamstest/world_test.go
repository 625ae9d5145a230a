package dynamodbstreamstest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

type item = map[string]types.AttributeValue

func text(s string) types.AttributeValue   { return &types.AttributeValueMemberS{Value: s} }
func number(s string) types.AttributeValue { return &types.AttributeValueMemberN{Value: s} }

// world is a bubble with a fake, a client and the table orders, whose key is id.
type world struct {
	t      *testing.T
	server *dynamodbstreamstest.Server
	client *dynamodbstreams.Client
	arn    string // of the table's stream
}

// run runs a test in a bubble.
func run(t *testing.T, setup dynamodbstreamstest.Setup, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, server: dynamodbstreamstest.New()}
		w.client = w.server.Client()
		t.Cleanup(func() {
			if err := w.server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		var err error
		if w.arn, err = w.server.AddTable("orders", setup); err != nil {
			t.Fatal(err)
		}
		test(t, w)
	})
}

// must fails the test for an error.
func must[T any](w *world) func(T, error) T {
	return func(value T, err error) T {
		w.t.Helper()
		if err != nil {
			w.t.Fatal(err)
		}
		return value
	}
}

// put writes items with these keys, and returns their changes.
func (w *world) put(ids ...string) []dynamodbstreamstest.Change {
	w.t.Helper()
	var changes []dynamodbstreamstest.Change
	for _, id := range ids {
		changes = append(changes, must[dynamodbstreamstest.Change](w)(w.server.Put("orders", item{"id": text(id)})))
	}
	return changes
}

// shard is the ID of the table's i-th shard.
func (w *world) shard(i int) string {
	w.t.Helper()
	return w.server.Shards(w.arn)[i].ID
}

func (w *world) ask(shard string, kind types.ShardIteratorType, number string) (string, error) {
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: &w.arn, ShardId: &shard, ShardIteratorType: kind}
	if number != "" {
		in.SequenceNumber = &number
	}
	out, err := w.client.GetShardIterator(w.t.Context(), in)
	if err != nil {
		return "", err
	}
	return *out.ShardIterator, nil
}

// horizon is the iterator for the beginning of a shard.
func (w *world) horizon(shard string) string {
	w.t.Helper()
	return must[string](w)(w.ask(shard, types.ShardIteratorTypeTrimHorizon, ""))
}

func (w *world) get(iterator string) (*dynamodbstreams.GetRecordsOutput, error) {
	return w.client.GetRecords(w.t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: &iterator})
}

// expect gets records and holds their keys to what they must be.
func (w *world) expect(iterator string, want ...string) *dynamodbstreams.GetRecordsOutput {
	w.t.Helper()
	out := must[*dynamodbstreams.GetRecordsOutput](w)(w.get(iterator))
	if got := keys(out.Records); !slices.Equal(got, want) {
		w.t.Fatalf("got records %q, want %q", got, want)
	}
	return out
}

func keys(records []types.Record) []string {
	var list []string
	for i := range records {
		id, _ := records[i].Dynamodb.Keys["id"].(*types.AttributeValueMemberS)
		list = append(list, id.Value)
	}
	return list
}

// list lists the IDs of all shards, page by page.
func (w *world) list(limit int32, filter *types.ShardFilter) (ids []string, pages int) {
	w.t.Helper()
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: &w.arn, Limit: &limit, ShardFilter: filter}
	for {
		out := must[*dynamodbstreams.DescribeStreamOutput](w)(w.client.DescribeStream(w.t.Context(), in))
		pages++
		for _, shard := range out.StreamDescription.Shards {
			ids = append(ids, *shard.ShardId)
		}
		if in.ExclusiveStartShardId = out.StreamDescription.LastEvaluatedShardId; in.ExclusiveStartShardId == nil {
			return ids, pages
		}
	}
}

func childrenOf(parent string) *types.ShardFilter {
	return &types.ShardFilter{Type: types.ShardFilterTypeChildShards, ShardId: &parent}
}

// describe describes the stream, in one page.
func (w *world) describe() *types.StreamDescription {
	w.t.Helper()
	in := &dynamodbstreams.DescribeStreamInput{StreamArn: aws.String(w.arn)}
	return must[*dynamodbstreams.DescribeStreamOutput](w)(w.client.DescribeStream(w.t.Context(), in)).StreamDescription
}
