package sqs_test

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sourcetest"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// harness makes a queue of its own with client, for the suite.
func harness(t *testing.T, client *awssqs.Client, name string, options sqs.Options) sourcetest.Harness {
	t.Helper()
	const visibility, timeout = 10 * time.Second, 7 * time.Second
	fifo := strings.HasSuffix(name, ".fifo")
	attributes := map[string]string{"VisibilityTimeout": strconv.Itoa(int(visibility / time.Second))}
	if fifo {
		attributes["FifoQueue"] = "true"
	}
	out, err := client.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
	if err != nil {
		t.Fatal(err)
	}
	var sent atomic.Int64
	return sourcetest.Harness{
		Send: func(ctx context.Context, messages ...sourcetest.Message) error {
			for _, m := range messages {
				in := &awssqs.SendMessageInput{QueueUrl: out.QueueUrl, MessageBody: aws.String(string(m.Data))}
				if fifo {
					in.MessageGroupId = &m.Key
					in.MessageDeduplicationId = aws.String(fmt.Sprint("d", sent.Add(1)))
				}
				_, err := client.SendMessage(ctx, in)
				if err != nil {
					return err
				}
			}
			return nil
		},
		Open: func(context.Context) (sources.Source, error) {
			return sqs.New(client, *out.QueueUrl, options)
		},
		Settings:          sources.Settings{BatchSize: 10, Timeout: timeout},
		VisibilityTimeout: max(visibility, timeout+cmp.Or(options.WaitTime, 20*time.Second)+25*time.Second),
		TextOnly:          true,
		NoEmpty:           true,
	}
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		queue   string
		options sqs.Options
	}{
		"standard":  {"orders", sqs.Options{}},
		"quick":     {"orders", sqs.Options{WaitTime: time.Second}},
		"FIFO":      {"orders.fifo", sqs.Options{}},
		"heartbeat": {"orders", sqs.Options{Heartbeat: true}},
		"backoff":   {"orders", sqs.Options{FailureBackoff: retry.Backoff{Initial: time.Second, Max: 5 * time.Second}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.RunInBubbles(t, func(t *testing.T) sourcetest.Harness {
				t.Helper()
				server := sqstest.New()
				t.Cleanup(func() {
					err := server.Close()
					if err != nil {
						t.Error(err)
					}
				})
				h := harness(t, server.Client(), test.queue, test.options)
				h.CloseIdle = server.HTTPClient().CloseIdleConnections
				h.Hang = func(context.Context) (func(), error) {
					server.SetFault(func(c sqstest.Call) sqstest.Fault {
						if c.Action != "ReceiveMessage" {
							return sqstest.Fault{}
						}
						return sqstest.Fault{Cut: sqstest.CutBefore, Delay: time.Hour}
					})
					return func() { server.SetFault(nil) }, nil
				}
				if test.options.Heartbeat {
					const why = "a heartbeat keeps what was handed out from going back"
					h.LeftOut = map[string]string{"StaleAck": why, "Redelivers": why}
				}
				return h
			})
		})
	}
}

func TestRealConformance(t *testing.T) {
	t.Parallel()
	for name, suffix := range map[string]string{"standard": "", "FIFO": ".fifo"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			realClient(t)
			sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
				t.Helper()
				h := harness(t, realClient(t), realName(suffix), sqs.Options{WaitTime: time.Second})
				h.LeftOut = map[string]string{"AckTwice": "the emulator refuses the handle of a message that is gone, AWS does not"}
				return h
			})
		})
	}
}
