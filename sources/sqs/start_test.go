package sqs_test

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

// Start refusals (API-64, API-77, SQS-03).
func TestStartRefusals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		queue      string // default its ARN
		op, code   string
		attributes map[string]string
		timeout    time.Duration
		options    sqs.Options
		usable     bool // the error may pass
		want       string
	}{
		"missing":        {queue: "orders", op: "GetQueueUrl", code: "AWS.SimpleQueueService.NonExistentQueue", want: "the specified queue does not exist"},
		"missing later":  {op: "GetQueueAttributes", code: "QueueDoesNotExist", want: "the specified queue does not exist"},
		"denied":         {op: "GetQueueAttributes", code: "AccessDenied", want: "sqs:GetQueueAttributes"},
		"throttled":      {op: "GetQueueAttributes", code: "RequestThrottled", usable: true, want: "RequestThrottled"},
		"expired token":  {op: "GetQueueUrl", code: "ExpiredToken", usable: true, want: "ExpiredToken"},
		"unknown key":    {op: "GetQueueUrl", code: "InvalidClientTokenId", want: "correct the client's credentials"},
		"server":         {op: "GetQueueUrl", code: "InternalFailure", usable: true, want: "InternalFailure"},
		"timeout":        {timeout: 31 * time.Second, want: "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds (raise "},
		"override":       {options: sqs.Options{VisibilityTimeout: 2 * time.Second}, want: "2 seconds is less than Function timeout: 3 seconds"},
		"no visibility":  {attributes: map[string]string{"VisibilityTimeout": "0"}, want: "VisibilityTimeout: 0"},
		"KMS":            {op: "GetQueueAttributes", code: "KMS.AccessDeniedException", usable: true, want: "kms:Decrypt"},
		"odd visibility": {attributes: map[string]string{"VisibilityTimeout": "x"}, usable: true, want: "is not a number"},
		"no attributes":  {attributes: map[string]string{}, usable: true, want: "the answer has no VisibilityTimeout"},
		"other region": {
			attributes: map[string]string{"VisibilityTimeout": "30", "QueueArn": strings.Replace(standardARN, "west", "north", 1)},
			want:       "eu-north-1",
		},
	} {
		s := newStub(standardARN)
		s.attributes = test.attributes
		s.before = func(op string) error {
			if op == test.op {
				return apiError(test.code)
			}
			return nil
		}
		source, err := sqs.New(s, cmp.Or(test.queue, s.arn), test.options)
		if err != nil {
			t.Fatal(err)
		}
		err = source.Start(t.Context(), sources.Settings{BatchSize: 10, Timeout: max(test.timeout, settings.Timeout)})
		if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, sources.ErrUnusable) == test.usable {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %q tells a secret", name, err)
		}
	}
}

// Lambda does without sqs:GetQueueUrl (SQS-03), and so does an ARN. The service says
// to such callers that access is denied, or that there is no such queue.
func TestStartWithoutGetQueueURL_SQS03(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"AccessDenied", "AWS.SimpleQueueService.NonExistentQueue"} {
		for arn, want := range map[string]string{
			standardARN: "https://sqs.eu-west-1.amazonaws.com/123456789012/orders",
			"arn:aws-cn:sqs:cn-north-1:123456789012:orders":         "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders",
			"arn:aws-us-gov:sqs:us-gov-west-1:123456789012:orders":  "https://sqs.us-gov-west-1.amazonaws.com/123456789012/orders",
			"arn:aws-iso:sqs:us-iso-east-1:123456789012:orders":     "https://sqs.us-iso-east-1.c2s.ic.gov/123456789012/orders",
			"arn:aws-iso-b:sqs:us-isob-east-1:123456789012:orders":  "https://sqs.us-isob-east-1.sc2s.sgov.gov/123456789012/orders",
			"arn:aws-iso-e:sqs:eu-isoe-west-1:123456789012:orders":  "https://sqs.eu-isoe-west-1.cloud.adc-e.uk/123456789012/orders",
			"arn:aws-iso-f:sqs:us-isof-south-1:123456789012:orders": "https://sqs.us-isof-south-1.csp.hci.ic.gov/123456789012/orders",
			"arn:aws-eusc:sqs:eusc-de-east-1:123456789012:orders":   "https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/orders",
			"arn:aws-iso:sqs:a-new-region:123456789012:orders":      "https://sqs.a-new-region.c2s.ic.gov/123456789012/orders",
		} {
			s := newStub(arn)
			s.before = func(op string) error {
				if op == "GetQueueUrl" {
					return apiError(code)
				}
				return nil
			}
			s.send("a")
			_, p := open(t, s, sqs.Options{})
			fetch(t, p, 10, 0)
			closePartition(t, p)
			if got := *s.log("ReceiveMessage")[0].receive.QueueUrl; got != want {
				t.Errorf("%s: URL %q, want %q", code, got, want)
			}
		}
	}
}

