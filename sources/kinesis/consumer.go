package kinesis

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/shard"
)

// findConsumer learns the ARN of the consumer that is named, which it registers if
// there is none, and waits until it is ACTIVE (KIN-89). It gives up after about half
// a minute, and may be called again. The consumer is never deregistered: another
// worker may read by it, and a new one has another ARN (KIN-90).
func (s *Source) findConsumer(ctx context.Context) error {
	const maxLooks = 12
	delay := retry.Backoff{Initial: time.Second, Max: 5 * time.Second}
	registered := false
	for looks := 1; ; looks++ {
		status, err := s.lookConsumer(ctx)
		switch {
		case err == nil && status == types.ConsumerStatusActive:
			return nil
		case err == nil:
		case !shard.IsMissing(err):
			return s.refusedConsumer("DescribeStreamConsumer", err)
		case s.options.ConsumerName == "":
			return fmt.Errorf("kinesis: consumer %s does not exist (one that is registered again has another ARN): %w",
				s.consumer, sources.ErrUnusable)
		case !registered:
			registered = true
			err = s.register(ctx)
			if err != nil {
				return err
			}
		}
		if looks == maxLooks {
			return fmt.Errorf("kinesis: consumer %s of stream %s: is %q, want ACTIVE", s.consumerText(), s.stream.name, status)
		}
		if !shard.Sleep(ctx, delay.Ceiling(looks)/2+delay.Delay(looks, s.options.Jitter())/2) {
			return ctx.Err()
		}
	}
}

// lookConsumer asks for the consumer's status, and by name for its ARN.
func (s *Source) lookConsumer(ctx context.Context) (types.ConsumerStatus, error) {
	in := &kinesis.DescribeStreamConsumerInput{ConsumerARN: &s.consumer}
	if name := s.options.ConsumerName; name != "" {
		in = &kinesis.DescribeStreamConsumerInput{StreamARN: &s.stream.arn, ConsumerName: &name}
	}
	out, err := awscall.Do(ctx, awscall.Limit, s.fanOut.DescribeStreamConsumer, in, s.single...)
	if err != nil {
		// AWS's own policy for such mappings does not allow this call. Who has
		// the ARN can do without.
		if awscall.IsDenied(err) && s.options.ConsumerName == "" {
			return types.ConsumerStatusActive, nil
		}
		return "", err
	}
	if out.ConsumerDescription == nil || aws.ToString(out.ConsumerDescription.ConsumerARN) == "" {
		return "", nil // not said
	}
	s.shards.Allowed("DescribeStreamConsumer")
	s.consumer = *out.ConsumerDescription.ConsumerARN
	return out.ConsumerDescription.ConsumerStatus, nil
}

// register registers the consumer. That somebody else was faster is as good.
func (s *Source) register(ctx context.Context) error {
	out, err := awscall.Do(ctx, awscall.Limit, s.fanOut.RegisterStreamConsumer, &kinesis.RegisterStreamConsumerInput{
		StreamARN: &s.stream.arn, ConsumerName: &s.options.ConsumerName,
	}, s.single...)
	switch {
	case err == nil:
		s.shards.Allowed("RegisterStreamConsumer")
		arn := ""
		if out.Consumer != nil {
			arn = aws.ToString(out.Consumer.ConsumerARN)
		}
		s.options.Logger.Info("consumer registered", "stream", s.stream.name, "consumer", arn)
		return nil
	case awscall.Code(err) == "ResourceInUseException":
		return nil
	default:
		return s.refusedConsumer("RegisterStreamConsumer", err)
	}
}

// refusedConsumer tells errors that will not pass from those that may.
func (s *Source) refusedConsumer(operation string, err error) error {
	failed := &awscall.Error{
		Service: "kinesis", Operation: operation, Target: "consumer " + s.consumerText() + " of stream " + s.stream.name, Err: err,
	}
	if s.shards.Refuses(operation, err) {
		return fmt.Errorf("%w: %w", failed, sources.ErrUnusable)
	}
	return failed
}

// consumerText is how the consumer was named by the user.
func (s *Source) consumerText() string {
	if name := s.options.ConsumerName; name != "" {
		return name
	}
	return s.consumer
}
