package kinesis

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// Client is the part of the SDK's client that a source uses; *kinesis.Client of
// github.com/aws/aws-sdk-go-v2/service/kinesis has it. It must be of the stream's
// region and safe for concurrent use, as that one is.
type Client interface {
	DescribeStreamSummary(ctx context.Context, in *kinesis.DescribeStreamSummaryInput,
		options ...func(*kinesis.Options)) (*kinesis.DescribeStreamSummaryOutput, error)
	ListShards(ctx context.Context, in *kinesis.ListShardsInput,
		options ...func(*kinesis.Options)) (*kinesis.ListShardsOutput, error)
	GetShardIterator(ctx context.Context, in *kinesis.GetShardIteratorInput,
		options ...func(*kinesis.Options)) (*kinesis.GetShardIteratorOutput, error)
	GetRecords(ctx context.Context, in *kinesis.GetRecordsInput,
		options ...func(*kinesis.Options)) (*kinesis.GetRecordsOutput, error)
}

// once turns the SDK's own retries off for one call: the engine retries, so that a
// delay is counted once.
func once(o *kinesis.Options) {
	o.RetryMaxAttempts = 0
	o.Retryer = aws.NopRetryer{}
}
