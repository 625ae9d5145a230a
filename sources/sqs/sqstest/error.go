package sqstest

import (
	"encoding/json"
	"errors"
	"net/http"
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

// query is the value of the X-Amzn-Query-Error header.
func (e *Error) query() string {
	if e.Receiver {
		return e.Code + ";Receiver"
	}
	return e.Code + ";Sender"
}

// body is the JSON of the answer.
func (e *Error) body() []byte {
	body, err := json.Marshal(map[string]string{"__type": e.Type, "message": e.Message})
	if err != nil { // two strings always encode
		return []byte("{}")
	}
	return body
}

// RequestThrottled is the answer to a queue's callers that are too fast: status
// 400, types.RequestThrottled in the SDK, which retries it.
func RequestThrottled() *Error {
	return sqsError("RequestThrottled", "RequestThrottled", "Rate exceeded")
}

// ThrottlingException is how the front of AWS throttles: status 400, in the
// SDK a smithy.APIError with the code "ThrottlingException", which it retries.
func ThrottlingException() *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: "com.amazon.coral.availability#ThrottlingException",
		Code: "ThrottlingException", Message: "Rate exceeded",
	}
}

// InternalFailure is status 500. The SDK retries it.
func InternalFailure() *Error {
	return &Error{
		Status: http.StatusInternalServerError, Type: "com.amazon.coral.service#InternalFailure",
		Code: "InternalFailure", Receiver: true, Message: "We encountered an internal error. Please try again.",
	}
}

// ServiceUnavailable is status 503. The SDK retries it.
func ServiceUnavailable() *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Type: "com.amazon.coral.service#ServiceUnavailableException",
		Code: "ServiceUnavailable", Receiver: true, Message: "Service Unavailable",
	}
}

// AccessDenied is status 403, as when the role lacks a permission (SQS-03).
func AccessDenied() *Error {
	return &Error{
		Status: http.StatusForbidden, Type: "com.amazon.coral.service#AccessDeniedException",
		Code: "AccessDenied", Message: "Access to the resource is denied.",
	}
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

// invalid is an error of the request as such, outside of the SQS model.
func invalid(code, message string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: "com.amazon.coral.service#" + code, Code: code, Message: message,
	}
}

func invalidParameter(message string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: "com.amazon.coral.service#InvalidParameterValueException",
		Code: "InvalidParameterValue", Message: message,
	}
}

func missingParameter(name string) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: "com.amazon.coral.service#MissingRequiredParameterException",
		Code: "MissingParameter", Message: "The request must contain the parameter " + name + ".",
	}
}

func invalidContents() error {
	return sqsError("InvalidMessageContents", "InvalidMessageContents",
		"Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | "+
			"#xE000 to #xFFFD | #x10000 to #x10FFFF")
}

// asError returns the *Error that err is. Other errors come from a client that
// went away, and nobody reads their answer.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return InternalFailure()
}
