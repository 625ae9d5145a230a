package sqs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// wire is a queue of the fake service, read through the SDK's client.
type wire struct {
	*sqstest.Server
	sources.Partition

	client *awssqs.Client
	url    string
	source *sqs.Source
}

// newWire makes the queue and opens it; call done at the end.
func newWire(t *testing.T, name string, attributes map[string]string, options sqs.Options) *wire {
	t.Helper()
	w := &wire{Server: sqstest.New()}
	// With the SDK's retries on, to see that the source turns them off.
	w.client = w.Client(func(o *awssqs.Options) { o.RetryMaxAttempts = 5 })
	if attributes == nil {
		attributes = map[string]string{}
	}
	if strings.HasSuffix(name, ".fifo") {
		attributes["FifoQueue"], attributes["ContentBasedDeduplication"] = "true", "true"
	}
	out, err := w.client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	w.url = *out.QueueUrl
	w.source, err = sqs.New(w.client, "arn:aws:sqs:eu-west-1:123456789012:"+name, options)
	if err != nil {
		t.Fatal(err)
	}
	err = w.source.Start(t.Context(), settings)
	if err != nil {
		t.Fatal(err)
	}
	w.Partition, err = w.source.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *wire) done(t *testing.T) {
	t.Helper()
	closePartition(t, w.Partition)
	err := w.Server.Close()
	if err != nil {
		t.Error(err)
	}
}

// Close is the server's; the partition is closed by done.
func (w *wire) Close(ctx context.Context) error { return w.Partition.Close(ctx) }

func (w *wire) send(t *testing.T, group string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		in := &awssqs.SendMessageInput{QueueUrl: &w.url, MessageBody: aws.String(body)}
		if group != "" {
			in.MessageGroupId = &group
		}
		_, err := w.client.SendMessage(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWireFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for name, fault := range map[string]sqstest.Fault{
			"throttle":   {Err: sqstest.RequestThrottled()},
			"throttle 2": {Err: sqstest.ThrottlingException()},
			"500":        {Err: sqstest.InternalFailure()},
			"503":        {Err: sqstest.ServiceUnavailable()},
			"cut before": {Cut: sqstest.CutBefore},
			"cut after":  {Cut: sqstest.CutAfter},
		} {
			w := newWire(t, "orders", nil, sqs.Options{})
			w.send(t, "", "a", "b")
			w.Inject("ReceiveMessage", fault)
			_, err := w.Fetch(t.Context(), make([]sources.Record, 10), time.Second)
			if err == nil || w.Calls("ReceiveMessage") != 1 {
				t.Errorf("%s: Fetch: %v after %d calls", name, err, w.Calls("ReceiveMessage"))
			}
			if fault.Cut == sqstest.CutAfter {
				time.Sleep(33 * time.Second)
			}
			records := fetch(t, w, 10, 20*time.Second)
			w.Inject("DeleteMessageBatch", fault)
			err = w.Ack(t.Context(), records)
			if partial, ok := errors.AsType[*sources.AckError](err); !ok || len(partial.Unsettled) != 2 {
				t.Errorf("%s: Ack: %v", name, err)
			}
			err = w.Ack(t.Context(), records)
			if err != nil || w.Counts("orders").Deleted != 2 || w.Calls("DeleteMessageBatch") != 2 {
				t.Errorf("%s: second Ack: %v, %+v", name, err, w.Counts("orders"))
			}
			w.done(t)
		}
	})
}

func TestWireSlowReceive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, "orders", nil, sqs.Options{})
		w.send(t, "", "a")
		w.Inject("ReceiveMessage", sqstest.Fault{Delay: 8 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		_, err := w.Fetch(ctx, make([]sources.Record, 10), 0)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Fetch: %v", err)
		}
		closePartition(t, w.Partition)
		if got := w.Counts("orders"); got.Visible != 1 {
			t.Errorf("after Close: %+v", got)
		}
		err = w.Server.Close()
		if err != nil {
			t.Error(err)
		}
	})
}

