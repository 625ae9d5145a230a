package kinesis

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// stream is what an ARN, or a name and the service, tell.
type stream struct {
	arn      string // of the stream; of one that was named not known before Start
	name     string
	region   string
	given    string // as the user gave it, for event documents (KIN-92)
	consumer string // ARN of the consumer; "" for none
}

// streamName is what a stream may be called.
var streamName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,128}$`)

// parseStream reads the ARN of a stream or of one of its consumers (KIN-01), or the name
// of a stream.
func parseStream(given string) (stream, error) {
	const form = "want a name, arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME, or that with /consumer/NAME:TIME behind it"
	if streamName.MatchString(given) {
		return stream{name: given, given: given}, nil
	}
	a, err := arn.Parse(given)
	if err != nil || a.Region == "" || a.AccountID == "" {
		return stream{}, fmt.Errorf("stream: %q is no name and no ARN of a stream; %s", given, form)
	}
	if a.Service != "kinesis" {
		return stream{}, fmt.Errorf("stream: ARN %q is of service %q; %s", given, a.Service, form)
	}
	parts := strings.Split(a.Resource, "/")
	s := stream{region: a.Region, given: given}
	switch {
	case len(parts) == 2 && parts[0] == "stream" && parts[1] != "":
		s.arn = given
	case len(parts) == 4 && parts[0] == "stream" && parts[2] == "consumer" && parts[1] != "" && parts[3] != "":
		s.arn, _, _ = strings.Cut(given, "/consumer/")
		s.consumer = given
	default:
		return stream{}, fmt.Errorf("stream: ARN %q is of no stream or consumer; %s", given, form)
	}
	s.name = parts[1]
	return s, nil
}

// identify learns the ARN of a stream that was named, from what the service answers.
func (s *Source) identify(summary *types.StreamDescriptionSummary) error {
	if s.stream.arn != "" {
		return nil
	}
	found, err := parseStream(aws.ToString(summary.StreamARN))
	if err != nil || found.arn == "" || found.consumer != "" || found.name != s.stream.name {
		return fmt.Errorf("the answer names stream %q", aws.ToString(summary.StreamARN))
	}
	s.stream.arn, s.stream.region = found.arn, found.region
	s.encoder = s.newEncoder(found.arn)
	return nil
}

// newEncoder writes event documents that name the stream, or its consumer, by an ARN.
func (s *Source) newEncoder(arn string) *eventjson.Kinesis {
	return eventjson.NewKinesis(eventSource, arn, s.stream.region, s.options.RoleARN)
}
