package lambdafunction

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

var _ esm.Checker = (*Destination)(nil)

// Check makes a dry run of the invocation, and tells that the function does not exist or
// that the caller may not invoke it: a dry run needs the same permission.
func (d *Destination) Check(ctx context.Context) error {
	_, err := awscall.Do(ctx, awscall.Limit, d.client.Invoke, &lambda.InvokeInput{
		FunctionName: &d.function, InvocationType: types.InvocationTypeDryRun,
	}, once)
	switch {
	case err == nil:
		return nil
	case awscall.Code(err) == "ResourceNotFoundException", awscall.IsDenied(err):
		return target.Unusable(d.failed(err))
	default:
		return d.failed(err)
	}
}
