package awscall_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources/awscall"
)

// What the SDK itself says without a region or credentials, and what services say to
// credentials of nobody.
func TestHopeless(t *testing.T) {
	t.Parallel()
	call := func(options sqs.Options) error {
		_, err := sqs.New(options).GetQueueUrl(t.Context(), &sqs.GetQueueUrlInput{QueueName: new("orders")})
		return err
	}
	api := func(code string) error {
		return &smithy.OperationError{ServiceID: "SQS", OperationName: "GetQueueUrl", Err: &smithy.GenericAPIError{Code: code}}
	}
	assumed := &smithy.OperationError{ServiceID: "SQS", OperationName: "GetQueueUrl", Err: fmt.Errorf("get identity: %w",
		&smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: &smithy.GenericAPIError{Code: "InvalidClientTokenId"}})}
	empty := aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("", "", ""))
	for _, c := range []struct {
		err  error
		want string
	}{
		{call(sqs.Options{Credentials: credentials.NewStaticCredentialsProvider("id", "secret", "")}), "no region"},
		{call(sqs.Options{Region: "eu-west-1", Credentials: empty}), "no credentials"},
		{api("MissingAuthenticationToken"), "no credentials"},
		{api("InvalidClientTokenId"), "session token"},
		{api("com.amazonaws.kinesis.UnrecognizedClientException"), "session token"},
		{api("SignatureDoesNotMatch"), "clock"},
		{api("ExpiredToken"), ""},
		{api("AccessDenied"), ""},
		{assumed, ""}, // what STS says of other credentials
		{errors.New("connection refused"), ""},
		{nil, ""},
	} {
		if got := awscall.Hopeless(c.err); !strings.Contains(got, c.want) || (c.want == "") != (got == "") {
			t.Errorf("%q of %v, want %q", got, c.err, c.want)
		}
	}
}
