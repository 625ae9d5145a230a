package sqstest_test

import (
	"slices"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// world is a bubble with a fake, a client and one queue.
type world struct {
	t      *testing.T
	server *sqstest.Server
	client *sqs.Client
	queue  string
	url    string
}

// run runs a test in a bubble, with a queue of that name and attributes.
func run(t *testing.T, queue string, attributes map[string]string, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		server := sqstest.New()
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
		w := &world{t: t, server: server, client: server.Client(), queue: queue}
		w.url = w.create(queue, attributes)
		test(w)
	})
}

// fifo are the attributes of a FIFO queue with content-based deduplication.
func fifo() map[string]string {
	return map[string]string{"FifoQueue": "true", "ContentBasedDeduplication": "true"}
}

func (w *world) create(queue string, attributes map[string]string) string {
	w.t.Helper()
	out, err := w.client.CreateQueue(w.t.Context(), &sqs.CreateQueueInput{QueueName: &queue, Attributes: attributes})
	if err != nil {
		w.t.Fatalf("CreateQueue: %v", err)
	}
	return *out.QueueUrl
}

// send sends bodies, in one message group if there is one.
func (w *world) send(group string, bodies ...string) {
	w.t.Helper()
	for _, body := range bodies {
		in := &sqs.SendMessageInput{QueueUrl: &w.url, MessageBody: &body}
		if group != "" {
			in.MessageGroupId = &group
		}
		if _, err := w.client.SendMessage(w.t.Context(), in); err != nil {
			w.t.Errorf("SendMessage: %v", err) // may be another goroutine than the test's
		}
	}
}

// receive receives up to n messages with everything that they have.
func (w *world) receive(n, wait int32) []types.Message {
	w.t.Helper()
	return w.receiveFrom(w.url, n, wait)
}

func (w *world) receiveFrom(url string, n, wait int32) []types.Message {
	w.t.Helper()
	out, err := w.client.ReceiveMessage(w.t.Context(), everything(url, n, wait))
	if err != nil {
		w.t.Errorf("ReceiveMessage: %v", err) // as above
		return nil
	}
	return out.Messages
}

func everything(url string, n, wait int32) *sqs.ReceiveMessageInput {
	return &sqs.ReceiveMessageInput{
		QueueUrl: &url, MaxNumberOfMessages: n, WaitTimeSeconds: wait,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	}
}

// one receives the one message that there must be.
func (w *world) one() types.Message {
	w.t.Helper()
	messages := w.receive(10, 0)
	if len(messages) != 1 {
		w.t.Fatalf("got messages %q, want one", bodies(messages))
	}
	return messages[0]
}

// expect receives and holds the bodies to what they must be.
func (w *world) expect(want ...string) []types.Message {
	w.t.Helper()
	messages := w.receive(10, 0)
	if got := bodies(messages); !slices.Equal(got, want) {
		w.t.Fatalf("got bodies %q, want %q", got, want)
	}
	return messages
}

func (w *world) delete(m types.Message) error {
	w.t.Helper()
	_, err := w.client.DeleteMessage(w.t.Context(), &sqs.DeleteMessageInput{
		QueueUrl: &w.url, ReceiptHandle: m.ReceiptHandle,
	})
	return err
}

// mustDelete deletes what must be deletable.
func (w *world) mustDelete(messages ...types.Message) {
	w.t.Helper()
	for _, m := range messages {
		if err := w.delete(m); err != nil {
			w.t.Errorf("DeleteMessage: %v", err) // as above
		}
	}
}

func (w *world) deleteBatch(messages ...types.Message) (*sqs.DeleteMessageBatchOutput, error) {
	entries := make([]types.DeleteMessageBatchRequestEntry, len(messages))
	for i, m := range messages {
		entries[i] = types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle}
	}
	return w.client.DeleteMessageBatch(w.t.Context(), &sqs.DeleteMessageBatchInput{QueueUrl: &w.url, Entries: entries})
}

func (w *world) change(m types.Message, seconds int32) error {
	_, err := w.client.ChangeMessageVisibility(w.t.Context(), &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &w.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: seconds,
	})
	return err
}

func (w *world) wantCounts(want sqstest.Counts) {
	w.t.Helper()
	if got := w.server.Counts(w.queue); got != want {
		w.t.Errorf("got counts %+v, want %+v", got, want)
	}
}

func bodies(messages []types.Message) []string {
	var list []string
	for _, m := range messages {
		list = append(list, *m.Body)
	}
	return list
}

// meanwhile runs do in another goroutine, and returns what waits for it: the
// answer of a call of do may come after what the test looks at, and the end of
// the test would cut it.
func meanwhile(do func()) (wait func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	return func() { <-done }
}
