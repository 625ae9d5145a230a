package sqs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// setup is what Start learnt. It does not change.
type setup struct {
	url        *string
	encoder    *eventjson.SQS
	visibility time.Duration // of every receive
	override   int32         // VisibilityTimeout of every receive; 0: the queue's
	slight     int           // size below which a message need not be measured
}

// Start finds the queue and checks that it suits the mapping. It fails with
// [sources.ErrUnusable] if the queue does not exist, if the caller lacks a
// permission (SQS-03), or if the handler's time limit is longer than the
// visibility timeout (SQS-41, API-77) and Heartbeat is off. Throttles, server
// and network errors are returned as they are.
//
// If window and time limit together are longer than the visibility timeout,
// messages are received with window + time limit + 30 s (SQS-43).
func (s *Source) Start(ctx context.Context, settings sources.Settings) error {
	url, err := s.findURL(ctx)
	if err != nil {
		return err
	}

	out, err := s.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &url,
		AttributeNames: []types.QueueAttributeName{
			types.QueueAttributeNameVisibilityTimeout,
			types.QueueAttributeNameQueueArn,
			types.QueueAttributeNameRedrivePolicy,
		},
	}, s.single...)
	if err != nil {
		return s.refused("GetQueueAttributes", err)
	}

	err = s.sameQueue(out.Attributes)
	if err != nil {
		return err
	}

	visibility, override, err := s.visibility(out.Attributes, settings)
	if err != nil {
		return err
	}

	s.advise(out.Attributes, visibility, settings)

	s.setup = &setup{
		url:        &url,
		encoder:    s.encoder(out.Attributes, settings),
		visibility: visibility,
		override:   override,
	}
	if settings.BatchSize > 0 {
		// So small that a full batch is not too large.
		s.setup.slight = (settings.BatchBytes - eventjson.Overhead) / settings.BatchSize
	}

	return nil
}

// findURL asks for the queue's URL. Who names the queue by ARN and may not ask
// gets the URL that AWS forms: Lambda does without that permission (SQS-03).
func (s *Source) findURL(ctx context.Context) (string, error) {
	if s.queue.url != "" {
		return s.queue.url, nil
	}

	in := &sqs.GetQueueUrlInput{QueueName: &s.queue.name}
	if s.queue.account != "" {
		in.QueueOwnerAWSAccountId = &s.queue.account
	}

	out, err := s.client.GetQueueUrl(ctx, in, s.single...)

	switch {
	case err == nil:
		return aws.ToString(out.QueueUrl), nil
	case awscall.IsDenied(err) && s.queue.arn != "":
		return s.queue.awsURL(), nil
	default:
		return "", s.refused("GetQueueUrl", err)
	}
}

// sameQueue refuses a queue of the same name in another region or account, as
// a client of the wrong region finds it.
func (s *Source) sameQueue(attributes map[string]string) error {
	found := attributes[string(types.QueueAttributeNameQueueArn)]
	if found == "" || s.queue.arn == "" || found == s.queue.arn {
		return nil
	}

	return fmt.Errorf("sqs: queue: the client finds %q; want %q (is it a client of the queue's region?): %w",
		found, s.queue.arn, sources.ErrUnusable)
}

// refused tells errors that will not pass from those that may.
func (s *Source) refused(operation string, err error) error {
	switch {
	case isMissing(err):
		// The words of API-64.
		return fmt.Errorf("sqs: queue %s: error occurred while %s: "+
			"AWS.SimpleQueueService.NonExistentQueue: the specified queue does not exist "+
			"(create it, or correct its name, account or the client's region): %w",
			s.queue.name, operation, sources.ErrUnusable)
	case awscall.IsDenied(err):
		return fmt.Errorf("%w (a mapping needs sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes): %w",
			s.failed(operation, err), sources.ErrUnusable)
	default:
		return s.failed(operation, err)
	}
}

// visibility returns how long received messages stay hidden, and the same in
// seconds if the receives must ask for it.
func (s *Source) visibility(attributes map[string]string, settings sources.Settings) (time.Duration, int32, error) {
	const slack = 30 * time.Second

	visibility, override := s.options.VisibilityTimeout, seconds(s.options.VisibilityTimeout)

	if visibility == 0 {
		text := attributes[string(types.QueueAttributeNameVisibilityTimeout)]

		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return 0, 0, fmt.Errorf("sqs: queue %s: VisibilityTimeout: %q is not a number of seconds: %w",
				s.queue.name, text, sources.ErrUnusable)
		}

		visibility = time.Duration(n) * time.Second
	}

	if visibility == 0 {
		return 0, 0, fmt.Errorf("sqs: queue %s: VisibilityTimeout: 0 seconds hides no message while it is handled; "+
			"want 1 or more: %w", s.queue.name, sources.ErrUnusable)
	}

	if settings.Timeout > visibility && !s.options.Heartbeat {
		return 0, 0, fmt.Errorf("sqs: queue %s: "+
			"Queue visibility timeout: %d seconds is less than Function timeout: %d seconds: %w",
			s.queue.name, seconds(visibility), seconds(settings.Timeout), sources.ErrUnusable)
	}

	if settings.Window > 0 && settings.Window+settings.Timeout > visibility {
		override = seconds(min(settings.Window+settings.Timeout+slack, longestVisibility))
		visibility = time.Duration(override) * time.Second
	}

	return visibility, override, nil
}

// encoder writes the ARN and region that the queue itself tells, if it does.
func (s *Source) encoder(attributes map[string]string, settings sources.Settings) *eventjson.SQS {
	arn := attributes[string(types.QueueAttributeNameQueueArn)]
	if arn == "" {
		arn = s.Traits().ARN
	}

	region := s.queue.region
	if parts := strings.Split(arn, ":"); len(parts) == arnParts {
		region = parts[3]
	}

	return eventjson.NewSQS(eventSource, arn, region).WithNullMD5(settings.Window >= time.Second)
}

// advise logs what AWS recommends and does not enforce (SQS-42).
func (s *Source) advise(attributes map[string]string, visibility time.Duration, settings sources.Settings) {
	const factor = 6

	if attributes[string(types.QueueAttributeNameRedrivePolicy)] == "" {
		s.options.Logger.Warn("queue has no redrive policy: a message that always fails returns until its retention ends",
			"queue", s.queue.name)
	}

	if !s.options.Heartbeat && visibility < factor*settings.Timeout+settings.Window {
		s.options.Logger.Info("queue's visibility timeout is less than the recommended six times the handler's timeout",
			"queue", s.queue.name, "visibility", visibility, "timeout", settings.Timeout)
	}
}
