// Package sqsqueue delivers failure records to a standard Amazon SQS queue: one message
// each, whose body is the record without the data of what failed (DST-10, DST-19c).
// AWS allows it for Kinesis, DynamoDB Streams and Kafka (DST-01..03).
//
// It needs the permission sqs:SendMessage, and sqs:GetQueueUrl only if the queue is
// given by its name alone (DST-09a). With sqs:GetQueueAttributes a queue that does not
// exist is told at the start.
package sqsqueue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

// maxBytes is the largest message (DST-65a). A record that names some thousand
// partitions is longer, and goes as several.
const maxBytes = 1 << 20

// Client is the part of the SDK's client that a destination uses; *sqs.Client has
// it. It must be of the queue's region and safe for concurrent use.
type Client interface {
	GetQueueUrl(ctx context.Context, in *sqs.GetQueueUrlInput, options ...func(*sqs.Options)) (*sqs.GetQueueUrlOutput, error)
	SendMessage(ctx context.Context, in *sqs.SendMessageInput, options ...func(*sqs.Options)) (*sqs.SendMessageOutput, error)
}

// Destination is a queue as on-failure destination.
type Destination struct {
	client Client
	name   string
	url    atomic.Pointer[string] // nil until it was asked for
}

var _ esm.Destination = (*Destination)(nil)

// New makes a destination of a queue, given by its ARN, its URL, or its name in the
// client's account. It makes no call; its error names every violation. FIFO queues
// are refused (DST-06), and those in another region than that of an SDK's client: it
// would find the queue of the same name in its own.
func New(client Client, queue string) (*Destination, error) {
	var errs []error
	if target.IsNil(client) {
		errs = append(errs, target.ErrNoClient)
	}
	named, err := awscall.ParseQueue(queue)
	errs = append(errs, err)
	if named.FIFO {
		errs = append(errs, fmt.Errorf("queue: %q is a FIFO queue; want a standard queue", named.Name))
	}
	if region := regionOf(client); err == nil && region != "" && named.Region != "" && region != named.Region {
		errs = append(errs, fmt.Errorf("queue: is in region %q; the client is of %q", named.Region, region))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("destination sqs: %w", err)
	}
	destination := &Destination{client: client, name: named.Name}
	if url := cmp.Or(named.URL, named.AWSURL()); url != "" {
		destination.url.Store(&url)
	}
	return destination, nil
}

// regionOf is the region of an SDK's client; "" of others.
func regionOf(client Client) string {
	if sdk, ok := client.(*sqs.Client); ok && sdk != nil {
		return sdk.Options().Region
	}
	return ""
}

// Deliver sends the failure record. A message may come twice if an answer is lost.
func (d *Destination) Deliver(ctx context.Context, record *esm.FailureRecord) error {
	return target.Each(record, esm.NoPayload, maxBytes, func(document []byte) error {
		return d.send(ctx, document)
	})
}

func (d *Destination) send(ctx context.Context, document []byte) error {
	queueURL, err := d.queueURL(ctx)
	if err != nil {
		return err
	}
	out, err := awscall.Do(ctx, awscall.Limit, d.client.SendMessage,
		&sqs.SendMessageInput{QueueUrl: queueURL, MessageBody: aws.String(string(document))}, once)
	if err != nil {
		return d.failed("SendMessage", err)
	}
	if aws.ToString(out.MessageId) == "" {
		return target.Lacks("sqs: SendMessage on queue "+d.name, "MessageId")
	}
	return nil
}

// queueURL asks for the queue's URL, once.
func (d *Destination) queueURL(ctx context.Context) (*string, error) {
	if known := d.url.Load(); known != nil {
		return known, nil
	}
	out, err := awscall.Do(ctx, awscall.Limit, d.client.GetQueueUrl,
		&sqs.GetQueueUrlInput{QueueName: &d.name}, once)
	if err != nil {
		return nil, d.failed("GetQueueUrl", err)
	}
	if aws.ToString(out.QueueUrl) == "" {
		return nil, target.Lacks("sqs: GetQueueUrl on queue "+d.name, "URL")
	}
	d.url.Store(out.QueueUrl)
	return out.QueueUrl, nil
}

func (d *Destination) failed(operation string, err error) error {
	return &awscall.Error{Service: "sqs", Operation: operation, Target: "queue " + d.name, Err: err}
}

// once turns the SDK's own retries off: the mapping tries again.
func once(o *sqs.Options) { o.RetryMaxAttempts, o.Retryer = 0, aws.NopRetryer{} }
