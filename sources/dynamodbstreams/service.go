package dynamodbstreams

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/lease"
	"github.com/openesm/openesm/sources/internal/shard"
)

const (
	serviceName = "dynamodbstreams"

	// needs says what a caller must be allowed (DDB-72).
	needs = "a mapping needs dynamodb:DescribeStream, GetShardIterator and GetRecords on the stream, and ListStreams for a table that is named"

	// maxRecords is how many records one call brings at most (DDB-41).
	maxRecords = 1_000

	// retention is how long the service keeps records (DDB-01).
	retention = 24 * time.Hour

	// readLimit is how long a GetRecords may take, which brings 1 MB at most.
	readLimit = 15 * time.Second
)

// service is DynamoDB Streams as package shard sees it.
type service struct{ source *Source }

var (
	_ shard.Service[types.Record] = service{}
	_ shard.ChildLister           = service{}
)

// Traits tells of DynamoDB Streams (DDB-24, DDB-50).
func (service) Traits() shard.Traits {
	return shard.Traits{
		Service:    serviceName,
		Needs:      needs,
		Throttled:  []string{"LimitExceededException", "ThrottlingException", "ProvisionedThroughputExceededException"},
		Trimmed:    []string{"TrimmedDataAccessException"},
		MaxRecords: maxRecords,
		NewLoss:    newLossError,
	}
}

// Sequence is the sequence number of a record.
func (service) Sequence(r *types.Record) string { return sequenceOf(r) }

// Arrival is when a record came to be.
func (service) Arrival(r *types.Record) time.Time { return createdAt(r) }

// Size is what the service says that a record takes.
func (service) Size(r *types.Record) int {
	if r.Dynamodb == nil {
		return 0
	}
	return int(aws.ToInt64(r.Dynamodb.SizeBytes))
}

// BehindAll is the position behind a record.
func (service) BehindAll(r *types.Record) checkpoint.Position {
	return checkpoint.Position{Sequence: sequenceOf(r)}
}

// Position is the position behind a record.
func (service) Position(r *sources.Record) checkpoint.Position {
	return checkpoint.Position{Sequence: r.ID}
}

// Resumed is the position that was stored.
func (service) Resumed(at checkpoint.Position) checkpoint.Position { return at }

// NewDecoder returns the decoder of a shard.
func (s service) NewDecoder(shardID string) shard.Decoder[types.Record] {
	return &decoder{source: s.source, shard: shardID}
}

// List lists the stream's shards.
func (s service) List(ctx context.Context, since time.Time) ([]lease.Shard, error) {
	return s.source.list(ctx, since)
}

// Children asks for the children of a shard.
func (s service) Children(ctx context.Context, shardID string) ([]lease.Shard, error) {
	return s.source.children(ctx, shardID)
}

// Iterator asks for an iterator (DDB-47). A server that does not know iterators by time
// gives one for the oldest record; the decoder leaves out what is too old.
func (s service) Iterator(ctx context.Context, shardID string, at checkpoint.Position) (string, error) {
	in := &dynamodbstreams.GetShardIteratorInput{StreamArn: new(s.source.arn()), ShardId: &shardID}
	switch at.Sequence {
	case checkpoint.AtTimestamp:
		in.ShardIteratorType, in.Timestamp = types.ShardIteratorTypeAtTimestamp, new(wholeSecond(at.Timestamp))
	case checkpoint.TrimHorizon:
		in.ShardIteratorType = types.ShardIteratorTypeTrimHorizon
	default:
		in.ShardIteratorType, in.SequenceNumber = types.ShardIteratorTypeAtSequenceNumber, &at.Sequence
	}
	out, err := awscall.Do(ctx, awscall.Limit, s.source.client.GetShardIterator, in, s.source.single...)
	if at.Sequence == checkpoint.AtTimestamp && awscall.Code(err) == validation {
		return s.Iterator(ctx, shardID, checkpoint.Position{Sequence: checkpoint.TrimHorizon})
	}
	s.source.ghosts.note(shardID, err)
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ShardIterator), nil
}

// validation is the code of the error about a parameter that a server does not know.
const validation = "ValidationException"

// Read makes one GetRecords. An answer that cannot be decoded is asked for again, with
// fewer and fewer records, so that one record does not hold up those before it.
func (s service) Read(ctx context.Context, iterator string, limit int) (shard.Answer[types.Record], error) {
	for {
		out, err := awscall.Do(ctx, readLimit, s.source.client.GetRecords, &dynamodbstreams.GetRecordsInput{
			ShardIterator: &iterator, Limit: new(int32(limit)), //nolint:gosec // at most maxRecords
		}, s.source.single...)
		if err == nil {
			return answerOf(out, time.Now().Add(s.source.skew())), nil
		}
		if _, unreadable := errors.AsType[*smithy.DeserializationError](err); !unreadable || limit <= 1 {
			return shard.Answer[types.Record]{}, err
		}
		limit /= 2
	}
}

// answerOf is what an answer says. How far it is from the newest record the service does
// not tell: nothing is taken for the end of what there is, and records for more to come
// (DDB-43, DDB-51).
func answerOf(out *dynamodbstreams.GetRecordsOutput, now time.Time) shard.Answer[types.Record] {
	a := shard.Answer[types.Record]{Records: out.Records, Next: aws.ToString(out.NextShardIterator), Told: true}
	if last := len(out.Records) - 1; last >= 0 {
		a.Behind = max(now.Sub(createdAt(&out.Records[last])), time.Millisecond)
	}
	return a
}
