package sqs

import (
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/awscall"
)

// failed wraps the error of a call (SQS-03).
func (s *Source) failed(operation string, err error) error {
	return &awscall.Error{
		Service: "sqs", Operation: operation, Target: "queue " + s.queue.name,
		Permission: "sqs:" + strings.TrimSuffix(operation, "Batch"), Err: err,
	}
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
