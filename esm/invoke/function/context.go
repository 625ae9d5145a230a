package function

import (
	"context"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/openesm/openesm/esm"
)

// traceKey is where Lambda's runtime has the trace ID, as a string.
const traceKey = "x-amzn-trace-id"

// invocation is the context of an invocation as Lambda's runtime makes it: over the
// values of a base.
type invocation struct {
	context.Context

	values context.Context
}

// newContext returns the context that a function gets.
func newContext(ctx, values context.Context) context.Context {
	it, _ := esm.InvocationOf(ctx)
	return lambdacontext.NewContext(&invocation{ctx, values}, &lambdacontext.LambdaContext{
		AwsRequestID:       it.RequestID,
		InvokedFunctionArn: it.FunctionARN,
	})
}

// Value is that of the invocation, or else of the base. There is always a trace ID;
// it is empty, as on Lambda when nothing is traced.
func (c *invocation) Value(key any) any {
	if value := c.Context.Value(key); value != nil {
		return value
	}
	if c.values != nil {
		if value := c.values.Value(key); value != nil {
			return value
		}
	}
	if key == traceKey {
		return ""
	}
	return nil
}
