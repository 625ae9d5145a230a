package kinesistest_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
)

// shardIDs are the IDs with some numbers.
func shardIDs(numbers ...int) []string {
	var list []string
	for _, n := range numbers {
		list = append(list, fmt.Sprintf("shardId-%012d", n))
	}
	return list
}

func TestPages_KIN60(t *testing.T) {
	t.Parallel()
	run(t, 2_500, func(t *testing.T, w *world) {
		var got []string
		in := &kinesis.ListShardsInput{StreamARN: new(streamARN)}
		for pages := 1; ; pages++ {
			out, err := w.client.ListShards(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, ids(out.Shards)...)
			if out.NextToken == nil {
				if pages != 3 {
					t.Errorf("%d pages, want 3", pages)
				}
				break
			}
			in = &kinesis.ListShardsInput{NextToken: out.NextToken}
		}
		if len(got) != 2_500 || !slices.IsSorted(got) || got[2_499] != "shardId-000000002499" {
			t.Errorf("got %d shards", len(got))
		}
	})
}

// Next token (KIN-60, KIN-61).
func TestNextToken(t *testing.T) {
	t.Parallel()
	run(t, 3, func(t *testing.T, w *world) {
		out, err := w.client.ListShards(t.Context(), &kinesis.ListShardsInput{
			StreamName: &w.stream, MaxResults: new(int32(2)), ExclusiveStartShardId: new(first),
			ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest},
		})
		if err != nil || !slices.Equal(ids(out.Shards), shardIDs(1, 2)) || out.NextToken != nil {
			t.Fatalf("got %q, %v", ids(out.Shards), err)
		}
		out, err = w.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &w.stream, MaxResults: new(int32(1))})
		if err != nil || out.NextToken == nil {
			t.Fatal(err)
		}
		for _, in := range []*kinesis.ListShardsInput{
			{StreamName: &w.stream}, {StreamARN: new(streamARN)}, {ExclusiveStartShardId: new(first)},
		} {
			in.NextToken = out.NextToken
			_, err := w.client.ListShards(t.Context(), in)
			wiretest.WantType[*types.InvalidArgumentException](t, err)
		}
		time.Sleep(300 * time.Second)
		if _, err = w.client.ListShards(t.Context(), &kinesis.ListShardsInput{NextToken: out.NextToken}); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Millisecond)
		_, err = w.client.ListShards(t.Context(), &kinesis.ListShardsInput{NextToken: out.NextToken})
		wiretest.WantType[*types.ExpiredNextTokenException](t, err)
		_, err = w.client.ListShards(t.Context(), &kinesis.ListShardsInput{NextToken: new("bogus")})
		wiretest.WantType[*types.InvalidArgumentException](t, err)
		for _, n := range []int32{0, 10_001} {
			_, err = w.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &w.stream, MaxResults: &n})
			wiretest.WantType[*types.InvalidArgumentException](t, err)
		}
	})
}

func TestShardFilter_KIN62(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		made := time.Now()
		time.Sleep(time.Minute)
		split := time.Now()
		w.split(first) // into 2 and 3
		time.Sleep(time.Minute)
		merged := time.Now()
		if _, err := w.server.Merge(w.stream, "shardId-000000000002", "shardId-000000000003"); err != nil { // into 4
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		at := func(kind types.ShardFilterType, when time.Time) *types.ShardFilter {
			return &types.ShardFilter{Type: kind, Timestamp: &when}
		}
		for i, c := range []struct {
			filter *types.ShardFilter
			want   []int
		}{
			{nil, []int{0, 1, 2, 3, 4}},
			{&types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}, []int{0, 1, 2, 3, 4}},
			{&types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}, []int{0, 1}},
			{&types.ShardFilter{Type: types.ShardFilterTypeAtLatest}, []int{1, 4}},
			{&types.ShardFilter{Type: types.ShardFilterTypeAfterShardId, ShardId: new("shardId-000000000002")}, []int{3, 4}},
			{at(types.ShardFilterTypeAtTimestamp, made.Add(-time.Hour)), []int{0, 1}},
			{at(types.ShardFilterTypeAtTimestamp, made), []int{0, 1}},
			{at(types.ShardFilterTypeAtTimestamp, split), []int{1, 2, 3}},
			{at(types.ShardFilterTypeAtTimestamp, split.Add(-time.Millisecond)), []int{0, 1}},
			{at(types.ShardFilterTypeAtTimestamp, merged), []int{1, 4}},
			{at(types.ShardFilterTypeFromTimestamp, made), []int{0, 1, 2, 3, 4}},
			{at(types.ShardFilterTypeFromTimestamp, split), []int{1, 2, 3, 4}},
			{at(types.ShardFilterTypeFromTimestamp, merged), []int{1, 4}},
		} {
			if got := w.list(c.filter); !slices.Equal(got, shardIDs(c.want...)) {
				t.Errorf("case %d: got %q, want %v", i, got, c.want)
			}
		}
		for i, filter := range []*types.ShardFilter{
			{Type: "AT_NIGHT"}, {Type: types.ShardFilterTypeAfterShardId}, {Type: types.ShardFilterTypeAtTimestamp},
			at(types.ShardFilterTypeFromTimestamp, time.Now().Add(time.Second)),
		} {
			_, err := w.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &w.stream, ShardFilter: filter})
			if err == nil {
				t.Errorf("filter %d: no error", i)
			} else {
				wiretest.WantType[*types.InvalidArgumentException](t, err)
			}
		}
	})
}

