package sqstest_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// drain is the code under test: it deletes every message that handle takes.
func drain(ctx context.Context, client *sqs.Client, url string, handle func(body string) error) error {
	out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 20,
	})
	if err != nil {
		return err
	}
	for _, m := range out.Messages {
		if handle(*m.Body) != nil {
			continue // comes back after its visibility timeout
		}
		_, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &url, ReceiptHandle: m.ReceiptHandle})
		if err != nil {
			return err
		}
	}
	return nil
}

// TestDrain is a unit test as users of the library write them: the failed
// message comes back after half a minute, which takes no time in the bubble.
func TestDrain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := sqstest.New()
		t.Cleanup(func() { _ = server.Close() })
		url, err := server.AddQueue("arn:aws:sqs:eu-west-1:123456789012:orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := server.Send("orders", "one", "two"); err != nil {
			t.Fatal(err)
		}
		attempts := 0
		flaky := func(body string) error {
			attempts++
			if body == "two" && attempts == 2 {
				return context.DeadlineExceeded
			}
			return nil
		}
		for server.Counts("orders").Deleted < 2 {
			if err := drain(t.Context(), server.Client(), url, flaky); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if attempts != 3 {
			t.Errorf("handled %d messages, want 3", attempts)
		}
	})
}

func Example() {
	server := sqstest.New()
	defer func() { _ = server.Close() }()
	ctx := context.Background()
	client := server.Client(func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
	queue, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		fmt.Println(err)
		return
	}
	ids, err := server.Send("orders", "hello")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("sent", ids)

	// The first receive takes effect, but its answer is lost.
	server.Inject("ReceiveMessage", sqstest.Fault{Cut: sqstest.CutAfter})
	_, err = client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue.QueueUrl})
	fmt.Println("failed:", err != nil)
	fmt.Printf("%+v\n", server.Counts("orders"))
	// Output:
	// sent [00000000-0000-4000-8000-000000000001]
	// failed: true
	// {Visible:0 InFlight:1 Delayed:0 Deleted:0}
}
