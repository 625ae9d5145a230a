package sqs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
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
	url     *string
	encoder *eventjson.SQS
	slight  int // size below which a message need not be measured

	queued  time.Duration // the visibility timeout of the queue, or the option's
	hidden  int32         // VisibilityTimeout of receives and extensions, in seconds
	life    time.Duration // how long a record is the mapping's from when its receive was sent
	timeout time.Duration // the handler's time limit
	window  time.Duration // the longest time a batch may gather

	logger *slog.Logger
	report func(error) // may be nil
}

// Start finds the queue and checks that it suits the mapping. It fails with
// [sources.ErrUnusable] if the queue does not exist, if the caller lacks a
// permission (SQS-03), or if the handler's time limit is longer than the
// visibility timeout (SQS-41, API-77) and Heartbeat is off. Throttles, server
// and network errors are returned as they are.
func (s *Source) Start(ctx context.Context, settings sources.Settings) error {
	url, err := s.findURL(ctx)
	if err != nil {
		return err
	}
	attributes, err := s.attributes(ctx, url)
	if err != nil {
		return err
	}
	if err := s.sameQueue(attributes); err != nil {
		return err
	}
	visibility, err := s.visibility(attributes, settings)
	if err != nil {
		return err
	}
	set := &setup{
		url: &url, encoder: s.encoder(attributes, settings),
		timeout: settings.Timeout, window: settings.Window,
		logger: cmp.Or(s.options.Logger, settings.Logger), report: settings.Report,
	}
	if set.logger == nil {
		set.logger = slog.New(slog.DiscardHandler)
	}
	set.queued = visibility
	set.life, set.hidden = s.life(visibility, settings)
	if settings.BatchSize > 0 {
		// So small that a full batch is not too large.
		set.slight = (settings.BatchBytes - eventjson.Bound) / settings.BatchSize
	}
	s.advise(set.logger, attributes, visibility, settings)
	s.setup = set
	return nil
}

// findURL asks for the queue's URL. Who names the queue by ARN and may not ask
// gets the URL that AWS forms: Lambda does without that permission (SQS-03). The
// service says to such callers that there is no such queue, too.
func (s *Source) findURL(ctx context.Context) (string, error) {
	if s.queue.URL != "" {
		return s.queue.URL, nil
	}
	in := &sqs.GetQueueUrlInput{QueueName: &s.queue.Name}
	if s.queue.Account != "" {
		in.QueueOwnerAWSAccountId = &s.queue.Account
	}
	const operation = "GetQueueUrl"
	out, err := awscall.Do(ctx, callTime, s.client.GetQueueUrl, in, s.single...)
	switch {
	case err != nil && s.queue.ARN != "" && (awscall.IsDenied(err) || isMissing(err)):
		return s.queue.AWSURL(), nil
	case err != nil:
		return "", s.refused(operation, err)
	case aws.ToString(out.QueueUrl) == "":
		return "", s.odd(operation, "no URL")
	default:
		return *out.QueueUrl, nil
	}
}

// attributes asks for what the mapping needs to know of the queue.
func (s *Source) attributes(ctx context.Context, url string) (map[string]string, error) {
	const operation = "GetQueueAttributes"
	out, err := awscall.Do(ctx, callTime, s.client.GetQueueAttributes, &sqs.GetQueueAttributesInput{
		QueueUrl: &url,
		AttributeNames: append(countNames(),
			types.QueueAttributeNameVisibilityTimeout,
			types.QueueAttributeNameQueueArn,
			types.QueueAttributeNameRedrivePolicy,
		),
	}, s.single...)
	if err != nil {
		return nil, s.refused(operation, err)
	}
	s.backlog.count(out.Attributes)
	if s.options.VisibilityTimeout > 0 {
		return out.Attributes, nil
	}
	if _, err := queueVisibility(out.Attributes); err != nil {
		return nil, s.odd(operation, err.Error())
	}
	return out.Attributes, nil
}

// queueVisibility reads the queue's own visibility timeout.
func queueVisibility(attributes map[string]string) (time.Duration, error) {
	text, ok := attributes[string(types.QueueAttributeNameVisibilityTimeout)]
	if !ok {
		return 0, errors.New("no VisibilityTimeout")
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, fmt.Errorf("VisibilityTimeout %q, which is not a number of seconds", text)
	}
	return time.Duration(n) * time.Second, nil
}

