package sqs_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

var _ sqs.Client = (*awssqs.Client)(nil)

func TestQueueNames_SQS01(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]struct {
		arn  string
		fifo bool
	}{
		standardARN: {arn: standardARN},
		fifoARN:     {arn: fifoARN, fifo: true},
		"orders":    {arn: "orders"},
		"o_-9.fifo": {arn: "o_-9.fifo", fifo: true},
		"https://sqs.eu-west-1.amazonaws.com/123456789012/orders":                       {arn: standardARN},
		"https://sqs.eu-west-1.amazonaws.com/123456789012/orders/":                      {arn: standardARN},
		"https://sqs.us-iso-east-1.c2s.ic.gov/123456789012/a":                           {arn: "arn:aws-iso:sqs:us-iso-east-1:123456789012:a"},
		"https://sqs.us-isob-east-1.sc2s.sgov.gov/123456789012/a":                       {arn: "arn:aws-iso-b:sqs:us-isob-east-1:123456789012:a"},
		"https://sqs.eusc-de-east-1.amazonaws.eu/123456789012/a":                        {arn: "arn:aws-eusc:sqs:eusc-de-east-1:123456789012:a"},
		"http://localhost:4566/000000000000/orders/":                                    {arn: "http://localhost:4566/000000000000/orders"},
		"https://sqs.cn-north-1.amazonaws.com.cn/123456789012/a":                        {arn: "arn:aws-cn:sqs:cn-north-1:123456789012:a"},
		"https://sqs-fips.us-gov-west-1.amazonaws.com/123456789012/a":                   {arn: "arn:aws-us-gov:sqs:us-gov-west-1:123456789012:a"},
		"https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/123456789012/orders.fifo":      {arn: fifoARN, fifo: true},
		"http://localhost:4566/000000000000/orders":                                     {arn: "http://localhost:4566/000000000000/orders"},
		"http://sqs.eu-west-1.localhost.localstack.cloud:4566/000000000000/orders.fifo": {arn: "http://sqs.eu-west-1.localhost.localstack.cloud:4566/000000000000/orders.fifo", fifo: true},
	} {
		source, err := sqs.New(newStub(standardARN), given, sqs.Options{})
		if err != nil {
			t.Errorf("New(%q): %v", given, err)
			continue
		}
		traits := source.Traits()
		if traits.ARN != want.arn || traits.Grouped != want.fifo {
			t.Errorf("New(%q): ARN %q, grouped %t; want %q, %t", given, traits.ARN, traits.Grouped, want.arn, want.fifo)
		}
	}
}

func TestNewNamesEveryViolation(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		queue   string
		options sqs.Options
		want    []string
	}{
		"empty":    {queue: "", want: []string{"queue: is empty"}},
		"name":     {queue: strings.Repeat("a", 80) + "!", want: []string{"81 characters", "at most 80", "character other than"}},
		"no name":  {queue: ".fifo", want: []string{"is empty"}},
		"ARN":      {queue: "arn::sns::12:b c", want: []string{"no partition", `"sns"`, "no region", `"12"`, `"b c"`}},
		"ARN size": {queue: "arn:aws:sqs", want: []string{"3 parts; want 6"}},
		"URL":      {queue: "ftp://user:hush@/q?x=hush", want: []string{`"ftp"`, "no host", "a user"}},
		"bad URL":  {queue: "https://%zz/hush", want: []string{"cannot be parsed"}},
		"times": {
			queue: "orders",
			options: sqs.Options{
				WaitTime: 30500 * time.Millisecond, VisibilityTimeout: 13 * time.Hour,
				FailureBackoff: retry.Backoff{Initial: time.Minute, Max: time.Second},
			},
			want: []string{"WaitTime: 30.5s is not between 1s and 20s", "WaitTime: 30.5s is not a whole", "VisibilityTimeout: 13h0m0s", "FailureBackoff.Max: 1s is less than"},
		},
		"backoff": {
			queue: "orders", options: sqs.Options{FailureBackoff: retry.Backoff{Initial: -1, Max: 13 * time.Hour}},
			want: []string{"FailureBackoff.Initial: -1ns", "FailureBackoff.Max: 13h0m0s"},
		},
		"half": {
			queue: "orders", options: sqs.Options{FailureBackoff: retry.Backoff{Max: time.Hour}},
			want: []string{"FailureBackoff.Initial: is 0s"},
		},
	} {
		_, err := sqs.New(nil, test.queue, test.options)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range append(test.want, "client: is nil") {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %q does not say %q", name, err, want)
			}
		}
		if strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %q tells a secret", name, err)
		}
	}
	_, err := sqs.New((*awssqs.Client)(nil), "orders", sqs.Options{})
	if err == nil {
		t.Error("typed nil client: no error")
	}
}

// Traits (SQS-06, SQS-08, SQS-20, SQS-33).
func TestTraits(t *testing.T) {
	t.Parallel()
	standard := newSource(t, newStub(standardARN), sqs.Options{}).Traits()
	fifo := newSource(t, newStub(fifoARN), sqs.Options{}).Traits()
	want := sources.Traits{
		EventSource: "aws:sqs", ARN: standardARN, Redelivers: true,
		BatchSize: sources.Bounds[int]{Default: 10, Max: 10000}, UnwindowedBatchSize: 10,
		Window: sources.Bounds[time.Duration]{Max: 300 * time.Second}, MaxTimeout: 900 * time.Second,
		EventOverhead: 13, Scaling: sources.Scaling{Initial: 5, Idle: 2, Max: 1250, PerMinute: 300},
		Provisioned: standard.Provisioned,
		RecordBytes: standard.RecordBytes, MaxRecordBytes: 1<<20 + standard.RecordBytes,
		AckBatch: 10, AckLinger: 20 * time.Millisecond,
	}
	if standard.RecordBytes < 1<<10 || standard.RecordBytes > 4<<10 {
		t.Errorf("a record takes %d bytes besides its size", standard.RecordBytes)
	}
	if standard != want {
		t.Errorf("standard: %+v, want %+v", standard, want)
	}
	want.ARN, want.Grouped, want.BatchSize.Max, want.Window.Max, want.AckLinger = fifoARN, true, 10, 0, 0
	if fifo != want {
		t.Errorf("FIFO: %+v, want %+v", fifo, want)
	}
}

func TestAcceptBeforeStart(t *testing.T) {
	t.Parallel()
	_, err := newSource(t, newStub(standardARN), sqs.Options{}).Accept(t.Context())
	if !errors.Is(err, sources.ErrUnusable) {
		t.Errorf("got %v, want ErrUnusable", err)
	}
}
