package dynamodbtest

import (
	"errors"
	"net/http"

	"github.com/openesm/openesm/sources/internal/wirefake"
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

// refuse makes the answer of an error.
func refuse(_ http.Header, err error) *wirefake.Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return (*wirefake.Error)(e)
	}
	if e, ok := errors.AsType[*wirefake.Error](err); ok {
		return e
	}
	return (*wirefake.Error)(InternalServerError())
}

// ThroughputExceeded is the answer to a table's callers that are too many:
// types.ProvisionedThroughputExceededException in the SDK.
func ThroughputExceeded() *Error {
	return modelError("ProvisionedThroughputExceededException",
		"The level of configured provisioned throughput for the table was exceeded.")
}

// ThrottlingException is how the front of the service throttles.
func ThrottlingException() *Error { return (*Error)(wirefake.Throttled()) }

// InternalServerError is status 500: types.InternalServerError in the SDK.
func InternalServerError() *Error {
	e := modelError("InternalServerError", "Internal server error")
	e.Status = http.StatusInternalServerError
	return e
}

// AccessDenied is the answer when the role lacks a permission.
func AccessDenied() *Error {
	return (*Error)(wirefake.Refused("AccessDeniedException", "User is not authorized."))
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
