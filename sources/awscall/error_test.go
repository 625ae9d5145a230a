package awscall_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources/awscall"
)

func TestErrorNamesWhatIsMissing(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		operation, code string
		denied          bool
		want            string
	}{
		{"ReceiveMessage", "AccessDenied", true, "lacks the permission sqs:ReceiveMessage on it"},
		{"ReceiveMessage", "KMS.AccessDeniedException", false, "lacks the permission kms:Decrypt on the KMS key"},
		{"ReceiveMessage", "KmsAccessDenied", false, "lacks the permission kms:Decrypt on the KMS key"},
		{"SendMessage", "KMS.AccessDeniedException", false, "lacks the permissions kms:GenerateDataKey and kms:Decrypt on the KMS key"},
		{"PutRecord", "KMSAccessDeniedException", false, "lacks the permissions kms:GenerateDataKey and kms:Decrypt on the KMS key"},
		{"ReceiveMessage", "KMS.DisabledException", false, "the KMS key that encrypts it cannot be used"},
		{"ReceiveMessage", "KMS.ThrottlingException", false, "KMS.ThrottlingException"},
	} {
		cause := &smithy.GenericAPIError{Code: test.code, Message: "hush"}
		err := &awscall.Error{Service: "sqs", Operation: test.operation, Target: "queue orders", Err: cause}
		if got := err.Error(); !strings.Contains(got, test.want) || strings.Contains(got, "hush") {
			t.Errorf("%s, %s: %q, does not say %q", test.operation, test.code, got, test.want)
		}
		if got := awscall.IsDenied(err); got != test.denied {
			t.Errorf("%s: denied %t, want %t", test.code, got, test.denied)
		}
	}
}

func TestErrorNamesThePassedDeadline(t *testing.T) {
	t.Parallel()
	err := &awscall.Error{
		Service: "sqs", Operation: "ReceiveMessage", Target: "queue orders",
		Err: &awscall.LateError{Within: 30 * time.Second},
	}
	if got, want := err.Error(), "sqs: ReceiveMessage on queue orders: not answered within 30s"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
