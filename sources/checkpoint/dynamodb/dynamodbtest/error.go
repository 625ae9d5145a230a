package dynamodbtest

import (
	"encoding/json"
	"errors"
	"net/http"
)

// Error is an error answer of DynamoDB.
type Error struct {
	// Status is the HTTP status, 400..599.
	Status int
	// Type is the error's shape with its namespace, such as
	// "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException".
	Type string
	// Message is the text for people.
	Message string
}

// Error returns type and message.
func (e *Error) Error() string { return e.Type + ": " + e.Message }

func (e *Error) body() []byte {
	body, err := json.Marshal(map[string]string{"__type": e.Type, "message": e.Message})
	if err != nil { // two strings always encode
		return []byte("{}")
	}
	return body
}

// ThroughputExceeded is the answer to a table's callers that are too many:
// types.ProvisionedThroughputExceededException in the SDK.
func ThroughputExceeded() *Error {
	return modelError("ProvisionedThroughputExceededException",
		"The level of configured provisioned throughput for the table was exceeded.")
}

// ThrottlingException is how the front of the service throttles.
func ThrottlingException() *Error {
	return &Error{http.StatusBadRequest, "com.amazon.coral.availability#ThrottlingException", "Rate exceeded"}
}

// InternalServerError is status 500: types.InternalServerError in the SDK.
func InternalServerError() *Error {
	e := modelError("InternalServerError", "Internal server error")
	e.Status = http.StatusInternalServerError
	return e
}

// AccessDenied is the answer when the role lacks a permission.
func AccessDenied() *Error {
	return &Error{http.StatusBadRequest, "com.amazon.coral.service#AccessDeniedException", "User is not authorized."}
}

func conditionFailed() *Error {
	return modelError("ConditionalCheckFailedException", "The conditional request failed")
}

func notFound(table string) *Error {
	return modelError("ResourceNotFoundException", "Requested resource not found: Table: "+table+" not found")
}

func validation(message string) *Error {
	return &Error{http.StatusBadRequest, "com.amazon.coral.validate#ValidationException", message}
}

func modelError(shape, message string) *Error {
	return &Error{http.StatusBadRequest, "com.amazonaws.dynamodb.v20120810#" + shape, message}
}

// asError returns the *Error that err is. Other errors come from a client that
// went away, and nobody reads their answer.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return InternalServerError()
}
