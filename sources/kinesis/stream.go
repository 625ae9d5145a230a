package kinesis

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// stream is what an ARN tells.
type stream struct {
	arn      string // of the stream
	name     string
	region   string
	given    string // as the user gave it, for event documents (KIN-92)
	consumer string // ARN of the consumer; "" for none
}

// parseStream reads the ARN of a stream or of one of its consumers (KIN-01).
func parseStream(given string) (stream, error) {
	const form = "want arn:PARTITION:kinesis:REGION:ACCOUNT:stream/NAME, or that with /consumer/NAME:TIME behind it"

	a, err := arn.Parse(given)
	if err != nil || a.Region == "" || a.AccountID == "" {
		return stream{}, fmt.Errorf("stream: %q is no ARN of a stream; %s", given, form)
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
