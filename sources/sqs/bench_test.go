package sqs_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

// canned answers every call at once with ten messages or ten deletes, so that
// what remains is the cost of the SDK and of the adapter.
type canned struct{ received, deleted, attributes []byte }

func newCanned() *canned {
	body := strings.Repeat("0123456789abcde ", 16)
	sum := md5.Sum([]byte(body))
	var received, deleted []string
	for i := range 10 {
		received = append(received, fmt.Sprintf(`{"MessageId":"8d0f5c1e-2b7a-4d53-9a61-7c1f0e9b4a1%d","ReceiptHandle":"%s",`+
			`"MD5OfBody":"%s","Body":"%s","Attributes":{"SenderId":"AROAEXAMPLE000000001:billing","SentTimestamp":"1763900000123",`+
			`"ApproximateReceiveCount":"1","ApproximateFirstReceiveTimestamp":"1763900000130"}}`,
			i, strings.Repeat("h", 350), hex.EncodeToString(sum[:]), body))
		deleted = append(deleted, fmt.Sprintf(`{"Id":"%d"}`, i))
	}
	return &canned{
		received:   []byte(`{"Messages":[` + strings.Join(received, ",") + `]}`),
		deleted:    []byte(`{"Successful":[` + strings.Join(deleted, ",") + `],"Failed":[]}`),
		attributes: []byte(`{"Attributes":{"VisibilityTimeout":"30","QueueArn":"` + standardARN + `"}}`),
	}
}

// Do is one HTTP exchange.
func (c *canned) Do(r *http.Request) (*http.Response, error) {
	_, err := io.Copy(io.Discard, r.Body)
	if err != nil {
		return nil, err
	}
	answer := c.attributes
	switch target := r.Header.Get("X-Amz-Target"); {
	case strings.HasSuffix(target, "ReceiveMessage"):
		answer = c.received
	case strings.HasSuffix(target, "DeleteMessageBatch"):
		answer = c.deleted
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(bytes.NewReader(answer)), ContentLength: int64(len(answer)),
	}, nil
}

func (c *canned) client() *awssqs.Client {
	return awssqs.New(awssqs.Options{
		Region: "eu-west-1", HTTPClient: c, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "AKIAEXAMPLE", SecretAccessKey: "example"}, nil
		}),
	})
}

// BenchmarkTen is the cost of ten messages of 256 bytes, received and deleted:
// by the SDK alone and by the adapter. The second is to be at most a tenth more.
func BenchmarkTen(b *testing.B) {
	b.Run("sdk", func(b *testing.B) {
		client := newCanned().client()
		url := aws.String("https://sqs.eu-west-1.amazonaws.com/123456789012/orders")
		b.ReportAllocs()
		for b.Loop() {
			out, err := client.ReceiveMessage(b.Context(), &awssqs.ReceiveMessageInput{
				QueueUrl: url, MaxNumberOfMessages: 10, WaitTimeSeconds: 20, MessageAttributeNames: []string{"All"},
				MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
			})
			if err != nil {
				b.Fatal(err)
			}
			entries := make([]types.DeleteMessageBatchRequestEntry, len(out.Messages))
			for i, m := range out.Messages {
				entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle}
			}
			_, err = client.DeleteMessageBatch(b.Context(), &awssqs.DeleteMessageBatchInput{QueueUrl: url, Entries: entries})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("adapter", func(b *testing.B) {
		source, err := sqs.New(newCanned().client(), "https://sqs.eu-west-1.amazonaws.com/123456789012/orders", sqs.Options{})
		if err != nil {
			b.Fatal(err)
		}
		err = source.Start(b.Context(), settings)
		if err != nil {
			b.Fatal(err)
		}
		p, err := source.Accept(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		buf := make([]sources.Record, 10)
		b.ReportAllocs()
		for b.Loop() {
			n, err := p.Fetch(b.Context(), buf, 20*time.Second)
			if err != nil || n != len(buf) {
				b.Fatal(n, err)
			}
			err = p.Ack(b.Context(), buf)
			if err != nil {
				b.Fatal(err)
			}
		}
		err = p.Close(b.Context())
		if err != nil {
			b.Fatal(err)
		}
	})
}
