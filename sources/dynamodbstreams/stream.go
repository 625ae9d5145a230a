package dynamodbstreams

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
)

// stream is what an ARN, or the name of a table and the service, tell.
type stream struct {
	arn   string // of a table that was named not known before Start
	table string
	given string // as the user gave it
}

// tableName is what a table may be called.
var tableName = regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,255}$`)

// parseStream reads the ARN of a stream (DDB-11, DDB-60), or the name of a table.
func parseStream(given string) (stream, error) {
	const form = "want arn:PARTITION:dynamodb:REGION:ACCOUNT:table/NAME/stream/LABEL, or the name of a table"
	if tableName.MatchString(given) {
		return stream{table: given, given: given}, nil
	}
	a, err := arn.Parse(given)
	if err != nil || a.Region == "" || a.AccountID == "" {
		return stream{}, fmt.Errorf("stream: %q is no ARN of a stream and no name of a table; %s", given, form)
	}
	parts := strings.Split(a.Resource, "/")
	switch {
	case a.Service != "dynamodb":
		return stream{}, fmt.Errorf("stream: ARN %q is of service %q; %s", given, a.Service, form)
	case len(parts) == 2 && parts[0] == "table":
		return stream{}, fmt.Errorf("stream: ARN %q is that of a table, not of its stream (LatestStreamArn of DescribeTable); %s", given, form)
	case len(parts) != 4 || parts[0] != "table" || parts[2] != "stream" || !tableName.MatchString(parts[1]) || parts[3] == "":
		return stream{}, fmt.Errorf("stream: ARN %q is of no stream; %s", given, form)
	}
	return stream{arn: given, table: parts[1], given: given}, nil
}

// name is what errors and the log call the stream.
func (s *stream) name() string {
	if s.arn == "" {
		return "of table " + s.table
	}
	return s.arn[strings.Index(s.arn, "table/")+len("table/"):]
}
