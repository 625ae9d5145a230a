package sqstest

import (
	"errors"
	"net/http"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

// Error is an error answer of SQS. Injected as [Fault.Err] it is the answer of
// a call, in [Fault.Entries] that of one batch entry.
type Error struct {
	// Status is the HTTP status, 400..599. Unused for batch entries.
	Status int
	// Type is the error's shape with its namespace, such as
	// "com.amazonaws.sqs#QueueDoesNotExist", from which the SDK makes its
	// typed errors. Unused for batch entries.
	Type string
	// Code is the older code, such as "AWS.SimpleQueueService.NonExistentQueue".
	// The SDK's ErrorCode returns it, and it is the code of batch entries.
	Code string
	// Receiver says that SQS is at fault and not the caller: SenderFault is
	// false then.
	Receiver bool
	// Message is the text for people.
	Message string
}

// Error returns code and message.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// refuse makes the answer of an error.
func refuse(h http.Header, err error) *wirefake.Error {
	e := asError(err)
	fault := "Sender"
	if e.Receiver {
		fault = "Receiver"
	}
	h.Set("X-Amzn-Query-Error", e.Code+";"+fault)
	return &wirefake.Error{Status: e.Status, Type: e.Type, Message: e.Message}
}

// RequestThrottled is the answer to a queue's callers that are too fast: status
// 400, types.RequestThrottled in the SDK, which retries it.
func RequestThrottled() *Error {
	return sqsError("RequestThrottled", "RequestThrottled", "Rate exceeded")
}

// ThrottlingException is how the front of AWS throttles: status 400, in the
// SDK a smithy.APIError with the code "ThrottlingException", which it retries.
func ThrottlingException() *Error { return front(wirefake.Throttled(), "ThrottlingException") }

// InternalFailure is status 500. The SDK retries it.
func InternalFailure() *Error { return front(wirefake.InternalFailure(), "InternalFailure") }

// ServiceUnavailable is status 503. The SDK retries it.
func ServiceUnavailable() *Error { return front(wirefake.Unavailable(), "ServiceUnavailable") }

// AccessDenied is status 403, as when the role lacks a permission (SQS-03).
func AccessDenied() *Error {
	e := front(wirefake.Refused("AccessDeniedException", "Access to the resource is denied."), "AccessDenied")
	e.Status = http.StatusForbidden
	return e
}

// OverLimit is the answer when too many messages of a queue are in flight:
// types.OverLimit in the SDK.
func OverLimit() *Error {
	e := sqsError("OverLimit", "OverLimit", "The maximum number of in flight messages has been reached.")
	e.Status = http.StatusForbidden
	return e
}

// QueueDoesNotExist is types.QueueDoesNotExist in the SDK.
func QueueDoesNotExist() *Error {
	return sqsError("QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue",
		"The specified queue does not exist.")
}

// ReceiptHandleIsInvalid is the answer to a handle that no receive of the
// queue gave out: types.ReceiptHandleIsInvalid in the SDK.
func ReceiptHandleIsInvalid() *Error {
	return sqsError("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid",
		"The input receipt handle is invalid.")
}

// sqsError is an error of the SQS model, all of which have status 400 but few.
func sqsError(shape, code, message string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: "com.amazonaws.sqs#" + shape, Code: code, Message: message,
	}
}

// batchError is an error of the SQS model about a whole batch.
func batchError(shape, message string) *Error {
	return sqsError(shape, "AWS.SimpleQueueService."+shape, message)
}

// front is an error of the request as such, or of what stands before SQS. Its
// status tells whose fault it is.
func front(e *wirefake.Error, code string) *Error {
	return &Error{
		Status: e.Status, Type: e.Type, Code: code, Message: e.Message,
		Receiver: e.Status >= http.StatusInternalServerError,
	}
}

func invalidParameter(message string) *Error {
	return front(wirefake.Refused("InvalidParameterValueException", message), "InvalidParameterValue")
}

func missingParameter(name string) *Error {
	message := "The request must contain the parameter " + name + "."
	return front(wirefake.Refused("MissingRequiredParameterException", message), "MissingParameter")
}

func invalidContents() error {
	return sqsError("InvalidMessageContents", "InvalidMessageContents",
		"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | "+
			"#xE000 to #xFFFD | #x10000 to #x10FFFF")
}

// asError returns the *Error that err is. Those of the wire get their older
// code. Other errors come from a client that went away, and nobody reads their
// answer.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	e, ok := errors.AsType[*wirefake.Error](err)
	switch {
	case !ok:
		return InternalFailure()
	case e.Code() == wirefake.UnknownOperation:
		return front(e, "InvalidAction")
	default:
		return front(e, e.Code())
	}
}