// odd is the error of an answer that lacks what it should have. The next one may
// have it.
func (s *Source) odd(operation, what string) error {
	return fmt.Errorf("sqs: %s on queue %s: the answer has %s", operation, s.queue.Name, what)
}

// sameQueue refuses a queue of the same name in another region or account, as
// a client of the wrong region finds it.
func (s *Source) sameQueue(attributes map[string]string) error {
	found := attributes[string(types.QueueAttributeNameQueueArn)]
	if found == "" || s.queue.ARN == "" || found == s.queue.ARN {
		return nil
	}
	return fmt.Errorf("sqs: queue: the client finds %q; want %q (is it a client of the queue's region?): %w",
		found, s.queue.ARN, sources.ErrUnusable)
}

// refused tells errors that will not pass from those that may.
func (s *Source) refused(operation string, err error) error {
	failed := s.failed(operation, err)
	switch {
	case isMissing(err):
		return fmt.Errorf("%w: %w", failed, sources.ErrUnusable)
	case awscall.IsDenied(err):
		return fmt.Errorf("%w (a mapping needs sqs:ReceiveMessage, sqs:DeleteMessage and sqs:GetQueueAttributes): %w",
			failed, sources.ErrUnusable)
	case awscall.Hopeless(err) != "":
		return fmt.Errorf("%w (%s): %w", failed, awscall.Hopeless(err), sources.ErrUnusable)
	default:
		return failed
	}
}

// visibility returns the queue's own visibility timeout, or the one that was asked
// for.
func (s *Source) visibility(attributes map[string]string, settings sources.Settings) (time.Duration, error) {
	visibility := s.options.VisibilityTimeout
	if visibility == 0 {
		visibility, _ = queueVisibility(attributes) // which was read before
	}
	if visibility == 0 {
		return 0, fmt.Errorf("sqs: queue %s: VisibilityTimeout: 0 seconds hides no message while it is handled; "+
			"want 1 or more: %w", s.queue.Name, sources.ErrUnusable)
	}
	if settings.Timeout > visibility && !s.options.Heartbeat {
		return 0, fmt.Errorf("sqs: queue %s: "+
			"Queue visibility timeout: %d seconds is less than Function timeout: %d seconds (raise the queue's visibility "+
			"timeout or Options.VisibilityTimeout, lower Config.Timeout, or set Options.Heartbeat): %w",
			s.queue.Name, seconds(visibility), seconds(settings.Timeout), sources.ErrUnusable)
	}
	return visibility, nil
}

// life returns how long a record is the mapping's from when its receive was sent,
// and the visibility timeout that receives ask for, in seconds. A receive takes at
// most its long poll and ten seconds, a batch gathers for a window at most, and a
// handler takes no longer than its time limit: what a receive brings can be started
// with all of that left, and deleted after it. With a heartbeat messages are hidden in
// shorter steps.
func (s *Source) life(visibility time.Duration, settings sources.Settings) (time.Duration, int32) {
	need := settings.Window + settings.Timeout + s.options.WaitTime + receiveTime + margin
	hidden := seconds(min(max(visibility, need), maxVisibility))
	life := time.Duration(hidden)*time.Second - margin
	if s.options.Heartbeat {
		return life, seconds(max(visibility, 2*receiveTime)) // an answer may be late by half of that
	}
	return life, hidden
}

// encoder writes the ARN and region that the queue itself tells, if it does.
func (s *Source) encoder(attributes map[string]string, settings sources.Settings) *eventjson.SQS {
	arn := attributes[string(types.QueueAttributeNameQueueArn)]
	if arn == "" {
		arn = s.Traits().ARN
	}
	region := s.queue.Region
	if told, err := awscall.ParseQueue(arn); err == nil && told.ARN != "" {
		region = told.Region
	}
	return eventjson.NewSQS(eventSource, arn, region).WithNullMD5(settings.Window >= time.Second)
}

// advise logs what AWS recommends and does not enforce (SQS-42).
func (s *Source) advise(logger *slog.Logger, attributes map[string]string, visibility time.Duration, settings sources.Settings) {
	const factor = 6
	if attributes[string(types.QueueAttributeNameRedrivePolicy)] == "" {
		logger.Warn("queue has no redrive policy: a message that always fails returns until its retention ends",
			"queue", s.queue.Name)
	}
	if !s.options.Heartbeat && visibility < factor*settings.Timeout+settings.Window {
		logger.Info("queue's visibility timeout is less than the recommended six times the handler's timeout",
			"queue", s.queue.Name, "visibility", visibility, "timeout", settings.Timeout)
	}
}
