package sqs_test

import (
	"crypto/rand"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/plainhttp"
	"github.com/openesm/openesm/sources/sqs"
)

// realClient is a client of the server under test, with retries for the
// test's own calls; the test is skipped without a server.
func realClient(t *testing.T) *awssqs.Client {
	t.Helper()
	endpoint := os.Getenv("OPENESM_SQS_ENDPOINT")
	if endpoint == "" {
		t.Skip("OPENESM_SQS_ENDPOINT is not set: no SQS server to test against")
	}
	return awssqs.New(awssqs.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: plainhttp.Transport{}},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})
}

// realName is the name of a queue that nobody else uses. A clock would not do:
// cases that begin at once may see the same time.
func realName(suffix string) string { return "openesm-" + rand.Text() + suffix }

// realQueue makes a queue of its own and returns its URL.
func realQueue(t *testing.T, client *awssqs.Client, suffix string, attributes map[string]string) string {
	t.Helper()
	out, err := client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{
		QueueName: aws.String(realName(suffix)), Attributes: attributes,
	})
	if err != nil {
		t.Fatal(err)
	}
	return *out.QueueUrl
}

// patient fetches as the engine does: an error is tried again, since the
// server loses a connection now and then.
func patient(t *testing.T, p sources.Partition, places int, wait time.Duration) []sources.Record {
	t.Helper()
	buf := make([]sources.Record, places)
	for range 5 {
		n, err := p.Fetch(t.Context(), buf, wait)
		if err == nil {
			return buf[:n]
		}
		t.Logf("Fetch: %v", err)
	}
	t.Fatal("Fetch fails")
	return nil
}

func openReal(t *testing.T, client *awssqs.Client, queue string) (*sqs.Source, sources.Partition) {
	t.Helper()
	source, err := sqs.New(client, queue, sqs.Options{WaitTime: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	err = source.Start(t.Context(), sources.Settings{BatchSize: 10, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	p, err := source.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return source, p
}

func TestRealStandard_SQS60(t *testing.T) {
	t.Parallel()
	client := realClient(t)
	url := realQueue(t, client, "", map[string]string{"VisibilityTimeout": "2"})
	for _, body := range []string{"a", "b", "c"} {
		_, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body})
		if err != nil {
			t.Fatal(err)
		}
	}
	source, p := openReal(t, client, url)
	seen := map[string]sources.Record{}
	for len(seen) < 3 {
		for _, r := range patient(t, p, 1, time.Second) {
			seen[string(r.Data)] = r
		}
	}
	event := string(source.AppendEvent(nil, p.ID(), []sources.Record{seen["a"]}))
	if !strings.Contains(event, `"eventSourceARN":"arn:aws:sqs:us-east-1:`) {
		t.Errorf("event %s", event)
	}
	err := p.Ack(t.Context(), []sources.Record{seen["a"], seen["b"]})
	if err != nil {
		t.Errorf("Ack: %v", err)
	}
	releaser, ok := p.(sources.Releaser)
	if !ok {
		t.Fatal("not a Releaser")
	}
	err = releaser.Release(t.Context(), []sources.Record{seen["c"]})
	if err != nil {
		t.Errorf("Release: %v", err)
	}
	if got := bodies(patient(t, p, 10, time.Second)); got != "c" {
		t.Errorf("got %q, want what was released", got)
	}
	closePartition(t, p)
}

// Real FIFO (SQS-30, SQS-32).
func TestRealFIFO(t *testing.T) {
	t.Parallel()
	client := realClient(t)
	url := realQueue(t, client, ".fifo", map[string]string{"VisibilityTimeout": "2", "FifoQueue": "true"})
	for _, body := range []string{"g1", "g2", "g3"} {
		_, err := client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: &url, MessageBody: &body, MessageGroupId: aws.String("g"), MessageDeduplicationId: &body,
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	_, p := openReal(t, client, url)
	first := patient(t, p, 2, time.Second)
	if bodies(first) != "g1 g2" || first[0].Key != "g" {
		t.Errorf("got %q", bodies(first))
	}
	if got := patient(t, p, 10, 0); len(got) != 0 {
		t.Errorf("got %q while its group is in flight", bodies(got))
	}
	err := p.Ack(t.Context(), first[:1])
	if err != nil {
		t.Errorf("Ack: %v", err)
	}
	fail(t, p, first[1:])
	var rest []sources.Record
	for range 5 {
		if rest = patient(t, p, 10, time.Second); len(rest) > 0 {
			break
		}
	}
	if got := bodies(rest); got != "g2 g3" {
		t.Errorf("got %q, want the group from its first failure on", got)
	}
	closePartition(t, p)
}

func TestRealMissingQueue_API64(t *testing.T) {
	t.Parallel()
	source, err := sqs.New(realClient(t), "openesm-nobody", sqs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	err = source.Start(t.Context(), settings)
	if err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("got %v", err)
	}
}
