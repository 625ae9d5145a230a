package sqs_test

import (
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

func TestStartRefusals_API64_API77_SQS03(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		op, code   string
		attributes map[string]string
		timeout    time.Duration
		options    sqs.Options
		usable     bool // the error may pass
		want       string
	}{
		"missing":        {op: "GetQueueUrl", code: "AWS.SimpleQueueService.NonExistentQueue", want: "the specified queue does not exist"},
		"missing later":  {op: "GetQueueAttributes", code: "QueueDoesNotExist", want: "the specified queue does not exist"},
		"denied":         {op: "GetQueueAttributes", code: "AccessDenied", want: "sqs:GetQueueAttributes"},
		"throttled":      {op: "GetQueueAttributes", code: "RequestThrottled", usable: true, want: "RequestThrottled"},
		"expired token":  {op: "GetQueueUrl", code: "ExpiredToken", usable: true, want: "ExpiredToken"},
		"server":         {op: "GetQueueUrl", code: "InternalFailure", usable: true, want: "InternalFailure"},
		"timeout":        {timeout: 31 * time.Second, want: "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"},
		"override":       {options: sqs.Options{VisibilityTimeout: 2 * time.Second}, want: "2 seconds is less than Function timeout: 3 seconds"},
		"no visibility":  {attributes: map[string]string{"VisibilityTimeout": "0"}, want: "VisibilityTimeout: 0"},
		"odd visibility": {attributes: map[string]string{}, want: "is not a number"},
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

		err := newSource(t, s, test.options).Start(t.Context(),
			sources.Settings{BatchSize: 10, Timeout: max(test.timeout, settings.Timeout)})
		if err == nil || !strings.Contains(err.Error(), test.want) || errors.Is(err, sources.ErrUnusable) == test.usable {
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}

		if strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %q tells a secret", name, err)
		}
	}
}

// Lambda does without sqs:GetQueueUrl (SQS-03), and so does an ARN.
func TestStartWithoutGetQueueURL_SQS03(t *testing.T) {
	t.Parallel()

	s := newStub(standardARN)
	s.before = func(op string) error {
		if op == "GetQueueUrl" {
			return apiError("AccessDenied")
		}

		return nil
	}
	s.send("a")

	_, p := open(t, s, sqs.Options{})
	defer closePartition(t, p)

	fetch(t, p, 10, 0)

	got := *s.log("ReceiveMessage")[0].receive.QueueUrl
	if want := "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"; got != want {
		t.Errorf("URL %q, want %q", got, want)
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

func TestWindowLengthensVisibility_SQS43(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		window time.Duration
		want   int32
	}{{0, 0}, {27 * time.Second, 0}, {28 * time.Second, 61}} {
		s := newStub(standardARN)
		s.send("a")
		source := newSource(t, s, sqs.Options{})

		err := source.Start(t.Context(), sources.Settings{BatchSize: 10, Window: test.window, Timeout: 3 * time.Second})
		if err != nil {
			t.Fatal(err)
		}

		p, err := source.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}

		fetch(t, p, 10, 0)
		closePartition(t, p)

		if got := s.log("ReceiveMessage")[0].receive.VisibilityTimeout; got != test.want {
			t.Errorf("window %v: received with %d s, want %d", test.window, got, test.want)
		}
	}
}

func TestAdvice_SQS42_SQS51(t *testing.T) {
	t.Parallel()

	var text strings.Builder

	s := newStub(standardARN)
	source := newSource(t, s, sqs.Options{Logger: slog.New(slog.NewTextHandler(&text, nil))})

	err := source.Start(t.Context(), sources.Settings{BatchSize: 10, Timeout: 6 * time.Second})
	if err != nil {
		t.Fatal(err)
	}

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
