package sqs

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Client is the part of the SDK's client that a source uses; *sqs.Client of
// github.com/aws/aws-sdk-go-v2/service/sqs has it. It must be safe for
// concurrent use, as that one is.
type Client interface {
	ReceiveMessage(ctx context.Context, in *sqs.ReceiveMessageInput,
		options ...func(*sqs.Options)) (*sqs.ReceiveMessageOutput, error)
	DeleteMessageBatch(ctx context.Context, in *sqs.DeleteMessageBatchInput,
		options ...func(*sqs.Options)) (*sqs.DeleteMessageBatchOutput, error)
	ChangeMessageVisibilityBatch(ctx context.Context, in *sqs.ChangeMessageVisibilityBatchInput,
		options ...func(*sqs.Options)) (*sqs.ChangeMessageVisibilityBatchOutput, error)
	GetQueueAttributes(ctx context.Context, in *sqs.GetQueueAttributesInput,
		options ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
	GetQueueUrl(ctx context.Context, in *sqs.GetQueueUrlInput,
		options ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
}

// once turns the SDK's own retries off for one call: the engine retries, so
// that a delay is counted once.
func once(o *sqs.Options) {
	o.RetryMaxAttempts = 0
	o.Retryer = aws.NopRetryer{}
}
