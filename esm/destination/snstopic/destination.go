// Package snstopic delivers failure records to a standard Amazon SNS topic: one message
// each, the record without the data of what failed, no subject and no attributes
// (DST-19c, DST-19d). AWS allows it for Kinesis, DynamoDB Streams and Kafka
// (DST-01..03).
//
// It needs the permission sns:Publish (DST-09a). With sns:GetTopicAttributes a topic that
// does not exist is told at the start. A record takes a few hundred
// bytes, and that of a Kafka batch some more for each partition; what is larger than
// the 256 KB of a message (DST-65) goes as several, each about a part of the batch.
package snstopic

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

// maxBytes is the largest message (DST-65).
const maxBytes = 256 << 10

// Client is the part of the SDK's client that a destination uses; *sns.Client has
// it. It must be of the topic's region and safe for concurrent use.
type Client interface {
	Publish(ctx context.Context, in *sns.PublishInput, options ...func(*sns.Options)) (*sns.PublishOutput, error)
}

// Destination is a topic as on-failure destination.
type Destination struct {
	client Client
	topic  string
}

var _ esm.Destination = (*Destination)(nil)

// New makes a destination of a topic, given by its ARN: SNS finds topics by nothing
// else. It makes no call; its error names every violation. FIFO topics are refused
// (DST-06).
func New(client Client, topicARN string) (*Destination, error) {
	_, err := target.ParseARN("topic", topicARN, "sns")
	errs := []error{err}
	if target.IsNil(client) {
		errs = append(errs, target.ErrNoClient)
	}
	if strings.HasSuffix(topicARN, ".fifo") {
		errs = append(errs, fmt.Errorf("topic: %q is a FIFO topic; want a standard topic", topicARN))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("destination sns: %w", err)
	}
	return &Destination{client: client, topic: topicARN}, nil
}

// Deliver publishes the failure record. A message may come twice if an answer is
// lost.
func (d *Destination) Deliver(ctx context.Context, record *esm.FailureRecord) error {
	return target.Each(record, esm.NoPayload, maxBytes, func(document []byte) error {
		return d.publish(ctx, document)
	})
}

func (d *Destination) publish(ctx context.Context, document []byte) error {
	out, err := awscall.Do(ctx, awscall.Limit, d.client.Publish,
		&sns.PublishInput{TopicArn: &d.topic, Message: aws.String(string(document))}, once)
	if err != nil {
		return &awscall.Error{Service: "sns", Operation: "Publish", Target: "topic " + d.topic, Err: err}
	}
	if aws.ToString(out.MessageId) == "" {
		return target.Lacks("sns: Publish on topic "+d.topic, "MessageId")
	}
	return nil
}

// once turns the SDK's own retries off: the mapping tries again.
func once(o *sns.Options) { o.RetryMaxAttempts, o.Retryer = 0, aws.NopRetryer{} }