// Shard fields (KIN-63, KIN-64).
func TestShardFields(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		if _, err := w.server.Merge(w.stream, "shardId-000000000001", first); err != nil {
			t.Fatal(err)
		}
		out, err := w.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: &w.stream})
		if err != nil || len(out.Shards) != 3 {
			t.Fatalf("%d shards, %v", len(out.Shards), err)
		}
		one, child := out.Shards[0], out.Shards[2]
		if one.ParentShardId != nil || one.SequenceNumberRange.EndingSequenceNumber == nil ||
			*one.HashKeyRange.StartingHashKey != "0" || *one.HashKeyRange.EndingHashKey != "170141183460469231731687303715884105727" {
			t.Errorf("closed shard %+v %+v", one.HashKeyRange, one.SequenceNumberRange)
		}
		if *child.ParentShardId != "shardId-000000000001" || *child.AdjacentParentShardId != first ||
			child.SequenceNumberRange.EndingSequenceNumber != nil || len(*child.SequenceNumberRange.StartingSequenceNumber) != 56 ||
			*child.HashKeyRange.EndingHashKey != "340282366920938463463374607431768211455" {
			t.Errorf("child %+v %+v", child.HashKeyRange, child.SequenceNumberRange)
		}
		if err := w.server.Expire(w.stream, "shardId-000000000002"); err == nil {
			t.Error("an open shard expired")
		}
		if err := w.server.Expire(w.stream, first); err != nil {
			t.Fatal(err)
		}
		if got := w.list(nil); !slices.Equal(got, shardIDs(1, 2)) {
			t.Errorf("got %q", got)
		}
		if got := w.list(&types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}); !slices.Equal(got, shardIDs(1)) {
			t.Errorf("at the horizon: got %q", got)
		}
	})
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	run(t, 3, func(t *testing.T, w *world) {
		made := time.Now()
		w.split(first)
		w.consumer("c")
		sum, err := w.client.DescribeStreamSummary(t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &w.stream})
		if err != nil {
			t.Fatal(err)
		}
		d := sum.StreamDescriptionSummary
		if *d.StreamARN != streamARN || *d.StreamName != w.stream || d.StreamStatus != types.StreamStatusActive ||
			*d.OpenShardCount != 4 || *d.ConsumerCount != 1 || *d.RetentionPeriodHours != 24 || !d.StreamCreationTimestamp.Equal(made) {
			t.Errorf("got %+v", d)
		}
		in := &kinesis.DescribeStreamInput{StreamARN: new(streamARN), Limit: new(int32(2))}
		out, err := w.client.DescribeStream(t.Context(), in)
		if err != nil || !*out.StreamDescription.HasMoreShards || !slices.Equal(ids(out.StreamDescription.Shards), shardIDs(0, 1)) {
			t.Fatalf("got %+v, %v", out, err)
		}
		in.ExclusiveStartShardId = out.StreamDescription.Shards[1].ShardId
		in.Limit = nil
		out, err = w.client.DescribeStream(t.Context(), in)
		if err != nil || *out.StreamDescription.HasMoreShards || !slices.Equal(ids(out.StreamDescription.Shards), shardIDs(2, 3, 4)) {
			t.Fatalf("got %+v, %v", out, err)
		}
		_, err = w.client.DescribeStream(t.Context(), &kinesis.DescribeStreamInput{})
		wiretest.WantType[*types.InvalidArgumentException](t, err)
		_, err = w.client.DescribeStream(t.Context(), &kinesis.DescribeStreamInput{StreamName: new("x"), StreamARN: new(streamARN)})
		wiretest.WantType[*types.InvalidArgumentException](t, err)
	})
}

func TestCreateAndDeleteStream(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		in := &kinesis.CreateStreamInput{StreamName: new("made"), ShardCount: new(int32(2))}
		if _, err := w.client.CreateStream(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		_, err := w.client.CreateStream(t.Context(), in)
		wiretest.WantType[*types.ResourceInUseException](t, err)
		w.stream = "made"
		w.put("a")
		it := w.horizon(first)
		if _, err := w.client.DeleteStream(t.Context(), &kinesis.DeleteStreamInput{StreamName: &w.stream}); err != nil {
			t.Fatal(err)
		}
		_, err = w.get(it)
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
		if _, _, err := w.server.Put(w.stream, "a", nil); err == nil {
			t.Error("put into a stream that is gone")
		}
		for _, bad := range []string{"", "a b", "arn:aws:kinesis:eu-west-1:1:stream/a/consumer/b:1"} {
			if w.server.AddStream(bad, 1) == nil {
				t.Errorf("stream %q was made", bad)
			}
		}
		if w.server.AddStream("none", 0) == nil {
			t.Error("a stream without shards was made")
		}
	})
}
