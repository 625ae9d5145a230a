package awscall

import (
	"errors"

	"github.com/aws/smithy-go"
)

// credentialCall returns the call that failed before the one that was meant could be
// made: one to another service, such as STS's AssumeRole, for the credentials. What
// that service says is nothing that the service of the call has said. Nil if the call
// was made.
func credentialCall(err error) *smithy.OperationError {
	meant, ok := errors.AsType[*smithy.OperationError](err)
	if !ok {
		return nil
	}
	for {
		inner, ok := errors.AsType[*smithy.OperationError](meant.Err)
		if !ok {
			return nil
		}
		if inner.ServiceID != meant.ServiceID || inner.OperationName != meant.OperationName {
			return inner
		}
		meant = inner
	}
}

// credentialText tells of a call that failed for the credentials, without the service's
// message.
func credentialText(call *smithy.OperationError) string {
	text := "no credentials: " + call.ServiceID + " " + call.OperationName + ": "
	if api, ok := errors.AsType[smithy.APIError](call.Err); ok {
		return text + Printable(api.ErrorCode()) + answerOf(call.Err)
	}
	return text + Printable(call.Err.Error())
}
