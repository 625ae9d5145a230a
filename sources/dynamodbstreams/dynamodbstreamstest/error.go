package dynamodbstreamstest

import (
	"errors"
	"net/http"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

// Where the errors that are in the service's model come from.
const namespace = "com.amazonaws.dynamodb.v20120810#"

// Error is an error answer of DynamoDB Streams. Injected as [Fault.Err] it is
// the answer of a call.
type Error struct {
	// Status is the HTTP status, 400..599.
	Status int
	// Type is the error's shape, such as "ResourceNotFoundException", from
	// which the SDK makes its typed errors. It may have a namespace before a #.
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
	return wirefake.InternalFailure() // no verb has another error
}

// LimitExceeded is the answer to more than two readers of a shard (DDB-13), and
// to a Limit above 1,000 (DDB-41): status 400, types.LimitExceededException in
// the SDK, which retries it.
func LimitExceeded() *Error {
	return modeled("LimitExceededException", "Too many operations for a given subscriber.")
}

// ThrottlingException is how the front of AWS throttles: status 400, in the
// SDK a smithy.APIError with the code "ThrottlingException", which it retries.
func ThrottlingException() *Error { return (*Error)(wirefake.Throttled()) }

// InternalServerError is status 500: types.InternalServerError in the SDK, which
// retries it.
func InternalServerError() *Error {
	return &Error{
		Status: http.StatusInternalServerError, Type: namespace + "InternalServerError",
		Message: "The request processing has failed because of an unknown error, exception or failure.",
	}
}

// ServiceUnavailable is status 503. The SDK retries it.
func ServiceUnavailable() *Error { return (*Error)(wirefake.Unavailable()) }

// AccessDenied is a smithy.APIError with the code "AccessDeniedException" in the
// SDK.
func AccessDenied() *Error {
	return (*Error)(wirefake.Refused("AccessDeniedException",
		"User is not authorized to perform this action on the resource"))
}

// ExpiredToken is the answer to credentials that are too old.
func ExpiredToken() *Error {
	return (*Error)(wirefake.Refused("ExpiredTokenException", "The security token included in the request is expired"))
}

// ExpiredIterator is the answer to an iterator that is older than 15 minutes
// (DDB-46): types.ExpiredIteratorException in the SDK.
func ExpiredIterator() *Error {
	return modeled("ExpiredIteratorException", "The shard iterator has expired and can no longer be used to retrieve stream records.")
}

// TrimmedDataAccess is the answer to who asks for records that were dropped
// (DDB-24): types.TrimmedDataAccessException in the SDK.
func TrimmedDataAccess() *Error {
	return modeled("TrimmedDataAccessException", "The data you are trying to access has been trimmed.")
}

// ResourceNotFound is types.ResourceNotFoundException in the SDK.
func ResourceNotFound() *Error {
	return notFound("Requested resource not found: the stream or shard does not exist")
}

// modeled is an error of the model that has status 400.
func modeled(shape, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Type: namespace + shape, Message: message}
}

func notFound(message string) *Error { return modeled("ResourceNotFoundException", message) }

// invalid is the answer to a parameter that is not as it must be.
func invalid(message string) *Error {
	return (*Error)(wirefake.Refused("ValidationException", message))
}
