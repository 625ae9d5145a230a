package sqstest_test

import (
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

func (w *world) attributes(names ...types.QueueAttributeName) map[string]string {
	w.t.Helper()
	out, err := w.client.GetQueueAttributes(w.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &w.url, AttributeNames: names,
	})
	if err != nil {
		w.t.Fatalf("GetQueueAttributes: %v", err)
	}
	return out.Attributes
}

func TestQueueAttributes(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "60"}, func(w *world) {
		w.send("", "a", "b", "c")
		w.receive(1, 0)
		wantSame(w.t, w.attributes("All"), map[string]string{
			"QueueArn":          "arn:aws:sqs:eu-west-1:123456789012:orders",
			"VisibilityTimeout": "60", "DelaySeconds": "0", "MessageRetentionPeriod": "345600",
			"ReceiveMessageWaitTimeSeconds": "0", "MaximumMessageSize": "1048576",
			"CreatedTimestamp": "946684800", "LastModifiedTimestamp": "946684800",
			"ApproximateNumberOfMessages": "2", "ApproximateNumberOfMessagesNotVisible": "1",
			"ApproximateNumberOfMessagesDelayed": "0",
		})
		if err := w.setAttribute("VisibilityTimeout", "90"); err != nil {
			w.t.Fatalf("SetQueueAttributes: %v", err)
		}
		wantSame(w.t, w.attributes("VisibilityTimeout", "RedrivePolicy"), map[string]string{"VisibilityTimeout": "90"})
		wiretest.WantType[*types.InvalidAttributeValue](w.t, w.setAttribute("VisibilityTimeout", "43201"))
		wiretest.WantType[*types.InvalidAttributeName](w.t, w.setAttribute("Colour", "red"))
		wiretest.WantType[*types.InvalidAttributeValue](w.t, w.setAttribute("RedrivePolicy", `{"maxReceiveCount":0}`))
	})
}

func TestFIFOQueueAttributes(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", fifo(), func(w *world) {
		wantSame(w.t, w.attributes("FifoQueue", "ContentBasedDeduplication"),
			map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"})
	})
}

func TestCreateQueue(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "60"}, func(w *world) {
		if url := w.create("orders", map[string]string{"VisibilityTimeout": "60"}); url != w.url {
			w.t.Errorf("got %s, want the same queue %s", url, w.url)
		}
		create := func(name string, attributes map[string]string) error {
			_, err := w.client.CreateQueue(w.t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
			return err
		}
		wiretest.WantType[*types.QueueNameExists](w.t, create("orders", map[string]string{"VisibilityTimeout": "61"}))
		wiretest.WantCode(w.t, create("a b", nil), "InvalidParameterValue")
		wiretest.WantCode(w.t, create("x.fifo", nil), "InvalidParameterValue")
		wiretest.WantCode(w.t, create("x", map[string]string{"FifoQueue": "true"}), "InvalidParameterValue")
	})
}

func TestQueueURLs(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		foreign, err := w.server.AddQueue("arn:aws:sqs:us-east-1:999999999999:bills", nil)
		if err != nil {
			w.t.Fatalf("AddQueue: %v", err)
		}
		get := func(name, owner string) (string, error) {
			in := &sqs.GetQueueUrlInput{QueueName: &name}
			if owner != "" {
				in.QueueOwnerAWSAccountId = &owner
			}
			out, err := w.client.GetQueueUrl(w.t.Context(), in)
			if err != nil {
				return "", err
			}
			return *out.QueueUrl, nil
		}
		for _, c := range []struct{ name, owner, want string }{
			{"orders", "", w.url}, {"orders", sqstest.Account, w.url}, {"bills", "999999999999", foreign},
		} {
			if got, err := get(c.name, c.owner); got != c.want || err != nil {
				w.t.Errorf("%s of %q: got %s, %v; want %s", c.name, c.owner, got, err, c.want)
			}
		}
		_, err = get("bills", "")
		wiretest.WantType[*types.QueueDoesNotExist](w.t, err)
		if _, err := w.server.AddQueue("bills", nil); err == nil {
			w.t.Error("AddQueue took a name for an ARN")
		}
	})
}

