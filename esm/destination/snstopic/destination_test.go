package snstopic_test

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssns "github.com/aws/aws-sdk-go-v2/service/sns"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/internal/destinationtest"
	"github.com/openesm/openesm/esm/destination/snstopic"
)

const topic = "arn:aws:sns:eu-west-1:123456789012:failures"

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
})

// take answers Publish. What is not to be there is part of the place.
func take(w http.ResponseWriter, _ *http.Request, body []byte) (document, place string, delivers bool) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		panic(err)
	}
	w.Header().Set("Content-Type", "text/xml")
	_, _ = io.WriteString(w, "<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>")
	place = form.Get("TopicArn") + form.Get("Subject") + form.Get("MessageAttributes.entry.1.Name")
	return form.Get("Message"), place, form.Get("Action") == "Publish"
}

// checks answers GetTopicAttributes.
func checks(w http.ResponseWriter, _ *http.Request, body []byte) bool {
	asked := strings.Contains(string(body), "Action=GetTopicAttributes")
	if asked && w != nil {
		_, _ = io.WriteString(w, "<GetTopicAttributesResponse><GetTopicAttributesResult/></GetTopicAttributesResponse>")
	}
	return asked
}

func TestDestination_DST19d(t *testing.T) {
	t.Parallel()
	destinationtest.Run(t, destinationtest.Kind{
		Wire: destinationtest.Wire{Take: take, Refuse: destinationtest.RefuseXML(true), Checks: checks},
		New: func(client *http.Client, url string) (esm.Destination, error) {
			return snstopic.New(awssns.New(awssns.Options{
				Region: "eu-west-1", BaseEndpoint: &url, HTTPClient: client, Credentials: credentials,
			}), topic)
		},
		Missing: "NotFound", Denied: "AuthorizationError", Permission: "permission sns:Publish", Place: topic, Limit: 256 << 10,
	})
}

func TestNames_DST06(t *testing.T) {
	t.Parallel()
	client := awssns.New(awssns.Options{})
	for _, name := range []string{
		topic,
	} {
		if _, err := snstopic.New(client, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, text := range map[string]string{
		"":              "topic: \"\" is no ARN",
		"failures":      "is no ARN",
		topic + ".fifo": "FIFO",
		"arn:aws:sqs:eu-west-1:123456789012:failures": `of service "sqs"; want "sns"`,
		"arn:aws:sns:eu-west-1:123456789012:":         "names nothing",
	} {
		if _, err := snstopic.New(client, name); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: error %v, want one with %q", name, err, text)
		}
	}
	for _, none := range []snstopic.Client{nil, (*awssns.Client)(nil)} {
		if _, err := snstopic.New(none, ""); err == nil || !strings.Contains(err.Error(), "client: is nil") {
			t.Errorf("no client: %v", err)
		}
	}
}
