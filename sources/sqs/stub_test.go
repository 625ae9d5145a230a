package sqs_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
)

const (
	standardARN = "arn:aws:sqs:eu-west-1:123456789012:orders"
	fifoARN     = "arn:aws:sqs:eu-west-1:123456789012:orders.fifo"
	secret      = "AQEB-secret-handle"
)

// stub is a queue behind the narrow client, with a log of calls and a hook for
// faults before and after a call's effect.
type stub struct {
	mu         sync.Mutex
	arn        string
	visibility time.Duration
	attributes map[string]string
	messages   []*stored
	handles    int
	calls      []call
	retries    bool

	before func(op string) error                                              // instead of the call
	after  func(op string) error                                              // the call took effect
	entry  func(op string, i int, handle string) *types.BatchResultErrorEntry // instead of the entry's effect
	forget bool                                                               // batch answers mention nothing
	empty  bool                                                               // receives answer at once
}

type stored struct {
	id, body, group string
	handle          string
	receives        int
	hidden          time.Time
	deleted         bool
}

type call struct {
	op      string
	receive *awssqs.ReceiveMessageInput
	handles []string
	seconds []int32
}

func newStub(arn string) *stub { return &stub{arn: arn, visibility: 30 * time.Second} }

func apiError(code string) error {
	return &smithy.GenericAPIError{Code: code, Message: "about " + secret}
}

func (s *stub) send(bodies ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, body := range bodies {
		group, _, _ := strings.Cut(body, ":")
		s.messages = append(s.messages, &stored{id: "id-" + body, body: body, group: group})
	}
}

// state of a message: visible, hidden or deleted.
func (s *stub) state(body string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.messages {
		switch {
		case m.body != body:
		case m.deleted:
			return "deleted"
		case m.hidden.After(time.Now()):
			return "hidden"
		default:
			return "visible"
		}
	}
	return "unknown"
}

func (s *stub) log(op string) []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	var calls []call
	for _, c := range s.calls {
		if c.op == op {
			calls = append(calls, c)
		}
	}
	return calls
}

func (s *stub) begin(c call, options []func(*awssqs.Options)) error {
	var o awssqs.Options
	for _, f := range options {
		f(&o)
	}
	s.mu.Lock()
	if o.Retryer == nil || o.Retryer.MaxAttempts() != 1 || o.RetryMaxAttempts > 1 {
		s.retries = true
	}
	s.calls = append(s.calls, c)
	hook := s.before
	s.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(c.op)
}

func (s *stub) end(op string) error {
	s.mu.Lock()
	hook := s.after
	s.mu.Unlock()
	if hook == nil {
		return nil
	}
	return hook(op)
}

