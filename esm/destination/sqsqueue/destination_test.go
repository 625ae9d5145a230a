package sqsqueue_test

import (
	"context"
	"crypto/md5"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/destinationtest"
	"github.com/openesm/openesm/esm/destination/sqsqueue"
)

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
})

// take answers GetQueueUrl and SendMessage.
func take(w http.ResponseWriter, r *http.Request, body []byte) (document, place string, delivers bool) {
	var in map[string]string
	if err := json.Unmarshal(body, &in); err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	if r.Header.Get("X-Amz-Target") == "AmazonSQS.GetQueueUrl" {
		_, _ = fmt.Fprintf(w, `{"QueueUrl":"http://memhttp.test/%s/%s"}`, in["QueueOwnerAWSAccountId"], in["QueueName"])
		return "", "", false
	}
	sum := md5.Sum([]byte(in["MessageBody"]))
	_, _ = fmt.Fprintf(w, `{"MessageId":"1","MD5OfMessageBody":"%x"}`, sum)
	return in["MessageBody"], in["QueueUrl"], true
}

// checks answers GetQueueAttributes.
func checks(w http.ResponseWriter, r *http.Request, _ []byte) bool {
	asked := r.Header.Get("X-Amz-Target") == "AmazonSQS.GetQueueAttributes"
	if asked && w != nil {
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = w.Write([]byte(`{"Attributes":{"QueueArn":"arn:aws:sqs:eu-west-1:123456789012:failures"}}`))
	}
	return asked
}

func kind(queue, place string) destinationtest.Kind {
	return destinationtest.Kind{
		Wire: destinationtest.Wire{Take: take, Refuse: destinationtest.RefuseJSON, Checks: checks},
		New: func(client *http.Client, url string) (esm.Destination, error) {
			return sqsqueue.New(awssqs.New(awssqs.Options{
				Region: "eu-west-1", BaseEndpoint: &url, HTTPClient: client, Credentials: credentials,
			}), queue)
		},
		Missing: "QueueDoesNotExist", Denied: "AccessDenied", Permission: "permission sqs:", Place: place, Limit: 1 << 20,
	}
}

// By ARN (DST-10, DST-19).
func TestByARN(t *testing.T) {
	t.Parallel()
	destinationtest.Run(t, kind("arn:aws:sqs:eu-west-1:123456789012:failures",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/failures"))
}

// TestARNNeedsSendMessageOnly_DST09a has a client that may and can do nothing else.
func TestARNNeedsSendMessageOnly_DST09a(t *testing.T) {
	t.Parallel()
	for arn, url := range map[string]string{
		"arn:aws:sqs:eu-west-1:123456789012:failures":     "https://sqs.eu-west-1.amazonaws.com/123456789012/failures",
		"arn:aws-cn:sqs:cn-north-1:123456789012:failures": "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/failures",
	} {
		client := &sender{}
		d, err := sqsqueue.New(client, arn)
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Deliver(t.Context(), &esm.FailureRecord{}); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		if len(client.urls) != 1 || client.urls[0] != url {
			t.Errorf("%s: sent to %q, want %s", arn, client.urls, url)
		}
	}
}

// sender is a client that may send only.
type sender struct {
	sqsqueue.Client
	urls []string
}

func (s *sender) SendMessage(
	_ context.Context, in *awssqs.SendMessageInput, _ ...func(*awssqs.Options),
) (*awssqs.SendMessageOutput, error) {
	s.urls = append(s.urls, *in.QueueUrl)
	return &awssqs.SendMessageOutput{MessageId: aws.String("1")}, nil
}

// GetQueueUrl answers without a URL at first.
func (s *forgetful) GetQueueUrl( //nolint:revive // as the SDK spells it
	context.Context, *awssqs.GetQueueUrlInput, ...func(*awssqs.Options),
) (*awssqs.GetQueueUrlOutput, error) {
	s.asked++
	if s.asked == 1 {
		return &awssqs.GetQueueUrlOutput{}, nil
	}
	return &awssqs.GetQueueUrlOutput{QueueUrl: aws.String("http://localhost/1/failures")}, nil
}

type forgetful struct {
	sender
	asked int
}

func TestAnswerWithoutURL(t *testing.T) {
	t.Parallel()
	client := &forgetful{}
	d, err := sqsqueue.New(client, "failures")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Deliver(t.Context(), &esm.FailureRecord{}); err == nil || !strings.Contains(err.Error(), "has no URL") {
		t.Errorf("first attempt: error %v", err)
	}
	if err := d.Deliver(t.Context(), &esm.FailureRecord{}); err != nil || len(client.urls) != 1 {
		t.Errorf("second attempt: error %v, sent to %q", err, client.urls)
	}
}

// TestOtherRegionIsRefused names a queue that the client cannot reach: it would find
// one of the same name in its own region.
func TestOtherRegionIsRefused(t *testing.T) {
	t.Parallel()
	client := awssqs.New(awssqs.Options{Region: "us-east-1"})
	for _, name := range []string{
		"arn:aws:sqs:eu-west-1:123456789012:failures",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/failures",
	} {
		_, err := sqsqueue.New(client, name)
		if err == nil || !strings.Contains(err.Error(), `queue: is in region "eu-west-1"; the client is of "us-east-1"`) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// TestByName has the check find the URL; without it nothing can be delivered.
func TestByName(t *testing.T) {
	t.Parallel()
	named := kind("failures", "http://memhttp.test//failures")
	named.CheckDenied = true
	named.Wire.Checks = func(w http.ResponseWriter, r *http.Request, body []byte) bool {
		asked := r.Header.Get("X-Amz-Target") == "AmazonSQS.GetQueueUrl"
		if asked && w != nil {
			take(w, r, body)
		}
		return asked || checks(w, r, body)
	}
	destinationtest.Run(t, named)
}

func TestByURL(t *testing.T) {
	t.Parallel()
	const url = "http://memhttp.test/123456789012/failures"
	destinationtest.Run(t, kind(url, url))
}

func TestNames_DST06(t *testing.T) {
	t.Parallel()
	client := awssqs.New(awssqs.Options{})
	for _, name := range []string{
		"failures",
		"arn:aws:sqs:eu-west-1:123456789012:failures",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/failures",
	} {
		if _, err := sqsqueue.New(client, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"":              "queue: is empty",
		"failures.fifo": "FIFO",
		"arn:aws:sqs:eu-west-1:123456789012:failures.fifo":               "FIFO",
		"https://sqs.eu-west-1.amazonaws.com/123456789012/failures.fifo": "FIFO",
		"arn:aws:sns:eu-west-1:123456789012:failures":                    `of service "sns"; want "sqs"`,
		"arn:aws":                             "has 2 parts",
		"arn:aws:sqs:eu-west-1:1234:failures": "is not 12 digits",
		"arn:aws:sqs::123456789012:failures":  "names no region",
		"https://":                            "names no host",
		"a b":                                 "a character other than",
	} {
		if _, err := sqsqueue.New(client, name); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: error %v, want one with %q", name, err, text)
		}
	}
	for _, none := range []sqsqueue.Client{nil, (*awssqs.Client)(nil)} {
		if _, err := sqsqueue.New(none, ""); err == nil || !strings.Contains(err.Error(), "client: is nil") {
			t.Errorf("no client: %v", err)
		}
	}
}
