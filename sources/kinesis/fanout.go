package kinesis

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
)

// FanOutClient is what a [Client] has besides if it is to read with enhanced
// fan-out (KIN-80); *kinesis.Client has it.
//
// SubscribeToShard is answered over HTTP/2, for five minutes. The SDK's own HTTP
// client speaks that by itself. One that is made by hand must too (an
// [net/http.Transport] with a dialer or TLS configuration of its own only does with
// ForceAttemptHTTP2), and has no Timeout that covers the whole of an answer, which
// would cut every subscription.
type FanOutClient interface {
	SubscribeToShard(ctx context.Context, in *kinesis.SubscribeToShardInput,
		options ...func(*kinesis.Options)) (*kinesis.SubscribeToShardOutput, error)
	DescribeStreamConsumer(ctx context.Context, in *kinesis.DescribeStreamConsumerInput,
		options ...func(*kinesis.Options)) (*kinesis.DescribeStreamConsumerOutput, error)
	RegisterStreamConsumer(ctx context.Context, in *kinesis.RegisterStreamConsumerInput,
		options ...func(*kinesis.Options)) (*kinesis.RegisterStreamConsumerOutput, error)
}

// ownProtocol gives a call a protocol object of its own: the SDK decodes the events
// of all subscriptions of a client by that of the client, which has state.
func ownProtocol(o *kinesis.Options) {
	if _, ok := o.Protocol.(*awsjson.Protocol); ok {
		o.Protocol = awsjson.New11(schemas.Kinesis_20131202)
	}
}

// fansOut tells that shards are read by SubscribeToShard.
func fansOut(s stream, o Options) bool { return s.consumer != "" || o.ConsumerName != "" }

// consumerName is what a consumer may be called.
var consumerName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// validateFanOut checks what belongs to enhanced fan-out. able tells that the client
// can do it.
func validateFanOut(s stream, o Options, able bool) error {
	var errs []error
	if s.consumer != "" && o.ConsumerName != "" {
		errs = append(errs, fmt.Errorf("ConsumerName: is %q, but the ARN %q names a consumer already; give one of them",
			o.ConsumerName, s.consumer))
	}
	if o.ConsumerName != "" && !consumerName.MatchString(o.ConsumerName) {
		errs = append(errs, fmt.Errorf("ConsumerName: %q is not 1 to 128 letters, digits, hyphens, underscores and dots",
			o.ConsumerName))
	}
	if fansOut(s, o) && !able {
		errs = append(errs, errors.New("client: is no FanOutClient, which enhanced fan-out needs"))
	}
	return errors.Join(errs...)
}
