package sqstest_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// users are clients of a server who count what was accepted.
type users struct {
	t      *testing.T
	server *sqstest.Server
	url    string
	closed atomic.Bool // the server is being closed
	sent   atomic.Int64
	got    atomic.Int64
}

// allowed tells whether a call may have failed: for its own context, or for
// Close.
func (u *users) allowed(err error) bool {
	return err == nil || u.closed.Load() || wiretest.GivenUp(err)
}

// use sends, polls, changes and deletes until ctx is done.
func (u *users) use(ctx context.Context) {
	client := u.server.Client()
	for ctx.Err() == nil {
		once, cancel := context.WithTimeout(ctx, 1+rand.N(3*time.Second))
		var err error
		switch rand.N(3) {
		case 0:
			body := strconv.Itoa(rand.Int())
			// A send that is given up may have been accepted nevertheless.
			if _, err = client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &u.url, MessageBody: &body}); err == nil {
				u.sent.Add(1)
			}
		default:
			err = u.poll(ctx, once, client)
		}
		cancel()
		if !u.allowed(err) {
			u.t.Errorf("call: %v", err)
		}
		time.Sleep(rand.N(30 * time.Millisecond)) // or the clock would stand still
	}
}

func (u *users) poll(ctx, once context.Context, client *sqs.Client) error {
	out, err := client.ReceiveMessage(once, everything(u.url, 1+rand.N(int32(10)), rand.N(int32(5))))
	if _, full := errors.AsType[*types.OverLimit](err); full {
		return nil
	}
	if err != nil {
		return err
	}
	for _, m := range out.Messages {
		u.got.Add(1)
		if rand.N(3) == 0 {
			_, err = client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
				QueueUrl: &u.url, ReceiptHandle: m.ReceiptHandle, VisibilityTimeout: rand.N(int32(3)),
			})
			if _, late := errors.AsType[smithy.APIError](err); late && !u.closed.Load() {
				err = nil // it came back, or went to others, meanwhile
			}
			continue
		}
		_, err = client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &u.url, ReceiptHandle: m.ReceiptHandle})
	}
	return err
}

// look uses what a test uses, at the same time.
func (u *users) look(ctx context.Context) {
	for ctx.Err() == nil {
		switch rand.N(4) {
		case 0:
			u.server.SetInFlightLimit(10 + rand.N(1000))
		case 1:
			u.server.Inject("ReceiveMessage", sqstest.Fault{Duplicates: 1, Delay: rand.N(100 * time.Millisecond)})
		case 2:
			u.server.SetFault(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Delay: rand.N(50 * time.Millisecond)} })
		case 3:
			if c := u.server.Counts("q"); c.Visible+c.InFlight > len(u.server.Messages("q"))+100 || u.server.Calls("ReceiveMessage") < 0 {
				u.t.Errorf("counts %+v", c)
			}
		}
		time.Sleep(rand.N(50 * time.Millisecond))
	}
}

// TestStressCloseAtAnyMoment closes servers, more than once and at a time, under
// long polls and all other calls. Each call comes back, no message that was
// accepted is lost, and no goroutine is left.
func TestStressCloseAtAnyMoment(t *testing.T) {
	t.Parallel()
	for range 6 {
		synctest.Test(t, func(t *testing.T) {
			server, url := start(t, map[string]string{"VisibilityTimeout": "3"})
			u := &users{t: t, server: server, url: url}
			wiretest.CloseUnder(t, server, func() {
				time.Sleep(rand.N(5 * time.Second))
				u.closed.Store(true)
			}, u.use, u.use, u.use, u.use, u.use, u.look)
			left := int64(len(server.Messages("q")) + len(server.Deleted("q")))
			if left < u.sent.Load() {
				t.Errorf("%d messages, %d sends were accepted", left, u.sent.Load())
			}
		})
	}
}

// TestStressQueuesComeAndGo makes and deletes queues under long polls on them,
// which are all told.
func TestStressQueuesComeAndGo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := sqstest.New()
		defer func() {
			if err := server.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}()
		client := server.Client()
		url := server.URL() + "/123456789012/q"
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for range 6 {
			all.Go(func() {
				for ctx.Err() == nil {
					began := time.Now()
					_, err := client.ReceiveMessage(ctx, everything(url, 10, 20))
					if _, gone := errors.AsType[*types.QueueDoesNotExist](err); err != nil && !gone && ctx.Err() == nil {
						t.Errorf("ReceiveMessage: %v", err)
					}
					if took := time.Since(began); took > 20*time.Second {
						t.Errorf("a receive of 20s took %v", took)
					}
					time.Sleep(rand.N(time.Second))
				}
			})
		}
		for i := range 20 {
			if _, err := server.AddQueue(arn, nil); err != nil {
				t.Errorf("AddQueue: %v", err)
			}
			if i%3 == 0 {
				_, _ = server.Send("q", "x", "y")
			}
			time.Sleep(rand.N(5 * time.Second))
			if _, err := client.DeleteQueue(t.Context(), &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
				t.Errorf("DeleteQueue: %v", err)
			}
			time.Sleep(rand.N(2 * time.Second))
		}
		cancel()
		all.Wait()
	})
}

// TestStressInRealTime closes servers under calls that do not wait, without a
// bubble.
func TestStressInRealTime(t *testing.T) {
	t.Parallel()
	for range 6 {
		closeBusy(t)
	}
}

// closeBusy closes a server once it has had some calls.
func closeBusy(t *testing.T) {
	t.Helper()
	server, url := start(t, nil)
	var sent atomic.Int64
	client := server.Client()
	receive := func(ctx context.Context) {
		for ctx.Err() == nil {
			_, _ = client.ReceiveMessage(ctx, everything(url, 10, 20))
		}
	}
	send := func(ctx context.Context) {
		for ctx.Err() == nil {
			if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &url, MessageBody: &url}); err == nil {
				sent.Add(1)
			}
		}
	}
	busy := make(chan struct{})
	server.SetFault(func(c sqstest.Call) sqstest.Fault {
		if c.Action == "SendMessage" && c.Number == 20 {
			close(busy)
		}
		return sqstest.Fault{}
	})
	wiretest.CloseUnder(t, server, func() { <-busy }, receive, receive, send, send, send)
	if left := int64(len(server.Messages("q"))); left < sent.Load() {
		t.Errorf("%d messages, %d sends were accepted", left, sent.Load())
	}
}
