package kinesistest

import (
	"errors"
	"net/http"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

// Error is an error answer of Kinesis. Injected as [Fault.Err] it is the
// answer of a call, in [Fault.Records] that of one record of a PutRecords, in
// [Break.Err] the end of an event stream.
type Error struct {
	// Status is the HTTP status, 400..599. Only errors of a call have one.
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

// ProvisionedThroughputExceeded is the answer to callers of a shard that are
// too fast (KIN-24, KIN-42): status 400, types.ProvisionedThroughputExceededException
// in the SDK, which retries it.
func ProvisionedThroughputExceeded() *Error {
	return modeled("ProvisionedThroughputExceededException", "Rate exceeded for shard")
}

// LimitExceeded is the answer to too many calls of another kind: status 400,
// types.LimitExceededException in the SDK, which retries it.
func LimitExceeded() *Error { return modeled("LimitExceededException", "Rate exceeded") }

// ThrottlingException is how the front of AWS throttles: status 400, in the
// SDK a smithy.APIError with the code "ThrottlingException", which it retries.
func ThrottlingException() *Error { return (*Error)(wirefake.Throttled()) }

// InternalFailure is status 500. The SDK retries it. In an event stream it is
// types.InternalFailureException (KIN-87).
func InternalFailure() *Error { return (*Error)(wirefake.InternalFailure()) }

// ServiceUnavailable is status 503. The SDK retries it.
func ServiceUnavailable() *Error { return (*Error)(wirefake.Unavailable()) }

// AccessDenied is types.AccessDeniedException in the SDK.
func AccessDenied() *Error {
	return modeled("AccessDeniedException", "User is not authorized to perform this action on the resource")
}

// ExpiredIterator is the answer to an iterator that is older than five minutes
// (KIN-40): types.ExpiredIteratorException in the SDK.
func ExpiredIterator() *Error {
	return modeled("ExpiredIteratorException",
		"Iterator expired. It is older than the tolerated delay of 300000 milliseconds.")
}

// ResourceNotFound is types.ResourceNotFoundException in the SDK.
func ResourceNotFound() *Error { return notFound("The resource was not found.") }

// ResourceInUse is the answer to a second subscription within five seconds,
// and the end of an event stream that another one took over (KIN-83):
// types.ResourceInUseException in the SDK.
func ResourceInUse() *Error { return inUse("Another active subscription exists for this consumer.") }

// KMSThrottling is the answer when the key of an encrypted stream is used too
// often (KIN-33): types.KMSThrottlingException in the SDK.
func KMSThrottling() *Error {
	return modeled("KMSThrottlingException", "The request was denied due to request throttling.")
}

// modeled is an error of the Kinesis model, all of which have status 400.
func modeled(shape, message string) *Error {
	return &Error{Status: http.StatusBadRequest, Type: shape, Message: message}
}

// invalid is the answer to a parameter that is missing or is not of its form at all.
func invalid(parameter, constraint string) *Error {
	return modeled("ValidationException", "1 validation error detected: Value at '"+parameter+
		"' failed to satisfy constraint: "+constraint)
}

func notFound(message string) *Error        { return modeled("ResourceNotFoundException", message) }
func inUse(message string) *Error           { return modeled("ResourceInUseException", message) }
func invalidArgument(message string) *Error { return modeled("InvalidArgumentException", message) }
