package kinesis

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/lease"
)

// list lists all shards that the stream still has, open and closed (KIN-60..63).
func (s *Source) list(ctx context.Context) ([]lease.Shard, error) {
	var all []lease.Shard

	in := &kinesis.ListShardsInput{StreamARN: &s.stream.arn}

	for {
		out, err := awscall.Do(ctx, awscall.Limit, s.client.ListShards, in, s.single...)
		if err != nil {
			return nil, s.refused("ListShards", err)
		}

		for i := range out.Shards {
			all = append(all, shardOf(&out.Shards[i]))
		}

		if aws.ToString(out.NextToken) == "" {
			return all, nil
		}

		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // and nothing else (KIN-61)
	}
}

func shardOf(from *types.Shard) lease.Shard {
	shard := lease.Shard{ID: aws.ToString(from.ShardId)}

	for _, parent := range []*string{from.ParentShardId, from.AdjacentParentShardId} {
		if parent != nil {
			shard.Parents = append(shard.Parents, *parent)
		}
	}

	if r := from.SequenceNumberRange; r != nil {
		shard.Open = r.EndingSequenceNumber == nil
	}

	if r := from.HashKeyRange; r != nil {
		shard.StartingHashKey, shard.EndingHashKey = aws.ToString(r.StartingHashKey), aws.ToString(r.EndingHashKey)
	}

	return shard
}

// childrenOf makes shards of what the last answer of one tells of those that
// continue it (KIN-67).
func childrenOf(children []types.ChildShard) []lease.Shard {
	all := make([]lease.Shard, len(children))
	for i, c := range children {
		all[i] = lease.Shard{ID: aws.ToString(c.ShardId), Parents: c.ParentShards, Open: true}
		if r := c.HashKeyRange; r != nil {
			all[i].StartingHashKey, all[i].EndingHashKey = aws.ToString(r.StartingHashKey), aws.ToString(r.EndingHashKey)
		}
	}

	return all
}
