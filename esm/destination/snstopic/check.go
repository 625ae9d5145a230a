package snstopic

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

var _ esm.Checker = (*Destination)(nil)

// describer is what a client needs for the check; *sns.Client has it.
type describer interface {
	GetTopicAttributes(ctx context.Context, in *sns.GetTopicAttributesInput,
		options ...func(*sns.Options)) (*sns.GetTopicAttributesOutput, error)
}

// Check asks for the topic's attributes, and tells that the topic does not exist. Who
// lacks the permission sns:GetTopicAttributes may still publish.
func (d *Destination) Check(ctx context.Context) error {
	client, ok := d.client.(describer)
	if !ok {
		return nil
	}
	_, err := awscall.Do(ctx, awscall.Limit, client.GetTopicAttributes, &sns.GetTopicAttributesInput{TopicArn: &d.topic}, once)
	if err == nil || awscall.IsDenied(err) {
		return nil
	}
	failed := &awscall.Error{Service: "sns", Operation: "GetTopicAttributes", Target: "topic " + d.topic, Err: err}
	if code := awscall.Code(err); code == "NotFound" || code == "NotFoundException" {
		return target.Unusable(failed)
	}
	return failed
}
