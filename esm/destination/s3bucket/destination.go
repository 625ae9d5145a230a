// Package s3bucket delivers failure records to an Amazon S3 bucket: one object each, the
// record with the event document of what failed as a string (DST-30, DST-31,
// DST-34). It is the one kind of AWS that keeps the data of stream records
// (DST-36). AWS allows it for Kinesis, DynamoDB Streams and Kafka (DST-01..03).
//
// The key of an object is
//
//	aws/lambda/<mapping UUID>/<partition>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>
//
// with the record's own time in UTC (DST-32, DST-33) and the record's request ID as
// the UUID, so that a delivery whose answer was lost writes the same object again.
// For Kafka AWS documents no key; it is the same here (DST-25).
//
// It needs the permission s3:PutObject. AWS also wants s3:ListBucket (DST-09a);
// with it a missing bucket is told from a forbidden one. A bucket that does not exist is
// told at the start.
package s3bucket

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/target"
	"github.com/openesm/openesm/sources/awscall"
)

// keyLayout is the part of a key that is a time.
const keyLayout = "2006/01/02/2006-01-02T15.04.05"

// Client is the part of the SDK's client that a destination uses; *s3.Client has
// it. It must be of the bucket's region and safe for concurrent use.
type Client interface {
	PutObject(ctx context.Context, in *s3.PutObjectInput, options ...func(*s3.Options)) (*s3.PutObjectOutput, error)
}

// Destination is a bucket as on-failure destination.
type Destination struct {
	client Client
	bucket string
}

var _ esm.Destination = (*Destination)(nil)

// bucketName is how a bucket may be named.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// New makes a destination of a bucket, given by its name or its ARN. It makes no
// call; its error names every violation.
func New(client Client, bucket string) (*Destination, error) {
	var errs []error
	if target.IsNil(client) {
		errs = append(errs, target.ErrNoClient)
	}
	name := bucket
	if target.IsARN(bucket) {
		a, err := target.ParseARN("bucket", bucket, "s3")
		errs = append(errs, err)
		name = a.Resource
	}
	if !bucketName.MatchString(name) {
		errs = append(errs, fmt.Errorf("bucket: %q is no bucket's name or ARN: want 3 to 63 of a-z, 0-9, . and -", bucket))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("destination s3: %w", err)
	}
	return &Destination{client: client, bucket: name}, nil
}

// Deliver puts the failure record. Putting it again overwrites it.
func (d *Destination) Deliver(ctx context.Context, record *esm.FailureRecord) error {
	const limit = 30 * time.Second // for some MB
	document, err := record.Marshal(esm.TextPayload)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("aws/lambda/%s/%s/%s-%s", record.MappingUUID, record.Partition,
		record.Timestamp.UTC().Format(keyLayout), record.RequestID)
	out, err := awscall.Do(ctx, limit, d.client.PutObject, &s3.PutObjectInput{
		Bucket: &d.bucket, Key: &key, Body: bytes.NewReader(document), ContentType: aws.String("application/json"),
	}, once)
	if err != nil {
		return &awscall.Error{Service: "s3", Operation: "PutObject", Target: "bucket " + d.bucket, Err: err}
	}
	if aws.ToString(out.ETag) == "" {
		return target.Lacks("s3: PutObject on bucket "+d.bucket, "ETag")
	}
	return nil
}

// once turns the SDK's own retries off: the mapping tries again.
func once(o *s3.Options) { o.RetryMaxAttempts, o.Retryer = 0, aws.NopRetryer{} }