// A duplicate delivery has its own handle; both may be settled together.
func TestWireDuplicates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, "orders", nil, sqs.Options{})
		w.send(t, "", "a")
		w.Inject("ReceiveMessage", sqstest.Fault{Duplicates: 1})
		records := append(fetch(t, w, 10, 0), fetch(t, w, 10, 0)...)
		if len(records) != 2 || records[0].ID != records[1].ID {
			t.Errorf("got %q", bodies(records))
		}
		err := w.Ack(t.Context(), records)
		if err != nil || w.Counts("orders").Deleted != 1 {
			t.Errorf("Ack: %v, %+v", err, w.Counts("orders"))
		}
		w.done(t)
	})
}

func TestWirePartialDelete_SQS62(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, "orders", nil, sqs.Options{})
		w.send(t, "", "a", "b", "c")
		records := fetch(t, w, 10, 0)
		w.SetFault(func(c sqstest.Call) sqstest.Fault {
			return sqstest.FailEntries(c, sqstest.InternalFailure(), 1)
		})
		err := w.Ack(t.Context(), records)
		if partial, ok := errors.AsType[*sources.AckError](err); !ok || bodies(partial.Unsettled) != "b" {
			t.Errorf("Ack: %v", err)
		}
		w.SetFault(nil)
		time.Sleep(49 * time.Second)
		if got := fetch(t, w, 10, time.Second); len(got) != 0 {
			t.Errorf("handed out %q again", bodies(got))
		}
		w.done(t)
		if got := w.Counts("orders"); got.Deleted != 3 || w.source.Repeats() != 1 {
			t.Errorf("%+v, %d repeats", got, w.source.Repeats())
		}
	})
}

func TestWireStaleFIFO_SQS63(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, "orders.fifo", nil, sqs.Options{})
		w.send(t, "g", "a")
		records := fetch(t, w, 10, 0)
		time.Sleep(49 * time.Second)
		err := w.Ack(t.Context(), records)
		if partial, ok := errors.AsType[*sources.AckError](err); !ok || len(partial.Stale) != 1 {
			t.Errorf("Ack: %v", err)
		}
		w.done(t)
	})
}

// Wire FIFO order (SQS-30, SQS-32).
func TestWireFIFOOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, "orders.fifo", nil, sqs.Options{})
		w.send(t, "g", "g1", "g2", "g3")
		w.send(t, "h", "h1")
		first := fetch(t, w, 2, 0)
		second := fetch(t, w, 10, 0)
		if bodies(first) != "g1 g2" || bodies(second) != "h1" || first[0].Key != "g" {
			t.Errorf("got %q and %q", bodies(first), bodies(second))
		}
		fail(t, w.Partition, first)
		if got := fetch(t, w, 10, time.Second); len(got) != 0 {
			t.Errorf("got %q past the failed group", bodies(got))
		}
		if got := fetch(t, w, 10, 20*time.Second); len(got) != 0 {
			t.Errorf("got %q before the visibility timeout", bodies(got))
		}
		if got := bodies(fetch(t, w, 10, 20*time.Second)); got != "g1 g2 g3" {
			t.Errorf("got %q, want the group from its first message on, and not what is handled still", got)
		}
		w.done(t)
	})
}

