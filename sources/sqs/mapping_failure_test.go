package sqs_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// Mapping typed event (SQS-90, SQS-97, SQS-103).
func TestMappingTypedEvent(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		_, err := w.Client().SendMessage(t.Context(), &awssqs.SendMessageInput{
			QueueUrl: &w.url, MessageBody: aws.String(`{"kind":"invoice"}`),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"tenant": {DataType: aws.String("String"), StringValue: aws.String("north")},
				"weight": {DataType: aws.String("Number.int"), StringValue: aws.String("7")},
				"stamp":  {DataType: aws.String("Binary"), BinaryValue: []byte{0, 1, 2}},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		got := w.typed()
		m := got.Records[0]
		if m.Body != `{"kind":"invoice"}` || m.EventSource != "aws:sqs" || m.EventSourceARN != standardARN ||
			m.AWSRegion != "eu-west-1" || m.ReceiptHandle == "" || m.Md5OfBody == "" || m.Md5OfMessageAttributes == "" {
			t.Errorf("%+v", m)
		}
		for _, name := range []string{"ApproximateReceiveCount", "SentTimestamp", "SenderId", "ApproximateFirstReceiveTimestamp"} {
			if m.Attributes[name] == "" {
				t.Errorf("no attribute %s in %v", name, m.Attributes)
			}
		}
		a := m.MessageAttributes
		if *a["tenant"].StringValue != "north" || a["weight"].DataType != "Number.int" || !slices.Equal(a["stamp"].BinaryValue, []byte{0, 1, 2}) {
			t.Errorf("message attributes %+v", a)
		}
	})
}

func TestMappingTypedEventFIFO_SQS94(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders.fifo", nil, func(t *testing.T, w *world) {
		w.send("order-77", "step 1")
		m := w.typed().Records[0]
		if m.Attributes["MessageGroupId"] != "order-77" || m.Attributes["SequenceNumber"] == "" ||
			m.Attributes["MessageDeduplicationId"] == "" || m.EventSourceARN != fifoARN {
			t.Errorf("%+v", m)
		}
	})
}

// typed runs a mapping with a typed handler until one message was handled.
func (w *world) typed() events.SQSEvent {
	w.t.Helper()
	got := make(chan events.SQSEvent, 1)
	m := w.mapping(esm.Typed(func(_ context.Context, event events.SQSEvent) error {
		got <- event

		// The journal does not see this handler.
		w.mu.Lock()
		defer w.mu.Unlock()
		w.done[event.Records[0].MessageId]++
		return nil
	}), sqs.Options{}, esm.Config{})
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	event := <-got
	w.until(1, time.Minute)
	cancel()
	err := <-ended
	if err != nil {
		w.t.Errorf("Run: %v", err)
	}
	return event
}

// Mapping partial failure (SQS-74, SQS-81).
func TestMappingPartialFailure(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", map[string]string{"VisibilityTimeout": "180"}, func(t *testing.T, w *world) {
		_, err := w.Send("orders", numbers(10)...)
		if err != nil {
			t.Fatal(err)
		}
		r := w.run(w.journal(failOnce("3", "7")), sqs.Options{}, esm.Config{ReportBatchItemFailures: true})
		time.Sleep(time.Second)
		w.left(sqstest.Counts{Deleted: 8, InFlight: 2})
		time.Sleep(178 * time.Second)
		w.left(sqstest.Counts{Deleted: 8, InFlight: 2})
		w.until(10, 10*time.Second)
		r.end()
		seen := w.seen()
		if seen["3"] != 2 || seen["7"] != 2 || len(w.log()) < 2 || w.Calls("ChangeMessageVisibilityBatch") != 0 {
			t.Errorf("handled %v, %d changes of visibility", seen, w.Calls("ChangeMessageVisibilityBatch"))
		}
	})
}

// failOnce names the given bodies the first time.
func failOnce(bodies ...string) handle {
	return func(_ context.Context, records []sources.Record) (esm.Response, error) {
		var response esm.Response
		for i := range records {
			m, ok := records[i].Native.(*types.Message)
			if ok && m.Attributes["ApproximateReceiveCount"] == "1" && slices.Contains(bodies, string(records[i].Data)) {
				response.BatchItemFailures = append(response.BatchItemFailures, records[i].ID)
			}
		}
		return response, nil
	}
}

// Mapping malformed response deletes nothing (SQS-75, SQS-76, SQS-77, SQS-78, SQS-83).
func TestMappingMalformedResponseDeletesNothing(t *testing.T) {
	t.Parallel()
	for name, response := range map[string]string{
		"other key": `{"batchItemFailures":[{"foo":"x"}]}`,
		"empty":     `{"batchItemFailures":[{"itemIdentifier":""}]}`,
		"null":      `{"batchItemFailures":[{"itemIdentifier":null}]}`,
		"number":    `{"batchItemFailures":[{"itemIdentifier":7}]}`,
		"unknown":   `{"batchItemFailures":[{"itemIdentifier":"ID"},{"itemIdentifier":"nobody"}]}`,
		"no JSON":   `failed: ID`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", nil, func(t *testing.T, w *world) {
				ids, err := w.Send("orders", "a", "b")
				if err != nil {
					t.Fatal(err)
				}
				r := w.run(esm.Bytes(invoker(strings.ReplaceAll(response, "ID", ids[0]))), sqs.Options{}, esm.Config{ReportBatchItemFailures: true})
				time.Sleep(45 * time.Second) // received for 60 s
				w.left(sqstest.Counts{InFlight: 2})
				for _, m := range w.Messages("orders") {
					if m.Receives != 2 {
						t.Errorf("%q was received %d times, want 2", m.Body, m.Receives)
					}
				}
				r.end()
			})
		})
	}
}

