package kinesis

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/shard"
)

// readLimit is how long a GetRecords may take, which may bring 10 MiB.
const readLimit = 30 * time.Second

// service is Kinesis as package shard sees it.
type service struct{ source *Source }

var _ shard.Service[types.Record] = service{}

// Traits tells of Kinesis.
func (service) Traits() shard.Traits {
	return shard.Traits{
		Service:    "kinesis",
		Needs:      needs,
		Throttled:  []string{"ProvisionedThroughputExceededException"},
		MaxRecords: maxRecords,
		NewLoss:    newLossError,
	}
}

// needs says what a caller must be allowed.
const needs = "a mapping needs kinesis:DescribeStreamSummary, ListShards, GetShardIterator and GetRecords, or SubscribeToShard"

// Sequence is the sequence number of a record.
func (service) Sequence(r *types.Record) string { return aws.ToString(r.SequenceNumber) }

// Arrival is when a record arrived.
func (service) Arrival(r *types.Record) time.Time { return aws.ToTime(r.ApproximateArrivalTimestamp) }

// Size is what a record takes of a shard's bytes (KIN-24).
func (service) Size(r *types.Record) int { return len(r.Data) + len(aws.ToString(r.PartitionKey)) }

// BehindAll is the position behind everything that is in a record.
func (s service) BehindAll(r *types.Record) checkpoint.Position { return s.source.behindAllOf(r) }

// Position is the position behind a record.
func (service) Position(r *sources.Record) checkpoint.Position { return native(r).position() }

// Resumed is the position to go on from, for one that was stored.
func (s service) Resumed(at checkpoint.Position) checkpoint.Position { return s.source.resumed(at) }

// NewDecoder returns a decoder that opens aggregated records.
func (s service) NewDecoder(shardID string) shard.Decoder[types.Record] {
	return &decoder{source: s.source, shard: shardID}
}

// Iterator asks for an iterator (KIN-43).
func (s service) Iterator(ctx context.Context, shardID string, at checkpoint.Position) (string, error) {
	from := startingPosition(at)
	out, err := awscall.Do(ctx, awscall.Limit, s.source.client.GetShardIterator, &kinesis.GetShardIteratorInput{
		StreamARN: &s.source.stream.arn, ShardId: &shardID,
		ShardIteratorType: from.Type, StartingSequenceNumber: from.SequenceNumber, Timestamp: from.Timestamp,
	}, s.source.single...)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ShardIterator), nil
}

// startingPosition is a place to read from, in the SDK's words.
func startingPosition(at checkpoint.Position) types.StartingPosition {
	switch at.Sequence {
	case checkpoint.AtTimestamp:
		return types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: &at.Timestamp}
	case checkpoint.TrimHorizon:
		return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	default:
		return types.StartingPosition{Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: &at.Sequence}
	}
}

// Read makes one GetRecords.
func (s service) Read(ctx context.Context, iterator string, limit int) (answer, error) {
	out, err := awscall.Do(ctx, readLimit, s.source.client.GetRecords, &kinesis.GetRecordsInput{
		ShardIterator: &iterator, StreamARN: &s.source.stream.arn, Limit: new(int32(limit)), //nolint:gosec // at most maxRecords
	}, s.source.single...)
	if err != nil {
		return answer{}, err
	}
	a := answerOf(out.Records, out.MillisBehindLatest, out.ChildShards)
	a.Next = aws.ToString(out.NextShardIterator)
	return a, nil
}

// answer is what a reader brings at once.
type answer = shard.Answer[types.Record]

// answerOf is what an answer or an event says.
func answerOf(records []types.Record, millisBehind *int64, children []types.ChildShard) answer {
	return answer{
		Records: records, Told: millisBehind != nil,
		Behind:   time.Duration(aws.ToInt64(millisBehind)) * time.Millisecond,
		Children: childrenOf(children),
	}
}
