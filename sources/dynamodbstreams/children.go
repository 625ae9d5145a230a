package dynamodbstreams

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/lease"
	"github.com/openesm/openesm/sources/internal/shard"
)

// children asks for the children of a shard that is read to its end, again for a while
// if there are none yet (DDB-23, DDB-27, DDB-28). That there are none is no error: the
// list of all shards is asked then, now and later.
func (s *Source) children(ctx context.Context, parent string) ([]lease.Shard, error) {
	const maxTries = 10
	if s.unfiltered.Load() {
		return nil, nil
	}
	delay := retry.Backoff{Initial: 50 * time.Millisecond, Max: time.Second}
	for try := 1; ; try++ {
		found, over, err := s.childrenOnce(ctx, parent)
		switch {
		case awscall.Code(err) == validation: // a server that does not know the filter
			s.unfiltered.Store(true)
			return nil, nil
		case err != nil:
			return nil, err
		case len(found) > 0 || over || try == maxTries:
			return found, nil
		case !shard.Sleep(ctx, delay.Delay(try, s.options.Jitter())):
			return nil, ctx.Err()
		}
	}
}

// childrenOnce asks once, which may take several pages. over says that there will be no
// children: the stream is disabled (DDB-31).
func (s *Source) childrenOnce(ctx context.Context, parent string) (found []lease.Shard, over bool, err error) {
	var list shard.List
	filter := &types.ShardFilter{Type: types.ShardFilterTypeChildShards, ShardId: &parent}
	for after := (*string)(nil); ; {
		page, err := s.describe(ctx, after, filter)
		if err != nil {
			return nil, false, err
		}
		if len(page.Shards) > 0 {
			err = list.Add(shardsOf(page.Shards), false)
			if err != nil {
				return nil, false, err
			}
		}
		last := page.LastEvaluatedShardId
		if aws.ToString(last) == "" {
			over = page.StreamStatus == types.StreamStatusDisabled
			break
		}
		if aws.ToString(last) == aws.ToString(after) {
			return nil, false, shard.ErrEndlessList
		}
		after = last
	}

	// A server that does not know the filter lists all shards.
	others := func(of lease.Shard) bool { return !slices.Contains(of.Parents, parent) }
	return slices.DeleteFunc(list.Shards, others), over, nil
}
