package kinesis

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/lease"
	"github.com/openesm/openesm/sources/internal/shard"
)

// list lists all shards that the stream still has, open and closed (KIN-60..63), or
// with a time those that were open then or came later (KIN-62). A list is whole or an
// error: what it lacks would count as gone.
func (s *Source) list(ctx context.Context, since time.Time) ([]lease.Shard, error) {
	const maxPages = 100 // of a thousand shards, far above all quotas
	var list shard.List
	in := &kinesis.ListShardsInput{StreamARN: &s.stream.arn}
	if !since.IsZero() {
		in.ShardFilter = &types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: &since}
	}
	for range maxPages {
		out, err := awscall.Do(ctx, awscall.Limit, s.client.ListShards, in, s.single...)
		if err != nil {
			return nil, s.shards.Refused("ListShards", err)
		}
		last := aws.ToString(out.NextToken) == ""
		err = list.Add(shardsOf(out.Shards), last)
		if err != nil {
			return nil, s.shards.Failed("ListShards", err)
		}
		s.shards.Allowed("ListShards")
		if last {
			return list.Shards, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // and nothing else (KIN-61)
	}
	return nil, s.shards.Failed("ListShards", shard.ErrEndlessList)
}

// shardsOf makes shards of a page; nil of none.
func shardsOf(page []types.Shard) []lease.Shard {
	if page == nil {
		return nil
	}
	all := make([]lease.Shard, len(page))
	for i := range page {
		all[i] = shardOf(&page[i])
	}
	return all
}

func shardOf(from *types.Shard) lease.Shard {
	to := lease.Shard{ID: aws.ToString(from.ShardId), Open: true}
	for _, parent := range []*string{from.ParentShardId, from.AdjacentParentShardId} {
		if parent != nil {
			to.Parents = append(to.Parents, *parent)
		}
	}
	if r := from.SequenceNumberRange; r != nil {
		to.Open = aws.ToString(r.EndingSequenceNumber) == ""
	}
	if r := from.HashKeyRange; r != nil {
		to.StartingHashKey, to.EndingHashKey = aws.ToString(r.StartingHashKey), aws.ToString(r.EndingHashKey)
	}
	return to
}

// childrenOf makes shards of what the last answer of one tells of those that
// continue it (KIN-67).
func childrenOf(children []types.ChildShard) []lease.Shard {
	if len(children) == 0 {
		return nil
	}
	all := make([]lease.Shard, len(children))
	for i, c := range children {
		all[i] = lease.Shard{ID: aws.ToString(c.ShardId), Parents: c.ParentShards, Open: true}
		if r := c.HashKeyRange; r != nil {
			all[i].StartingHashKey, all[i].EndingHashKey = aws.ToString(r.StartingHashKey), aws.ToString(r.EndingHashKey)
		}
	}
	return all
}
