package awscall_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources/awscall"
)

// TestCredentialsThatAreDenied are no missing permission on what was called.
func TestCredentialsThatAreDenied(t *testing.T) {
	t.Parallel()
	denied := &smithy.GenericAPIError{Code: "AccessDenied", Message: "User: arn:aws:iam::1:user/x is not authorized"}
	sts := &smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: denied}
	kinesis := &smithy.OperationError{
		ServiceID: "Kinesis", OperationName: "GetRecords", Err: fmt.Errorf("get identity: get credentials: %w", sts),
	}
	if awscall.IsDenied(kinesis) || awscall.Code(kinesis) != "" {
		t.Errorf("%v is taken for an answer of Kinesis", kinesis)
	}
	err := &awscall.Error{Service: "kinesis", Operation: "GetRecords", Target: "stream telemetry", Err: kinesis}
	const want = "kinesis: GetRecords on stream telemetry: no credentials: STS AssumeRole: AccessDenied"
	if err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if !awscall.IsDenied(&smithy.OperationError{ServiceID: "STS", OperationName: "AssumeRole", Err: denied}) {
		t.Error("what the service itself denies is not denied")
	}
	sts.Err = errors.New("connection refused") //nolint:err113 // of a test
	const down = "kinesis: GetRecords on stream telemetry: no credentials: STS AssumeRole: connection refused"
	if err.Error() != down {
		t.Errorf("error %q, want %q", err, down)
	}
}
