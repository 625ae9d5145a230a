package sqstest_test

import (
	"strconv"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// BenchmarkReceiveDelete is one receive of ten messages and their delete, by
// the SDK, from a queue that stays long.
func BenchmarkReceiveDelete(b *testing.B) {
	server := sqstest.New()
	defer func() { _ = server.Close() }() // the benchmark is over
	url, err := server.AddQueue("arn:aws:sqs:eu-west-1:123456789012:orders", nil)
	if err != nil {
		b.Fatal(err)
	}
	bodies := make([]string, 10)
	for i := range bodies {
		bodies[i] = `{"order":` + strconv.Itoa(i) + `,"note":"a body of some length, as they usually are"}`
	}
	for range 10_000 {
		if _, err := server.Send("orders", bodies...); err != nil {
			b.Fatal(err)
		}
	}
	client := server.Client()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := server.Send("orders", bodies...); err != nil {
			b.Fatal(err)
		}
		out, err := client.ReceiveMessage(b.Context(), &sqs.ReceiveMessageInput{
			QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 20,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{"All"},
			MessageAttributeNames:       []string{"All"},
		})
		if err != nil || len(out.Messages) != 10 {
			b.Fatalf("receive: %v", err)
		}
		entries := make([]types.DeleteMessageBatchRequestEntry, len(out.Messages))
		for i, m := range out.Messages {
			entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle}
		}
		deleted, err := client.DeleteMessageBatch(b.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: entries})
		if err != nil || len(deleted.Successful) != 10 {
			b.Fatalf("delete: %v", err)
		}
	}
}
