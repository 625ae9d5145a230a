package dynamodbstreams

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/lease"
	"github.com/openesm/openesm/sources/internal/shard"
)

const describeOperation = "DescribeStream"

// describe asks for a page of the stream's shards, behind the one with an ID, or for the
// children of one.
func (s *Source) describe(ctx context.Context, after *string, filter *types.ShardFilter) (*types.StreamDescription, error) {
	out, err := s.describeStream(ctx, &dynamodbstreams.DescribeStreamInput{
		StreamArn: new(s.arn()), ExclusiveStartShardId: after, ShardFilter: filter,
	})
	if err != nil {
		return nil, err
	}
	return out.StreamDescription, nil
}

// describeStream makes the call when there is room for it (DDB-22).
func (s *Source) describeStream(
	ctx context.Context, in *dynamodbstreams.DescribeStreamInput,
) (*dynamodbstreams.DescribeStreamOutput, error) {
	err := s.describes.wait(ctx)
	if err != nil {
		return nil, err
	}
	out, err := awscall.Do(ctx, awscall.Limit, s.client.DescribeStream, in, s.single...)
	if err != nil {
		return nil, err
	}
	if out.StreamDescription == nil {
		return nil, errNoDescription
	}
	return out, nil
}

// list lists all shards that the stream still has, open and closed, or with a time those
// that were open then or came later. A list is whole or an error: what it lacks would
// count as gone (DDB-20, DDB-21, DDB-110).
func (s *Source) list(ctx context.Context, since time.Time) ([]lease.Shard, error) {
	const maxTries = 3
	for try := 1; ; try++ {
		shards, cut, err := s.listOnce(ctx)
		switch {
		case cut && try < maxTries:
			// The shard that the second page was to begin behind is gone.
		case err != nil:
			return nil, err
		case since.IsZero():
			return shards, nil
		default:
			return recent(shards, since, time.Now().Add(s.skew())), nil
		}
	}
}

// listOnce lists all shards. cut says that a page could not be had since the shard it was
// to begin behind is not there any more; the stream is.
func (s *Source) listOnce(ctx context.Context) (shards []lease.Shard, cut bool, err error) {
	const maxPages = 1_000 // of a hundred shards, far above all quotas
	var list shard.List
	var after *string
	for range maxPages {
		page, err := s.describe(ctx, after, nil)
		if err != nil && after != nil && shard.IsMissing(err) {
			return nil, true, s.shards.Failed(describeOperation, err)
		}
		if err != nil {
			return nil, false, s.shards.Refused(describeOperation, err)
		}
		s.noteStatus(ctx, page)
		after = page.LastEvaluatedShardId
		last := aws.ToString(after) == ""
		if last && len(list.Shards) == 0 && len(page.Shards) == 0 && page.StreamStatus == types.StreamStatusEnabling {
			return nil, false, s.shards.Failed(describeOperation, errEnabling)
		}
		err = list.Add(shardsOf(page.Shards), last)
		if err != nil {
			return nil, false, s.shards.Failed(describeOperation, err)
		}
		if last {
			s.shards.Allowed(describeOperation)
			return s.ghosts.without(closeParents(list.Shards)), false, nil
		}
	}
	return nil, false, s.shards.Failed(describeOperation, shard.ErrEndlessList)
}

// shardsOf makes shards of a page; nil of none.
func shardsOf(page []types.Shard) []lease.Shard {
	if page == nil {
		return nil
	}
	all := make([]lease.Shard, len(page))
	for i := range page {
		all[i] = lease.Shard{ID: aws.ToString(page[i].ShardId), Open: true}
		if parent := aws.ToString(page[i].ParentShardId); parent != "" {
			all[i].Parents = []string{parent}
		}
		if r := page[i].SequenceNumberRange; r != nil {
			all[i].Open = aws.ToString(r.EndingSequenceNumber) == "" // DDB-06
		}
	}
	return all
}

// closeParents has shards that have children be closed, whatever the list says (DDB-29).
func closeParents(shards []lease.Shard) []lease.Shard {
	parents := make(map[string]bool)
	for i := range shards {
		for _, parent := range shards[i].Parents {
			parents[parent] = true
		}
	}
	for i := range shards {
		shards[i].Open = shards[i].Open && !parents[shards[i].ID]
	}
	return shards
}

// recent are the shards that may have been open at a moment, or came later: those that
// are open, and their ancestors for as many generations as there may have been since.
// Nobody tells when a shard was closed.
func recent(shards []lease.Shard, since, now time.Time) []lease.Shard {
	const least, each = 2, time.Minute
	byID, wanted := make(map[string]*lease.Shard, len(shards)), make(map[string]bool)
	var generation []string
	for i := range shards {
		byID[shards[i].ID] = &shards[i]
		if shards[i].Open {
			generation = append(generation, shards[i].ID)
		}
	}
	for range least + max(0, int(now.Sub(since)/each)) + 1 {
		var before []string
		for _, id := range generation {
			of, listed := byID[id]
			if !listed || wanted[id] {
				continue
			}
			wanted[id] = true
			before = append(before, of.Parents...)
		}
		if generation = before; len(generation) == 0 {
			break
		}
	}
	var list []lease.Shard
	for i := range shards {
		if wanted[shards[i].ID] {
			list = append(list, shards[i])
		}
	}
	return list
}