func TestStartAgainAfterFault(t *testing.T) {
	t.Parallel()
	s := newStub(standardARN)
	fault := apiError("ServiceUnavailable")
	s.before = func(string) error { return fault }
	source := newSource(t, s, sqs.Options{})
	err := source.Start(t.Context(), settings)
	if !errors.Is(err, fault) {
		t.Errorf("got %v, want the service's error", err)
	}
	fault = nil
	err = source.Start(t.Context(), settings)
	if err != nil {
		t.Errorf("second Start: %v", err)
	}
	if got := s.log("GetQueueUrl")[1].handles; got[0] != "orders" || got[1] != "123456789012" {
		t.Errorf("asked for the URL of %q", got)
	}
	if s.retries {
		t.Error("the SDK may retry")
	}
}

func TestStartWithHeartbeatTakesLongTimeout(t *testing.T) {
	t.Parallel()
	err := newSource(t, newStub(standardARN), sqs.Options{Heartbeat: true}).
		Start(t.Context(), sources.Settings{BatchSize: 10, Timeout: 15 * time.Minute})
	if err != nil {
		t.Error(err)
	}
}

// Every receive sends the visibility timeout that the mapping counts with: long
// enough to be received, gathered, handled and, after the record has expired, deleted. It
// does not matter what the queue's own becomes (SQS-40, SQS-43).
func TestVisibilityIsWhatTheMappingCountsWith(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		window, timeout, wait time.Duration
		own                   time.Duration // as an option; the queue's is 60 s
		heartbeat             bool
		sent                  int32
		expires               time.Duration
	}{
		{timeout: 3 * time.Second, sent: 60, expires: 45 * time.Second},
		{timeout: 20 * time.Second, sent: 65, expires: 50 * time.Second},
		{timeout: 60 * time.Second, sent: 105, expires: 90 * time.Second},
		{timeout: 60 * time.Second, wait: time.Second, sent: 86, expires: 71 * time.Second},
		{window: 5 * time.Minute, timeout: 60 * time.Second, sent: 405, expires: 390 * time.Second},
		{timeout: 3500 * time.Millisecond, own: 4 * time.Second, sent: 49, expires: 34 * time.Second},
		{timeout: 3 * time.Second, own: 12 * time.Hour, sent: 43_200, expires: 12*time.Hour - 15*time.Second},
		{window: 5 * time.Minute, timeout: time.Minute, heartbeat: true, sent: 60, expires: 390 * time.Second},
		{timeout: 3 * time.Second, heartbeat: true, sent: 60, expires: 45 * time.Second},
		{timeout: 3 * time.Second, own: 12 * time.Hour, heartbeat: true, sent: 43_200, expires: 12*time.Hour - 15*time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStub(standardARN)
			s.visibility = time.Minute
			s.send("a")
			source := newSource(t, s, sqs.Options{WaitTime: test.wait, VisibilityTimeout: test.own, Heartbeat: test.heartbeat})
			err := source.Start(t.Context(), sources.Settings{BatchSize: 10, Window: test.window, Timeout: test.timeout})
			if err != nil {
				t.Fatal(err)
			}
			p, err := source.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s.before = func(op string) error { // the answer comes late
				if op == "ReceiveMessage" {
					time.Sleep(800 * time.Millisecond)
				}
				return nil
			}
			began := time.Now()
			records := fetch(t, p, 10, 0)
			closePartition(t, p)
			if got := s.log("ReceiveMessage")[0].receive.VisibilityTimeout; got != test.sent {
				t.Errorf("%+v: received with %d s", test, got)
			}
			if got := records[0].Expires.Sub(began); got != test.expires {
				t.Errorf("%+v: expires %v after the receive was sent", test, got)
			}
		})
	}
}

// Advice (SQS-42, SQS-51).
func TestAdvice(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	s := newStub(standardARN)
	source := newSource(t, s, sqs.Options{})
	err := source.Start(t.Context(), sources.Settings{
		BatchSize: 10, Timeout: 6 * time.Second, Logger: slog.New(slog.NewTextHandler(&text, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}

	// The mapping's logger is the default.
	for _, want := range []string{"no redrive policy", "six times"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q does not say %q", text.String(), want)
		}
	}
}

func TestAcceptOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		source, p := open(t, newStub(standardARN), sqs.Options{})
		if p.ID() != "orders" {
			t.Errorf("ID %q", p.ID())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		_, err := source.Accept(ctx)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("second Accept: %v", err)
		}
		closePartition(t, p)
		err = source.Close(t.Context())
		if err != nil {
			t.Error(err)
		}
	})
}
