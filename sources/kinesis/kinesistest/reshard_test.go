package kinesistest_test

import (
	"crypto/md5"
	"fmt"
	"math/big"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
)

// Split (KIN-65, KIN-66).
func TestSplit(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		half := new(big.Int).Lsh(big.NewInt(1), 127)
		w.put("a", "b")
		_, err := w.client.SplitShard(t.Context(), &kinesis.SplitShardInput{
			StreamName: &w.stream, ShardToSplit: new(first), NewStartingHashKey: new(half.String()),
		})
		if err != nil {
			t.Fatal(err)
		}
		keys := []string{"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"}
		w.put(keys...)
		w.expect(w.horizon(first), "a", "b") // the parent is readable, and takes nothing more
		var want [2][]string
		for _, key := range keys {
			sum := md5.Sum([]byte(key))
			want[sum[0]>>7] = append(want[sum[0]>>7], key)
		}
		w.expect(w.horizon("shardId-000000000001"), want[0]...)
		w.expect(w.horizon("shardId-000000000002"), want[1]...)
	})
}

// Merge (KIN-65, KIN-67).
func TestMerge(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		w.put("k0", "k1", "k2", "k3")
		_, err := w.client.MergeShards(t.Context(), &kinesis.MergeShardsInput{
			StreamARN: new(streamARN), ShardToMerge: new(first), AdjacentShardToMerge: new("shardId-000000000001"),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.put("k4", "k5")
		for _, parent := range shardIDs(0, 1) {
			out := w.mustGet(w.horizon(parent))
			if len(out.ChildShards) != 1 || *out.ChildShards[0].ShardId != "shardId-000000000002" ||
				!slices.Equal(out.ChildShards[0].ParentShards, shardIDs(0, 1)) {
				t.Errorf("children of %s: %+v", parent, out.ChildShards)
			}
		}
		w.expect(w.horizon("shardId-000000000002"), "k4", "k5")
	})
}

func TestReshardArguments(t *testing.T) {
	t.Parallel()
	run(t, 3, func(t *testing.T, w *world) {
		w.split("shardId-000000000002")
		for name, err := range map[string]error{
			"hash key":     w.doSplit(first, "x"),
			"first key":    w.doSplit(first, "0"),
			"foreign key":  w.doSplit(first, "340282366920938463463374607431768211455"),
			"closed":       w.doSplit("shardId-000000000002", "340282366920938463463374607431768211000"),
			"not adjacent": w.doMerge(first, "shardId-000000000003"),
			"one":          w.doMerge(first, first),
			"merge closed": w.doMerge("shardId-000000000001", "shardId-000000000002"),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			} else {
				wiretest.WantType[*types.InvalidArgumentException](t, err)
			}
		}
		wiretest.WantType[*types.ResourceNotFoundException](t, w.doSplit("shardId-000000000099", "1"))
		wiretest.WantType[*types.ResourceNotFoundException](t, w.doMerge(first, "x"))
		if err := w.doSplit(first, "1"); err != nil {
			t.Error(err)
		}
		if shards := w.server.Shards(w.stream); shards[5].From != "0" || shards[5].To != "0" || shards[6].From != "1" {
			t.Errorf("got %+v", shards[5:])
		}
		if last := w.server.Shards(w.stream)[6]; w.doSplit(last.ID, last.To) != nil {
			t.Error("the last key cannot be split off")
		}
		wiretest.WantType[*types.InvalidArgumentException](t, w.doSplit("shardId-000000000005", "0")) // one key has no middle
		if _, err := w.server.Split(w.stream, "shardId-000000000005"); err == nil {
			t.Error("one key was split")
		}
	})
}

func (w *world) doSplit(shard, key string) error {
	_, err := w.client.SplitShard(w.t.Context(), &kinesis.SplitShardInput{StreamName: &w.stream, ShardToSplit: &shard, NewStartingHashKey: &key})
	return err
}

func (w *world) doMerge(shard, adjacent string) error {
	_, err := w.client.MergeShards(w.t.Context(), &kinesis.MergeShardsInput{StreamName: &w.stream, ShardToMerge: &shard, AdjacentShardToMerge: &adjacent})
	return err
}

func TestExpiredShard_KIN74(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.put("a")
		it := w.horizon(first)
		w.split(first)
		if err := w.server.Expire(w.stream, first); err != nil {
			t.Fatal(err)
		}
		_, err := w.get(it)
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
		_, err = w.ask(&kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeTrimHorizon})
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
		if got := w.list(&types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}); !slices.Equal(got, shardIDs(1, 2)) {
			t.Errorf("at the horizon: %q", got)
		}
	})
}

func TestRouting_KIN78(t *testing.T) {
	t.Parallel()
	run(t, 7, func(t *testing.T, w *world) {
		shards := w.server.Shards(w.stream)
		for i := range 200 {
			key := fmt.Sprint("key", i)
			sum := md5.Sum([]byte(key))
			hash := new(big.Int).SetBytes(sum[:])
			out, err := w.client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: &w.stream, PartitionKey: &key, Data: []byte("x")})
			if err != nil {
				t.Fatal(err)
			}
			for _, sh := range shards {
				from, _ := new(big.Int).SetString(sh.From, 10)
				to, _ := new(big.Int).SetString(sh.To, 10)
				if inside := hash.Cmp(from) >= 0 && hash.Cmp(to) <= 0; inside != (sh.ID == *out.ShardId) {
					t.Errorf("%s went to %s; in %s is %v", key, *out.ShardId, sh.ID, inside)
				}
			}
			// An explicit hash key goes where it says, wherever the key belongs.
			sh := shards[i%7]
			out, err = w.client.PutRecord(t.Context(), &kinesis.PutRecordInput{
				StreamName: &w.stream, PartitionKey: &key, Data: []byte("x"), ExplicitHashKey: []*string{&sh.From, &sh.To}[i%2],
			})
			if err != nil || *out.ShardId != sh.ID {
				t.Errorf("explicit hash key of %s went to %v, %v", sh.ID, out, err)
			}
		}
	})
}
