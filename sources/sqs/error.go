package sqs

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/awscall"
)

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

// missingError is a call on a queue that does not exist.
type missingError struct {
	operation string
	queue     string
	err       error
}

// Error says what to do, in the words of API-64.
func (e *missingError) Error() string {
	return "sqs: queue " + e.queue + ": error occurred while " + e.operation + ": " +
		"AWS.SimpleQueueService.NonExistentQueue: the specified queue does not exist, or does not exist any more " +
		"(create it, or correct its name, account or the client's region)"
}

// Unwrap returns the SDK's error.
func (e *missingError) Unwrap() error { return e.err }

// isMissing tells that the queue does not exist.
func isMissing(err error) bool {
	if _, ok := errors.AsType[*types.QueueDoesNotExist](err); ok {
		return true
	}
	code := awscall.Code(err)
	return code == "NonExistentQueue" || code == "QueueDoesNotExist"
}

// isStale tells that an entry's receipt handle can settle nothing any more: it
// expired, was superseded, or the message is gone (SQS-63).
func isStale(entry *types.BatchResultErrorEntry) bool {
	switch awscall.ShortCode(deref(entry.Code)) {
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

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
