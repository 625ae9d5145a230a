package s3bucket_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/destinationtest"
	"github.com/openesm/openesm/esm/destination/s3bucket"
)

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
})

// take answers PutObject.
func take(w http.ResponseWriter, r *http.Request, body []byte) (document, place string, delivers bool) {
	w.Header().Set("ETag", `"1"`)
	return string(body), r.URL.Path + " " + r.Header.Get("Content-Type"), r.Method == http.MethodPut
}

// checks answers HeadBucket.
func checks(_ http.ResponseWriter, r *http.Request, _ []byte) bool {
	return r.Method == http.MethodHead
}

// Destination (DST-30, DST-31, DST-32, DST-33, DST-34, DST-36, DST-86, DST-89).
func TestDestination(t *testing.T) {
	t.Parallel()
	for name, bucket := range map[string]string{"name": "failed-records", "ARN": "arn:aws:s3:::failed-records"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			destinationtest.Run(t, destinationtest.Kind{
				Wire: destinationtest.Wire{Take: take, Refuse: destinationtest.RefuseXML(false), Checks: checks},
				New: func(client *http.Client, url string) (esm.Destination, error) {
					return s3bucket.New(awss3.New(awss3.Options{
						Region: "eu-west-1", BaseEndpoint: &url, HTTPClient: client, Credentials: credentials, UsePathStyle: true,
					}), bucket)
				},
				Missing: "NoSuchBucket", Denied: "AccessDenied", Permission: "permission s3:PutObject", Payload: esm.TextPayload,
				Place: "/failed-records/aws/lambda/5f0c1a2b-0000-4000-8000-000000000001/shardId-000000000000/2000/01/01/" +
					"2000-01-01T00.00.00-requestId application/json",
			})
		})
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	client := awss3.New(awss3.Options{})
	for _, name := range []string{
		"failed-records",
		"arn:aws:s3:::failed-records",
		"a.b-3",
	} {
		if _, err := s3bucket.New(client, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"":                 "bucket: \"\" is no bucket",
		"Upper":            "is no bucket",
		"ab":               "3 to 63",
		"arn:aws:s3:::a/b": "is no bucket",
		"arn:aws:sqs:eu-west-1:123456789012:failures": `of service "sqs"; want "s3"`,
	} {
		if _, err := s3bucket.New(client, name); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: error %v, want one with %q", name, err, text)
		}
	}
	for _, none := range []s3bucket.Client{nil, (*awss3.Client)(nil)} {
		if _, err := s3bucket.New(none, ""); err == nil || !strings.Contains(err.Error(), "client: is nil") {
			t.Errorf("no client: %v", err)
		}
	}
}