func (s *stub) ReceiveMessage(ctx context.Context, in *awssqs.ReceiveMessageInput,
	options ...func(*awssqs.Options),
) (*awssqs.ReceiveMessageOutput, error) {
	kept := *in // the adapter uses its input again
	err := s.begin(call{op: "ReceiveMessage", receive: &kept}, options)
	if err != nil {
		return nil, err
	}
	until := time.Now().Add(time.Duration(in.WaitTimeSeconds) * time.Second)
	for {
		messages := s.grab(in)
		if len(messages) > 0 || s.empty || !time.Now().Before(until) {
			return &awssqs.ReceiveMessageOutput{Messages: messages}, s.end("ReceiveMessage")
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func (s *stub) grab(in *awssqs.ReceiveMessageInput) []types.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	visibility := s.visibility
	if in.VisibilityTimeout > 0 {
		visibility = time.Duration(in.VisibilityTimeout) * time.Second
	}
	blocked := map[string]bool{}
	if strings.HasSuffix(s.arn, ".fifo") {
		for _, m := range s.messages {
			blocked[m.group] = blocked[m.group] || !m.deleted && m.hidden.After(now)
		}
	}
	var out []types.Message
	for _, m := range s.messages {
		if len(out) == int(in.MaxNumberOfMessages) || m.deleted || m.hidden.After(now) || blocked[m.group] {
			continue
		}
		s.handles++
		m.receives++
		m.hidden, m.handle = now.Add(visibility), fmt.Sprintf("%s-%d", secret, s.handles)
		out = append(out, types.Message{
			MessageId: &m.id, Body: &m.body, ReceiptHandle: aws.String(m.handle), MD5OfBody: aws.String("md5"),
			Attributes: map[string]string{
				"ApproximateReceiveCount": strconv.Itoa(m.receives), "SentTimestamp": "1763900000123",
				"MessageGroupId": m.group,
			},
		})
	}
	return out
}

func (s *stub) DeleteMessageBatch(_ context.Context, in *awssqs.DeleteMessageBatchInput,
	options ...func(*awssqs.Options),
) (*awssqs.DeleteMessageBatchOutput, error) {
	const op = "DeleteMessageBatch"
	c := call{op: op}
	for _, e := range in.Entries {
		c.handles = append(c.handles, *e.ReceiptHandle)
	}
	err := s.begin(c, options)
	if err != nil {
		return nil, err
	}
	out := new(awssqs.DeleteMessageBatchOutput)
	for i, e := range in.Entries {
		failed := s.effect(op, i, *e.ReceiptHandle, func(m *stored) { m.deleted = true })
		switch {
		case s.forget:
		case failed != nil:
			failed.Id = e.Id
			out.Failed = append(out.Failed, *failed)
		default:
			out.Successful = append(out.Successful, types.DeleteMessageBatchResultEntry{Id: e.Id})
		}
	}
	return out, s.end(op)
}

func (s *stub) ChangeMessageVisibilityBatch(_ context.Context, in *awssqs.ChangeMessageVisibilityBatchInput,
	options ...func(*awssqs.Options),
) (*awssqs.ChangeMessageVisibilityBatchOutput, error) {
	const op = "ChangeMessageVisibilityBatch"
	c := call{op: op}
	for _, e := range in.Entries {
		c.handles = append(c.handles, *e.ReceiptHandle)
		c.seconds = append(c.seconds, e.VisibilityTimeout)
	}
	err := s.begin(c, options)
	if err != nil {
		return nil, err
	}
	out := new(awssqs.ChangeMessageVisibilityBatchOutput)
	for i, e := range in.Entries {
		failed := s.effect(op, i, *e.ReceiptHandle, func(m *stored) {
			m.hidden = time.Now().Add(time.Duration(e.VisibilityTimeout) * time.Second)
		})
		if failed != nil {
			failed.Id = e.Id
			out.Failed = append(out.Failed, *failed)
		} else {
			out.Successful = append(out.Successful, types.ChangeMessageVisibilityBatchResultEntry{Id: e.Id})
		}
	}
	return out, s.end(op)
}

func (s *stub) effect(op string, i int, handle string, do func(*stored)) *types.BatchResultErrorEntry {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.entry != nil {
		if failed := s.entry(op, i, handle); failed != nil {
			return failed
		}
	}
	for _, m := range s.messages {
		if m.handle == handle {
			do(m)
		}
	}
	return nil
}

func (s *stub) GetQueueAttributes(_ context.Context, _ *awssqs.GetQueueAttributesInput,
	options ...func(*awssqs.Options),
) (*awssqs.GetQueueAttributesOutput, error) {
	err := s.begin(call{op: "GetQueueAttributes"}, options)
	if err != nil {
		return nil, err
	}
	attributes := s.attributes
	if attributes == nil {
		attributes = map[string]string{
			"VisibilityTimeout": strconv.Itoa(int(s.visibility / time.Second)),
			"QueueArn":          s.arn,
		}
	}
	return &awssqs.GetQueueAttributesOutput{Attributes: attributes}, nil
}

//nolint:revive // the SDK's spelling
func (s *stub) GetQueueUrl(_ context.Context, in *awssqs.GetQueueUrlInput,
	options ...func(*awssqs.Options),
) (*awssqs.GetQueueUrlOutput, error) {
	err := s.begin(call{op: "GetQueueUrl", handles: []string{*in.QueueName, aws.ToString(in.QueueOwnerAWSAccountId)}}, options)
	if err != nil {
		return nil, err
	}
	return &awssqs.GetQueueUrlOutput{QueueUrl: aws.String("http://sqs.test/123456789012/" + *in.QueueName)}, nil
}
