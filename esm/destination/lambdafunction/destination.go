// Package lambdafunction delivers failure records to an AWS Lambda function: one
// asynchronous invocation each (ASYNC-52), whose payload is the record with the
// event document of what failed as a JSON object in the member payload.
//
// AWS has functions as destinations of asynchronous invocations only, and would
// refuse one for a mapping (DST-01..03); the form is that of Kafka topics (DST-46).
// If the record is larger than the 1 MB that Lambda takes (ASYNC-03), the payload
// is left out, as AWS does where a target is too small (ASYNC-58).
//
// It needs the permission lambda:InvokeFunction (ASYNC-57). The check at the start is a
// dry run of an invocation.
package lambdafunction

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

// maxBytes is the largest payload of an asynchronous invocation (ASYNC-03).
const maxBytes = 1 << 20

// Client is the part of the SDK's client that a destination uses; *lambda.Client
// has it. It must be of the function's region and safe for concurrent use.
type Client interface {
	Invoke(ctx context.Context, in *lambda.InvokeInput, options ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Destination is a function as on-failure destination.
type Destination struct {
	client   Client
	function string
}

var _ esm.Destination = (*Destination)(nil)

// functionName is a name, or ACCOUNT:function:NAME, with a qualifier or without.
var functionName = regexp.MustCompile(`^([0-9]{12}:function:)?[A-Za-z0-9_-]{1,64}(:(\$LATEST|[A-Za-z0-9_-]{1,128}))?$`)

// New makes a destination of a function, given by its ARN, partial ARN or name,
// with a qualifier or without. It makes no call; its error names every violation.
func New(client Client, function string) (*Destination, error) {
	var errs []error
	if target.IsNil(client) {
		errs = append(errs, target.ErrNoClient)
	}
	if target.IsARN(function) {
		_, err := target.ParseARN("function", function, "lambda")
		errs = append(errs, err)
	} else if !functionName.MatchString(function) {
		errs = append(errs, fmt.Errorf("function: %q is no function's name or ARN", function))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("destination lambda: %w", err)
	}
	return &Destination{client: client, function: function}, nil
}

// Deliver invokes the function, and does not wait for it. It may be invoked twice
// if an answer is lost.
func (d *Destination) Deliver(ctx context.Context, record *esm.FailureRecord) error {
	return target.Each(record, esm.ObjectPayload, maxBytes, func(document []byte) error {
		return d.invoke(ctx, document)
	})
}

func (d *Destination) invoke(ctx context.Context, document []byte) error {
	out, err := awscall.Do(ctx, awscall.Limit, d.client.Invoke, &lambda.InvokeInput{
		FunctionName: &d.function, InvocationType: types.InvocationTypeEvent, Payload: document,
	}, once)
	if err != nil {
		return d.failed(err)
	}
	if out.StatusCode != http.StatusAccepted {
		return target.Lacks("lambda: Invoke on function "+d.function, "status 202")
	}
	return nil
}

func (d *Destination) failed(err error) error {
	return &awscall.Error{
		Service: "lambda", Operation: "Invoke", Target: "function " + d.function,
		Permission: "lambda:InvokeFunction", Err: err,
	}
}

// once turns the SDK's own retries off: the mapping tries again.
func once(o *lambda.Options) { o.RetryMaxAttempts, o.Retryer = 0, aws.NopRetryer{} }