// invoker answers the same always.
type invoker string

// Invoke implements esm.Invoker.
func (i invoker) Invoke(context.Context, []byte) ([]byte, error) { return []byte(i), nil }

// Mapping redrives poison (SQS-51, SQS-52).
func TestMappingRedrivesPoison(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		w.redrive(10*time.Second, "dead", 2)
		ids, err := w.Send("orders", "good", "poison", "well")
		if err != nil {
			t.Fatal(err)
		}
		r := w.run(w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if slices.Contains(texts(records), "poison") {
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), sqs.Options{}, esm.Config{BatchSize: 1, Timeout: 5 * time.Second})
		time.Sleep(90 * time.Second) // received for 35 s
		r.end()
		w.left(sqstest.Counts{Deleted: 2})
		dead := w.Messages("dead")
		if len(dead) != 1 || dead[0].Body != "poison" || dead[0].ID != ids[1] {
			t.Fatalf("dead letters %+v", dead)
		}
		if seen := w.seen(); seen["poison"] != 2 || seen["good"] != 1 || seen["well"] != 1 {
			t.Errorf("handled %v, want poison twice and others once", seen)
		}
	})
}

// Mapping error leaves messages to the timeout (SQS-44, SQS-82).
func TestMappingErrorLeavesMessagesToTheTimeout(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", map[string]string{"VisibilityTimeout": "180"}, func(t *testing.T, w *world) {
		_, err := w.Send("orders", "a", "b")
		if err != nil {
			t.Fatal(err)
		}
		r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, errHandler
		}), sqs.Options{}, esm.Config{})
		time.Sleep(time.Second)
		for _, m := range w.Messages("orders") {
			if m.Due.Sub(w.began) < 180*time.Second || m.Due.Sub(w.began) > 181*time.Second {
				t.Errorf("%q comes back after %v, want the 180 s of the queue", m.Body, m.Due.Sub(w.began))
			}
		}
		r.end()
		w.left(sqstest.Counts{InFlight: 2})
		if n := w.Calls("ChangeMessageVisibilityBatch") + w.Calls("DeleteMessageBatch"); n != 0 {
			t.Errorf("%d calls about failed messages, want none", n)
		}
	})
}

// Mapping throttled handler (SQS-48, SQS-49).
func TestMappingThrottledHandler(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		w.redrive(time.Minute, "dead", 2)
		_, err := w.Send("orders", "a")
		if err != nil {
			t.Fatal(err)
		}
		r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, &esm.ThrottleError{Err: errHandler}
		}), sqs.Options{}, esm.Config{Timeout: 10 * time.Second})
		time.Sleep(59 * time.Second)
		first := len(w.log())
		if m := w.Messages("orders"); len(m) != 1 || m[0].Receives != 1 || first < 3 {
			t.Errorf("%+v after %d tries, want one receive and several tries", m, first)
		}
		time.Sleep(10 * time.Second)
		if m := w.Messages("orders"); len(m) != 1 || m[0].Receives != 2 || len(w.log()) == first {
			t.Errorf("%+v after %d tries, want a second receive", m, len(w.log()))
		}
		time.Sleep(time.Minute)
		r.end()
		w.left(sqstest.Counts{})
		if dead := w.Messages("dead"); len(dead) != 1 || len(w.log()) > 90 {
			t.Errorf("dead letters %+v after %d tries, want the message, and no hot loop", dead, len(w.log()))
		}
	})
}

// Mapping handler that hangs or panics (P10, SQS-79).
func TestMappingHandlerThatHangsOrPanics(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", map[string]string{"VisibilityTimeout": "20"}, func(t *testing.T, w *world) {
		release := make(chan struct{})
		_, err := w.Send("orders", "hangs", "panics", "late", "good")
		if err != nil {
			t.Fatal(err)
		}
		r := w.run(w.journal(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
			m, ok := records[0].Native.(*types.Message)
			if !ok || m.Attributes["ApproximateReceiveCount"] != "1" {
				return esm.Response{}, nil
			}
			switch string(records[0].Data) {
			case "hangs":
				<-release
			case "panics":
				panic("on purpose")
			case "late":
				<-ctx.Done()
			}
			return esm.Response{}, nil
		}), sqs.Options{}, esm.Config{BatchSize: 1, Timeout: 5 * time.Second})
		time.Sleep(10 * time.Second)
		w.left(sqstest.Counts{Deleted: 1, InFlight: 3})
		w.until(4, 30*time.Second)
		r.end()
		close(release)
		synctest.Wait()
		if seen := w.seen(); seen["hangs"] != 2 || seen["panics"] != 2 || seen["late"] != 2 || seen["good"] != 1 {
			t.Errorf("handled %v", seen)
		}
	})
}

func TestMappingHeartbeat(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		_, err := w.Send("orders", "slow")
		if err != nil {
			t.Fatal(err)
		}
		r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(100 * time.Second)
			return esm.Response{}, nil
		}), sqs.Options{Heartbeat: true}, esm.Config{Timeout: 2 * time.Minute})
		w.until(1, 3*time.Minute)
		r.end()
		w.once([]string{"slow"})
		w.left(sqstest.Counts{Deleted: 1})
	})
}
