package sqsqueue

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

var _ esm.Checker = (*Destination)(nil)

// describer is what a client needs for the check; *sqs.Client has it.
type describer interface {
	GetQueueAttributes(ctx context.Context, in *sqs.GetQueueAttributesInput,
		options ...func(*sqs.Options)) (*sqs.GetQueueAttributesOutput, error)
}

// Check asks for the queue's ARN, and tells that the queue does not exist. Who lacks the
// permission sqs:GetQueueAttributes may still send. Of a queue given by its name alone
// the URL must be found.
func (d *Destination) Check(ctx context.Context) error {
	url, err := d.queueURL(ctx)
	if err != nil {
		if isMissing(err) || awscall.IsDenied(err) {
			return target.Unusable(err)
		}
		return err
	}
	client, ok := d.client.(describer)
	if !ok {
		return nil
	}
	_, err = awscall.Do(ctx, awscall.Limit, client.GetQueueAttributes, &sqs.GetQueueAttributesInput{
		QueueUrl: url, AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameQueueArn},
	}, once)
	switch {
	case err == nil, awscall.IsDenied(err):
		return nil
	case isMissing(err):
		return target.Unusable(d.failed("GetQueueAttributes", err))
	default:
		return d.failed("GetQueueAttributes", err)
	}
}

// isMissing tells that the queue does not exist.
func isMissing(err error) bool {
	code := awscall.Code(err)
	return code == "NonExistentQueue" || code == "QueueDoesNotExist"
}
