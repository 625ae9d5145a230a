package dynamodb

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Client is the part of the SDK's client that a store uses; *dynamodb.Client of
// github.com/aws/aws-sdk-go-v2/service/dynamodb has it. It must be safe for
// concurrent use, as that one is.
type Client interface {
	Scan(ctx context.Context, in *dynamodb.ScanInput,
		options ...func(*dynamodb.Options)) (*dynamodb.ScanOutput, error)
	PutItem(ctx context.Context, in *dynamodb.PutItemInput,
		options ...func(*dynamodb.Options)) (*dynamodb.PutItemOutput, error)
	UpdateItem(ctx context.Context, in *dynamodb.UpdateItemInput,
		options ...func(*dynamodb.Options)) (*dynamodb.UpdateItemOutput, error)
	DeleteItem(ctx context.Context, in *dynamodb.DeleteItemInput,
		options ...func(*dynamodb.Options)) (*dynamodb.DeleteItemOutput, error)
	CreateTable(ctx context.Context, in *dynamodb.CreateTableInput,
		options ...func(*dynamodb.Options)) (*dynamodb.CreateTableOutput, error)
	DescribeTable(ctx context.Context, in *dynamodb.DescribeTableInput,
		options ...func(*dynamodb.Options)) (*dynamodb.DescribeTableOutput, error)
}

// once turns the SDK's own retries off for one call: callers retry, so that a
// delay is counted once, and so that a write whose answer was lost is not taken
// for a conflict with itself.
func once(o *dynamodb.Options) {
	o.RetryMaxAttempts = 0
	o.Retryer = aws.NopRetryer{}
}
