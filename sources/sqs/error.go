package sqs

import (
	"errors"
	"fmt"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

// callError is a failed call. Its text gives the service's error code but not
// the service's message, which may repeat receipt handles or, for a wrong
// signature, a session token, nor what is wrong with an answer that cannot be
// read, which may repeat a body; Unwrap leads to the SDK's error with all of it.
type callError struct {
	operation string
	queue     string
	err       error
}

// Error names operation, queue, error code, status and request, and for a
// refused call the permission that it needs (SQS-03).
func (e *callError) Error() string {
	prefix := "sqs: " + e.operation + " on queue " + e.queue + ": "

	api, ok := errors.AsType[smithy.APIError](e.err)
	if !ok {
		if _, unread := errors.AsType[*smithy.DeserializationError](e.err); unread {
			return prefix + "the answer cannot be read" + e.answer()
		}

		return prefix + e.err.Error()
	}

	text := prefix + api.ErrorCode() + e.answer()

	if isDenied(e.err) {
		text += ": the caller lacks the permission " + permission(e.operation) + " on it"
	}

	return text
}

// answer tells which answer it was, if there was one.
func (e *callError) answer() string {
	http, ok := errors.AsType[*awshttp.ResponseError](e.err)
	if !ok {
		return ""
	}

	return fmt.Sprintf(" (status %d, request %q)", http.HTTPStatusCode(), http.ServiceRequestID())
}

// Unwrap returns the SDK's error.
func (e *callError) Unwrap() error { return e.err }

// permission is the IAM action that allows an operation.
func permission(operation string) string {
	return "sqs:" + strings.TrimSuffix(operation, "Batch")
}

// entryError is an entry of a batch that the service refused. The service's
// message is left out: it repeats the receipt handle.
type entryError struct {
	operation string
	queue     string
	code      string
}

// Error names operation, queue and error code.
func (e *entryError) Error() string {
	return "sqs: " + e.operation + " on queue " + e.queue + ": entry refused: " + e.code
}

// isMissing tells that the queue does not exist.
func isMissing(err error) bool {
	if _, ok := errors.AsType[*types.QueueDoesNotExist](err); ok {
		return true
	}

	code := codeOf(err)

	return code == "NonExistentQueue" || code == "QueueDoesNotExist"
}

// isDenied tells that the caller may not do what it asked for. Expired or
// unknown credentials are another matter: those may be renewed.
func isDenied(err error) bool {
	code := codeOf(err)

	return code == "AccessDenied" || code == "AccessDeniedException"
}

// isStale tells that an entry's receipt handle can settle nothing any more: it
// expired, was superseded, or the message is gone (SQS-63).
func isStale(entry *types.BatchResultErrorEntry) bool {
	switch shortCode(deref(entry.Code)) {
	case "ReceiptHandleIsInvalid", "MessageNotInflight":
		return true
	case "InvalidParameterValue":
		// What FIFO queues say of an expired handle: the only other parameter
		// of an entry is one that this package always gives rightly.
		return entry.SenderFault
	default:
		return false
	}
}

func codeOf(err error) string {
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return shortCode(api.ErrorCode())
	}

	return ""
}

// shortCode takes the prefix of the older protocol from a code, as in
// AWS.SimpleQueueService.NonExistentQueue.
func shortCode(code string) string {
	return code[strings.LastIndexByte(code, '.')+1:]
}

func deref(s *string) string {
	if s == nil {
		return ""
	}

	return *s
}
