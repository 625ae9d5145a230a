package lambdafunction_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/destinationtest"
	"github.com/openesm/openesm/esm/destination/lambdafunction"
)

const function = "arn:aws:lambda:eu-west-1:123456789012:function:failures:live"

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
})

// take answers Invoke.
func take(w http.ResponseWriter, r *http.Request, body []byte) (document, place string, delivers bool) {
	w.WriteHeader(http.StatusAccepted)
	return string(body), r.Header.Get("X-Amz-Invocation-Type") + " " + r.URL.Path, true
}

// checks answers dry runs.
func checks(w http.ResponseWriter, r *http.Request, _ []byte) bool {
	dry := r.Header.Get("X-Amz-Invocation-Type") == "DryRun"
	if dry && w != nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return dry
}

// Destination (ASYNC-03, ASYNC-52, ASYNC-58).
func TestDestination(t *testing.T) {
	t.Parallel()
	destinationtest.Run(t, destinationtest.Kind{
		Wire: destinationtest.Wire{Take: take, Refuse: destinationtest.RefuseJSON, Checks: checks},
		New: func(client *http.Client, url string) (esm.Destination, error) {
			return lambdafunction.New(awslambda.New(awslambda.Options{
				Region: "eu-west-1", BaseEndpoint: &url, HTTPClient: client, Credentials: credentials,
			}), function)
		},
		Missing: "ResourceNotFoundException", Denied: "AccessDeniedException", Permission: "permission lambda:InvokeFunction", CheckDenied: true,
		Payload: esm.ObjectPayload, Limit: 1 << 20, Place: "Event /2015-03-31/functions/" + function + "/invocations",
	})
}

func TestNames(t *testing.T) {
	t.Parallel()
	client := awslambda.New(awslambda.Options{})
	for _, name := range []string{
		function,
		"failures",
		"failures:live",
		"failures:$LATEST",
		"123456789012:function:failures",
	} {
		if _, err := lambdafunction.New(client, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"":    "function: \"\" is no function",
		"a b": "is no function",
		"arn:aws:sqs:eu-west-1:123456789012:failures": `of service "sqs"; want "lambda"`,
	} {
		if _, err := lambdafunction.New(client, name); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: error %v, want one with %q", name, err, text)
		}
	}
	for _, none := range []lambdafunction.Client{nil, (*awslambda.Client)(nil)} {
		if _, err := lambdafunction.New(none, ""); err == nil || !strings.Contains(err.Error(), "client: is nil") {
			t.Errorf("no client: %v", err)
		}
	}
}
