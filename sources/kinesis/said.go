package kinesis

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// What an answer does not say is zero once it is decoded, and zero often means
// something: the end of a shard, a stream without shards. So an answer that lacks what
// the service always says is an error, after which the call is made again.
var (
	errNoRecords   = errors.New("the answer has neither records nor a place to read on from")
	errNoNumber    = errors.New("the answer has a record without a sequence number")
	errOpen        = errors.New("the answer has no place to read on from, but the list of shards says that the shard is open")
	errNoIterator  = errors.New("the answer has no ShardIterator")
	errNoShards    = errors.New("the answer has no shards")
	errNamelessID  = errors.New("the answer has a shard without an ID")
	errEndlessList = errors.New("the list does not end")
	errNoSummary   = errors.New("the answer has no StreamDescriptionSummary")
)

// checkRecords returns an error for records that have no place in a shard.
func checkRecords(records []types.Record) error {
	for i := range records {
		if aws.ToString(records[i].SequenceNumber) == "" {
			return errNoNumber
		}
	}
	return nil
}

// confirmEnd checks that the shard is read to its end, which an answer says that
// names no place to read on from (KIN-28, KIN-86): it names the children too, or the
// list of shards says that the shard is closed or has none such. It returns the
// children.
func (p *partition) confirmEnd(
	ctx context.Context, records []types.Record, children []types.ChildShard,
) ([]types.ChildShard, error) {
	if records == nil {
		return nil, errNoRecords
	}
	nameless := func(c types.ChildShard) bool { return aws.ToString(c.ShardId) == "" }
	if len(children) > 0 && !slices.ContainsFunc(children, nameless) {
		return children, nil
	}
	shards, err := p.source.list(ctx, time.Time{})
	if err != nil {
		return nil, err
	}
	for i := range shards {
		if shards[i].ID == p.id && shards[i].Open {
			return nil, errOpen
		}
	}
	return nil, nil // the manager lists them
}
