package wirefake

import (
	"encoding/json"
	"net/http"
	"strings"
)

// Where the errors of AWS that are not in a service's model come from.
const (
	coral        = "com.amazon.coral.service#"
	availability = "com.amazon.coral.availability#"
)

// Error is an error as it is answered.
type Error struct {
	// Status is the HTTP status, 400..599.
	Status int
	// Type is the error's shape, from which the SDK makes its typed errors. It may
	// have a namespace before a #.
	Type string
	// Message is the text for people.
	Message string
}

// Error returns type and message.
func (e *Error) Error() string { return e.Type + ": " + e.Message }

// Code is the type without its namespace, as the SDK's ErrorCode returns it.
func (e *Error) Code() string { return e.Type[strings.LastIndexByte(e.Type, '#')+1:] }

// Body is the JSON of the answer.
func (e *Error) Body() []byte {
	body, err := json.Marshal(map[string]string{"__type": e.Type, "message": e.Message})
	if err != nil { // two strings always encode
		return []byte("{}")
	}
	return body
}

// Refused is an error of the request as such, outside of a service's model:
// status 400.
func Refused(shape, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Type: coral + shape, Message: message}
}

// Throttled is how the front of AWS throttles.
func Throttled() *Error {
	return &Error{Status: http.StatusBadRequest, Type: availability + "ThrottlingException", Message: "Rate exceeded"}
}

// InternalFailure is status 500.
func InternalFailure() *Error {
	return &Error{
		Status: http.StatusInternalServerError, Type: coral + "InternalFailure",
		Message: "We encountered an internal error. Please try again.",
	}
}

// Unavailable is status 503.
func Unavailable() *Error {
	return &Error{
		Status: http.StatusServiceUnavailable, Type: coral + "ServiceUnavailableException",
		Message: "Service Unavailable",
	}
}

// UnknownOperation is the type of the error about an action that there is not.
const UnknownOperation = "UnknownOperationException"

func unknownOperation(action string) *Error {
	return Refused(UnknownOperation, "The action "+action+" is not valid for this endpoint.")
}

func unreadable(message string) *Error { return Refused("SerializationException", message) }