// Wire redrive (SQS-51, SQS-52).
func TestWireRedrive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := newWire(t, "dead", nil, sqs.Options{})
		policy := `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead","maxReceiveCount":2}`
		_, err := server.client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{
			QueueName: aws.String("orders"), Attributes: map[string]string{"RedrivePolicy": policy, "VisibilityTimeout": "5"},
		})
		if err != nil {
			t.Fatal(err)
		}
		source, err := sqs.New(server.client, "orders", sqs.Options{FailureBackoff: retry.Backoff{Initial: time.Second}})
		if err != nil {
			t.Fatal(err)
		}
		err = source.Start(t.Context(), settings)
		if err != nil {
			t.Fatal(err)
		}
		p, err := source.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, err = server.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: aws.String(strings.Replace(server.url, "dead", "orders", 1)), MessageBody: aws.String("a"),
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			fail(t, p, fetch(t, p, 1, 20*time.Second))
		}
		fetch(t, p, 1, 20*time.Second)
		if got := bodies(fetch(t, server.Partition, 1, 0)); got != "a" {
			t.Errorf("dead-letter queue has %q", got)
		}
		closePartition(t, p)
		server.done(t)
	})
}

func TestWireEvent_SQS90(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWire(t, "orders", nil, sqs.Options{})
		_, err := w.client.SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: &w.url, MessageBody: aws.String(`{"n":"ü<"}`),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"tenant": {DataType: aws.String("String"), StringValue: aws.String("north")},
				"stamp":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 2}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		records := fetch(t, w, 10, 0)
		document := w.source.AppendEvent(nil, w.ID(), records)
		if most := w.source.Traits().EventOverhead + records[0].Size; len(document) > most {
			t.Errorf("%d bytes, more than %d", len(document), most)
		}
		var event events.SQSEvent
		err = json.Unmarshal(document, &event)
		if err != nil {
			t.Fatal(err)
		}
		m := event.Records[0]
		if m.Body != `{"n":"ü<"}` || m.MessageId != records[0].ID || m.Attributes["ApproximateReceiveCount"] != "1" ||
			m.EventSourceARN != "arn:aws:sqs:eu-west-1:123456789012:orders" || m.AWSRegion != "eu-west-1" ||
			*m.MessageAttributes["tenant"].StringValue != "north" || string(m.MessageAttributes["stamp"].BinaryValue) != "\x00\x01\x02" ||
			m.Md5OfMessageAttributes == "" || m.Md5OfBody == "" {
			t.Errorf("event %s", document)
		}
		w.done(t)
	})
}

func TestWireMissingQueue_API64(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := sqstest.New()
		for _, queue := range []string{"nobody", standardARN, "http://x/123456789012/nobody"} {
			source, err := sqs.New(server.Client(), queue, sqs.Options{})
			if err != nil {
				t.Fatal(err)
			}
			err = source.Start(t.Context(), settings)
			if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "does not exist") {
				t.Errorf("%s: %v", queue, err)
			}
		}
		server.Inject("GetQueueUrl", sqstest.Fault{Err: sqstest.AccessDenied()})
		source, err := sqs.New(server.Client(), "nobody", sqs.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = source.Start(t.Context(), settings)
		if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "sqs:GetQueueUrl") {
			t.Errorf("denied: %v", err)
		}
		err = server.Close()
		if err != nil {
			t.Error(err)
		}
	})
}

// Lanes of one record, with faults on every third call: nothing is lost, and
// in the end the queue is empty.
func TestWireLanesUnderFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const total = 60
		w := newWire(t, "orders", nil, sqs.Options{})
		for i := range total {
			w.send(t, "", fmt.Sprint("m", i))
		}
		list := []sqstest.Fault{
			{Err: sqstest.RequestThrottled()},
			{Cut: sqstest.CutAfter},
			{Err: sqstest.InternalFailure()},
			{Duplicates: 2},
			{Delay: 3 * time.Second},
		}
		w.SetFault(func(c sqstest.Call) sqstest.Fault {
			if c.Action != "ReceiveMessage" || c.Number%3 != 0 {
				return sqstest.Fault{}
			}
			return list[c.Number/3%len(list)]
		})
		if seen := lanes(t, w, 5, 1, total); len(seen) != total {
			t.Errorf("%d of %d messages", len(seen), total)
		}
		w.done(t)
		if got := w.Counts("orders"); got.Visible+got.InFlight > got.Deleted {
			t.Errorf("%+v", got)
		}
	})
}
