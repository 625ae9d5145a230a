package dynamodbstreams

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
)

// Client is the part of the SDK's client that a source uses; *dynamodbstreams.Client of
// github.com/aws/aws-sdk-go-v2/service/dynamodbstreams has it. It must be of the
// table's region and safe for concurrent use, as that one is. ListStreams is called
// for a table that is named, and to tell of a stream's successor.
type Client interface {
	ListStreams(ctx context.Context, in *dynamodbstreams.ListStreamsInput,
		options ...func(*dynamodbstreams.Options)) (*dynamodbstreams.ListStreamsOutput, error)
	DescribeStream(ctx context.Context, in *dynamodbstreams.DescribeStreamInput,
		options ...func(*dynamodbstreams.Options)) (*dynamodbstreams.DescribeStreamOutput, error)
	GetShardIterator(ctx context.Context, in *dynamodbstreams.GetShardIteratorInput,
		options ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetShardIteratorOutput, error)
	GetRecords(ctx context.Context, in *dynamodbstreams.GetRecordsInput,
		options ...func(*dynamodbstreams.Options)) (*dynamodbstreams.GetRecordsOutput, error)
}

// once turns the SDK's own retries off for one call: the engine retries, so that a
// delay is counted once.
func once(o *dynamodbstreams.Options) {
	o.RetryMaxAttempts = 0
	o.Retryer = aws.NopRetryer{}
}
