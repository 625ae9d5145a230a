package awscall_test

import (
	"errors"
	"fmt"
	"strconv"
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

// TestErrorRepeatsNoChecksum_P13 gives the error of the SDK's own check, whose digest
// is that of a body.
func TestErrorRepeatsNoChecksum_P13(t *testing.T) {
	t.Parallel()
	const digest = "5d41402abc4b2a76b9719d911017c592"
	cause := fmt.Errorf("message checksum validation failed, expected MD5 checksum %s, got %s", digest, digest)
	err := &awscall.Error{
		Service: "sqs", Operation: "SendMessage", Target: "queue orders",
		Err: &smithy.OperationError{ServiceID: "SQS", OperationName: "SendMessage", Err: cause},
	}
	const want = "sqs: SendMessage on queue orders: the checksum of the message is not the one that the service answers"
	if err.Error() != want || !errors.Is(err, cause) {
		t.Errorf("%q, want %q", err, want)
	}
}

// TestErrorIsPrintable has a service, and one that gives credentials, answer what
// breaks a log or a terminal.
func TestErrorIsPrintable(t *testing.T) {
	t.Parallel()
	hostile := "Odd\r\n\x1b[31m" + strings.Repeat("x", 1000)
	denied := &smithy.GenericAPIError{Code: hostile}
	for name, cause := range map[string]error{
		"code":        denied,
		"credentials": &smithy.OperationError{ServiceID: "SQS", Err: &smithy.OperationError{ServiceID: "STS", Err: denied}},
		"no answer":   errors.New(hostile),
		"no token":    &smithy.OperationError{ServiceID: "SQS", Err: &smithy.OperationError{ServiceID: "STS", Err: errors.New(hostile)}},
	} {
		text := (&awscall.Error{Service: "sqs", Operation: "SendMessage", Target: "queue orders", Err: cause}).Error()
		if strings.ContainsFunc(text, func(r rune) bool { return !strconv.IsPrint(r) }) || !strings.Contains(text, `Odd`) || len(text) > 700 {
			t.Errorf("%s: %q", name, text)
		}
	}
}
