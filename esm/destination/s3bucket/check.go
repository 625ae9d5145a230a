package s3bucket

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

var _ esm.Checker = (*Destination)(nil)

// describer is what a client needs for the check; *s3.Client has it.
type describer interface {
	HeadBucket(ctx context.Context, in *s3.HeadBucketInput, options ...func(*s3.Options)) (*s3.HeadBucketOutput, error)
}

// Check asks for the bucket, and tells that it does not exist. Who lacks the permission
// s3:ListBucket may still put objects.
func (d *Destination) Check(ctx context.Context) error {
	client, ok := d.client.(describer)
	if !ok {
		return nil
	}
	_, err := awscall.Do(ctx, awscall.Limit, client.HeadBucket, &s3.HeadBucketInput{Bucket: &d.bucket}, once)
	if err == nil {
		return nil
	}
	failed := &awscall.Error{Service: "s3", Operation: "HeadBucket", Target: "bucket " + d.bucket, Permission: "s3:ListBucket", Err: err}
	switch code := awscall.Code(err); {
	case code == "Forbidden", awscall.IsDenied(err): // the answer to HEAD has no body, and so the SDK's name of the status
		return nil
	case code == "NotFound", code == "NoSuchBucket":
		return target.Unusable(failed)
	default:
		return failed
	}
}
