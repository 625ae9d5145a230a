package kinesis

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/lease"
)

// list lists all shards that the stream still has, open and closed (KIN-60..63), or
// with a time those that were open then or came later (KIN-62). A list is whole or an
// error: what it lacks would count as gone.
func (s *Source) list(ctx context.Context, since time.Time) ([]lease.Shard, error) {
	const maxPages = 100 // of a thousand shards, far above all quotas
	var l shardList
	in := &kinesis.ListShardsInput{StreamARN: &s.stream.arn}
	if !since.IsZero() {
		in.ShardFilter = &types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: &since}
	}
	for range maxPages {
		out, err := awscall.Do(ctx, awscall.Limit, s.client.ListShards, in, s.single...)
		if err != nil {
			return nil, s.refused("ListShards", err)
		}
		err = l.add(out)
		if err != nil {
			return nil, s.failed("ListShards", err)
		}
		s.grants.note("ListShards")
		if aws.ToString(out.NextToken) == "" {
			return l.shards, nil
		}
		in = &kinesis.ListShardsInput{NextToken: out.NextToken} // and nothing else (KIN-61)
	}
	return nil, s.failed("ListShards", errEndlessList)
}

// shardList is the pages of a list so far.
type shardList struct {
	shards []lease.Shard
	known  map[string]bool // by ID
	idle   int             // pages in a row that brought no new shard
}

// add adds a page, and returns an error for one that says nothing or is of a list
// that does not come to an end.
func (l *shardList) add(out *kinesis.ListShardsOutput) error {
	const maxIdle = 10
	if l.known == nil {
		l.known = make(map[string]bool)
	}
	before := len(l.known)
	for i := range out.Shards {
		shard := shardOf(&out.Shards[i])
		switch {
		case shard.ID == "":
			return errNamelessID
		case !l.known[shard.ID]:
			l.known[shard.ID] = true
			l.shards = append(l.shards, shard)
		}
	}
	l.idle++
	if len(l.known) > before {
		l.idle = 0
	}
	switch {
	case out.Shards == nil, len(l.shards) == 0 && aws.ToString(out.NextToken) == "":
		return errNoShards
	case l.idle > maxIdle:
		return errEndlessList
	default:
		return nil
	}
}

func shardOf(from *types.Shard) lease.Shard {
	shard := lease.Shard{ID: aws.ToString(from.ShardId), Open: true}
	for _, parent := range []*string{from.ParentShardId, from.AdjacentParentShardId} {
		if parent != nil {
			shard.Parents = append(shard.Parents, *parent)
		}
	}
	if r := from.SequenceNumberRange; r != nil {
		shard.Open = aws.ToString(r.EndingSequenceNumber) == ""
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