func TestListQueues(t *testing.T) {
	t.Parallel()
	run(t, "b1", nil, func(w *world) {
		b2, a := w.create("b2", nil), w.create("a", nil)
		list := func(in sqs.ListQueuesInput) ([]string, *string) {
			out, err := w.client.ListQueues(w.t.Context(), &in)
			if err != nil {
				w.t.Fatalf("ListQueues: %v", err)
			}
			return out.QueueUrls, out.NextToken
		}
		if got, _ := list(sqs.ListQueuesInput{}); !slices.Equal(got, []string{a, w.url, b2}) {
			w.t.Errorf("got %q", got)
		}
		got, next := list(sqs.ListQueuesInput{QueueNamePrefix: aws.String("b"), MaxResults: aws.Int32(1)})
		if !slices.Equal(got, []string{w.url}) || next == nil {
			w.t.Fatalf("got %q and %v, want the first of two pages", got, next)
		}
		got, next = list(sqs.ListQueuesInput{
			QueueNamePrefix: aws.String("b"), MaxResults: aws.Int32(1), NextToken: next,
		})
		if !slices.Equal(got, []string{b2}) || next != nil {
			w.t.Errorf("got %q and %v, want the last page", got, next)
		}
	})
}

func TestPurgeQueue(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", fifo(), func(w *world) {
		w.send("g", "a", "b")
		w.receive(1, 0)
		purge := func() error {
			_, err := w.client.PurgeQueue(w.t.Context(), &sqs.PurgeQueueInput{QueueUrl: &w.url})
			return err
		}
		if err := purge(); err != nil {
			w.t.Fatalf("PurgeQueue: %v", err)
		}
		w.wantCounts(sqstest.Counts{})
		wiretest.WantType[*types.PurgeQueueInProgress](w.t, purge())
		time.Sleep(time.Minute)
		if err := purge(); err != nil {
			w.t.Errorf("PurgeQueue: %v", err)
		}
	})
}

func TestDeletedQueue(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		w.send("", "a")
		m := w.one()
		if _, err := w.client.DeleteQueue(w.t.Context(), &sqs.DeleteQueueInput{QueueUrl: &w.url}); err != nil {
			w.t.Fatalf("DeleteQueue: %v", err)
		}
		_, err := w.tryReceive()
		wiretest.WantType[*types.QueueDoesNotExist](w.t, err)
		wiretest.WantType[*types.QueueDoesNotExist](w.t, w.delete(m))
		w.create("orders", nil)
		w.expect()
		wiretest.WantType[*types.ReceiptHandleIsInvalid](w.t, w.delete(m))
	})
}

func TestMessages(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		ids, err := w.server.Send("orders", "a", "b")
		if err != nil || len(ids) != 2 {
			w.t.Fatalf("Send: %q, %v", ids, err)
		}
		w.receive(1, 0)
		want := []sqstest.Message{
			{ID: ids[0], Body: "a", Receives: 1, InFlight: true, Due: time.Now().Add(30 * time.Second)},
			{ID: ids[1], Body: "b"},
		}
		if got := w.server.Messages("orders"); !slices.Equal(got, want) {
			w.t.Errorf("got %+v, want %+v", got, want)
		}
		if _, err := w.server.Send("none", "a"); err == nil {
			w.t.Error("Send found a queue that is not there")
		}
		if got := w.server.Messages("none"); got != nil {
			w.t.Errorf("got %+v of a queue that is not there", got)
		}
	})
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	server := sqstest.New()
	t.Cleanup(func() { _ = server.Close() })
	for target, body := range map[string]string{
		"AmazonSQS.Nothing":        "{}",
		"AmazonSQS.ReceiveMessage": "{",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", strings.NewReader(body))
		r.Header.Set("X-Amz-Target", target)
		w := httptest.NewRecorder()
		server.ServeHTTP(w, r)
		if w.Code != http.StatusBadRequest || w.Header().Get("X-Amzn-Query-Error") == "" {
			t.Errorf("%s %s: got status %d, header %v", target, body, w.Code, w.Header())
		}
	}
}

// TestServedElsewhere has another HTTP server serve the fake.
func TestServedElsewhere(t *testing.T) {
	t.Parallel()
	fake := sqstest.New()
	t.Cleanup(func() { _ = fake.Close() })
	host := httptest.NewServer(fake)
	t.Cleanup(host.Close)
	client := fake.Client(func(o *sqs.Options) {
		o.BaseEndpoint = &host.URL
		o.HTTPClient = host.Client()
	})
	out, err := client.CreateQueue(t.Context(), &sqs.CreateQueueInput{QueueName: aws.String("orders")})
	if err != nil {
		t.Fatalf("CreateQueue: %v", err)
	}
	if want := host.URL + "/" + sqstest.Account + "/orders"; *out.QueueUrl != want {
		t.Errorf("got %s, want %s", *out.QueueUrl, want)
	}
	ended := make(chan error, 1)
	go func() {
		_, err := client.ReceiveMessage(t.Context(), everything(*out.QueueUrl, 10, 20))
		ended <- err
	}()
	for fake.Calls("ReceiveMessage") == 0 {
		runtime.Gosched()
	}
	if err := fake.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wiretest.WantCode(t, <-ended, "ServiceUnavailable")
}
