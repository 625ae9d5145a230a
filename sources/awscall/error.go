// Package awscall is how the adapters, stores and destinations of this module
// call AWS: with errors that say what is needed to act on them and repeat nothing
// that is secret.
//
// It is no internal package because the destinations, under esm, use it too, and
// because its errors are what users of all of them can tell apart: [Error] says
// which call failed, and Unwrap leads to the SDK's own error.
package awscall

import (
	"cmp"
	"errors"
	"fmt"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Error is a failed call. Its text gives the service's error code but not the
// service's message, which may repeat receipt handles or, for a wrong signature, a
// session token, nor what is wrong with an answer that cannot be read, which may
// repeat a body; Unwrap leads to the SDK's error with all of it.
type Error struct {
	// Service as in IAM actions, such as "sqs".
	Service string
	// Operation that was called.
	Operation string
	// Target is what it was called on, such as "queue orders".
	Target string
	// Permission is the IAM action that allows it. Default: Service:Operation.
	Permission string
	// Err is the SDK's error.
	Err error
}

// Error names operation, target, error code, status and request, and for a
// refused call the permission that it needs.
func (e *Error) Error() string {
	prefix := e.Service + ": " + e.Operation + " on " + e.Target + ": "
	if call := credentialCall(e.Err); call != nil {
		return prefix + credentialText(call)
	}
	if late, ok := errors.AsType[*LateError](e.Err); ok {
		return prefix + late.Error()
	}
	api, ok := errors.AsType[smithy.APIError](e.Err)
	if !ok {
		if _, unread := errors.AsType[*smithy.DeserializationError](e.Err); unread {
			return prefix + "the answer cannot be read" + e.answer()
		}
		return prefix + reason(e.Err)
	}
	text := prefix + Printable(api.ErrorCode()) + e.answer()
	switch {
	case IsDenied(e.Err):
		text += ": the caller lacks the permission " + cmp.Or(e.Permission, e.Service+":"+e.Operation) + " on it"
	case isKey(api.ErrorCode()):
		text += e.key(api.ErrorCode())
	}
	return text
}

// key tells what is wrong with the KMS key that encrypts the target.
func (e *Error) key(code string) string {
	switch {
	case strings.Contains(code, "Throttl"):
		return ""
	case !strings.Contains(code, "AccessDenied"):
		return ": the KMS key that encrypts it cannot be used"
	case e.writes():
		return ": the caller lacks the permissions kms:GenerateDataKey and kms:Decrypt on the KMS key that encrypts it"
	default:
		return ": the caller lacks the permission kms:Decrypt on the KMS key that encrypts it"
	}
}

// writes tells that the operation encrypts what it is given.
func (e *Error) writes() bool {
	for _, verb := range []string{"Send", "Put", "Publish"} {
		if strings.HasPrefix(e.Operation, verb) {
			return true
		}
	}
	return false
}

// answer tells which answer it was, if there was one.
func (e *Error) answer() string { return answerOf(e.Err) }

func answerOf(err error) string {
	http, ok := errors.AsType[*awshttp.ResponseError](err)
	if !ok {
		return ""
	}
	return fmt.Sprintf(" (status %d, request %q)", http.HTTPStatusCode(), http.ServiceRequestID())
}

// Unwrap returns the SDK's error.
func (e *Error) Unwrap() error { return e.Err }

// IsDenied reports that the caller may not do what it asked for. Expired or
// unknown credentials are another matter: those may be renewed. So are credentials
// that another service denies, and the use of the KMS key that encrypts what the call
// is about.
func IsDenied(err error) bool {
	if api, ok := errors.AsType[smithy.APIError](err); ok && isKey(api.ErrorCode()) {
		return false
	}
	code := Code(err)
	return code == "AccessDenied" || code == "AccessDeniedException" || code == "AuthorizationError"
}

// isKey tells a code that speaks of a KMS key, such as KMS.AccessDeniedException of
// SQS, which the SDK also spells KmsAccessDenied.
func isKey(code string) bool { return strings.HasPrefix(strings.ToUpper(code), "KMS") }

// Code returns the service's error code without the prefix that older protocols
// have, as in AWS.SimpleQueueService.NonExistentQueue; "" if err is no error of the
// service that was called.
func Code(err error) string {
	if credentialCall(err) != nil {
		return ""
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return ShortCode(api.ErrorCode())
	}
	return ""
}

// ShortCode takes the prefix of the older protocols from a code.
func ShortCode(code string) string {
	return code[strings.LastIndexByte(code, '.')+1:]
}
