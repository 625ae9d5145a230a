package kinesis_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// fail has every call of an action fail.
func fail(action string, err *kinesistest.Error) func(kinesistest.Call) kinesistest.Fault {
	return func(c kinesistest.Call) kinesistest.Fault {
		if c.Action == action {
			return kinesistest.Fault{Err: err}
		}
		return kinesistest.Fault{}
	}
}

// start starts a source, and returns how long that took.
func (f *fan) start(s *kinesis.Source) (time.Duration, error) {
	began := time.Now()
	err := s.Start(f.t.Context(), sources.Settings{})
	f.t.Cleanup(func() { _ = s.Close(context.Background()) })
	return time.Since(began), err
}

// A consumer that does not exist is registered, waited for, and left there.
func TestConsumerIsRegistered_KIN89(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		s, p := f.open(kinesis.Options{})
		f.put(1, 1)
		f.want(p, 0, 1)
		f.shut(s, p)
		s, p = f.open(kinesis.Options{})
		f.want(p, 0, 1)
		f.shut(s, p)
		if n, m := f.Calls("RegisterStreamConsumer"), f.Calls("DeregisterStreamConsumer"); n != 1 || m != 0 {
			t.Errorf("registered %d times, deregistered %d times", n, m)
		}
	})
}

func TestConsumerRegisteredBySomebodyElse_KIN89(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(_ *testing.T, f *fan) {
		f.turn(func(c kinesistest.Call) kinesistest.Fault {
			if c.Action == "RegisterStreamConsumer" && c.Consumer == "reader" {
				go func() { _, _ = f.AddConsumer(telemetry, "reader") }()
				return kinesistest.Fault{Err: kinesistest.ResourceInUse(), Delay: time.Millisecond}
			}
			return kinesistest.Fault{}
		})
		s, p := f.open(kinesis.Options{})
		f.put(1, 1)
		f.want(p, 0, 1)
		f.shut(s, p)
	})
}

// A consumer that was registered need not be seen at once.
func TestConsumerIsSeenLate_KIN89(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.turn(func(c kinesistest.Call) kinesistest.Fault {
			if c.Action == "DescribeStreamConsumer" && c.Number < 5 {
				return kinesistest.Fault{Err: kinesistest.ResourceNotFound()}
			}
			return kinesistest.Fault{}
		})
		s, p := f.open(kinesis.Options{})
		f.shut(s, p)
		if n := f.Calls("RegisterStreamConsumer"); n != 1 {
			t.Errorf("registered %d times", n)
		}
	})
}

func TestConsumerErrors_KIN89(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		action   string
		err      *kinesistest.Error
		unusable bool
	}{
		"too many":            {"RegisterStreamConsumer", kinesistest.LimitExceeded(), false},
		"may not be made":     {"RegisterStreamConsumer", kinesistest.AccessDenied(), true},
		"may not be seen":     {"DescribeStreamConsumer", kinesistest.AccessDenied(), true},
		"cannot be seen":      {"DescribeStreamConsumer", kinesistest.InternalFailure(), false},
		"cannot be seen soon": {"DescribeStreamConsumer", kinesistest.LimitExceeded(), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				f.turn(fail(c.action, c.err))
				s := f.source(kinesis.Options{})
				took, err := f.start(s)
				if err == nil || errors.Is(err, sources.ErrUnusable) != c.unusable || took > time.Minute {
					t.Errorf("Start: %v after %v", err, took)
				}
				if text := fmt.Sprint(err); !strings.Contains(text, c.action+" on consumer reader of stream telemetry") ||
					c.unusable && !strings.Contains(text, "kinesis:"+c.action) {
					t.Errorf("Start: %s", text)
				}
				f.turn(nil)
				err = s.Start(t.Context(), sources.Settings{})
				if err != nil {
					t.Errorf("Start again: %v", err)
				}
			})
		})
	}
}

// stuck is a client whose consumers never become active.
type stuck struct{ *awskinesis.Client }

func (c stuck) DescribeStreamConsumer(
	ctx context.Context, in *awskinesis.DescribeStreamConsumerInput, options ...func(*awskinesis.Options),
) (*awskinesis.DescribeStreamConsumerOutput, error) {
	out, err := c.Client.DescribeStreamConsumer(ctx, in, options...)
	if err == nil {
		out.ConsumerDescription.ConsumerStatus = types.ConsumerStatusCreating
	}
	return out, err
}

// Start comes to an end by itself, and by its context.
func TestConsumerNeverActive_KIN89(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		s, err := kinesis.New(stuck{f.api}, telemetry, f.store, kinesis.Options{ConsumerName: "reader"})
		if err != nil {
			t.Fatal(err)
		}
		took, err := f.start(s)
		if err == nil || errors.Is(err, sources.ErrUnusable) || took > 2*time.Minute || took < 20*time.Second ||
			!strings.Contains(err.Error(), `consumer reader of stream telemetry: is "CREATING", want ACTIVE`) {
			t.Errorf("Start: %v after %v", err, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		err = s.Start(ctx, sources.Settings{})
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 5*time.Second {
			t.Errorf("Start: %v after %v", err, time.Since(began))
		}
	})
}

// Consumer by ARN (KIN-01, KIN-90, KIN-92).
func TestConsumerByARN(t *testing.T) {
	t.Parallel()
	for name, weather := range map[string]func(kinesistest.Call) kinesistest.Fault{
		"plain": nil, "may not be seen": fail("DescribeStreamConsumer", kinesistest.AccessDenied()),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				f.turn(weather)
				consumer, err := f.AddConsumer(telemetry, "reader")
				if err != nil {
					t.Fatal(err)
				}
				s, err := kinesis.New(f.api, consumer, f.store, kinesis.Options{})
				if err != nil {
					t.Fatal(err)
				}
				if took, err := f.start(s); err != nil || took > 0 {
					t.Fatalf("Start: %v after %v", err, took)
				}
				p, err := s.Accept(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				f.put(1, 1)
				records := f.want(p, 0, 1)
				document := string(s.AppendEvent(nil, p.ID(), records))
				if !strings.Contains(document, `"eventSourceARN":"`+consumer+`"`) || s.Traits().ARN != consumer {
					t.Errorf("event document %s", document)
				}
				if n := f.Calls("GetRecords") + f.Calls("RegisterStreamConsumer"); n > 0 {
					t.Errorf("%d calls of the other kind", n)
				}
				_ = p.Close(t.Context())
			})
		})
	}
}

func TestConsumerGone_KIN90(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		s, err := kinesis.New(f.api, telemetry+"/consumer/reader:1", f.store, kinesis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.start(s)
		if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "reader:1 does not exist") {
			t.Errorf("Start: %v", err)
		}
	})
}

// A consumer that is deregistered while it is read is told of, and does not end the
// shard (KIN-88, KIN-90).
func TestConsumerIsDeregistered(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		s, p := f.open(kinesis.Options{})
		f.none(p, time.Second)
		_, err := f.api.DeregisterStreamConsumer(t.Context(), &awskinesis.DeregisterStreamConsumerInput{
			StreamARN: new(telemetry), ConsumerName: new("reader"),
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			_, err := f.take(p, 1, 10*time.Minute)
			if awscall.Code(err) != "ResourceNotFoundException" || !strings.Contains(err.Error(), "/consumer/reader:") {
				t.Errorf("got %v", err)
			}
		}
		f.apart()
		f.shut(s, p)
	})
}

// sharedClient is a client for shared throughput alone.
type sharedClient struct{ kinesis.Client }

func TestNewFanOut(t *testing.T) {
	t.Parallel()
	const consumer = telemetry + "/consumer/reader:1"
	for name, c := range map[string]struct {
		client kinesis.Client
		arn    string
		name   string
		want   string
	}{
		"by name":       {new(awskinesis.Client), telemetry, "reader", ""},
		"by ARN":        {new(awskinesis.Client), consumer, "", ""},
		"shared":        {sharedClient{}, telemetry, "", ""},
		"both":          {new(awskinesis.Client), consumer, "reader", "give one of them"},
		"bad name":      {new(awskinesis.Client), telemetry, "a b", `ConsumerName: "a b" is not`},
		"long name":     {new(awskinesis.Client), telemetry, strings.Repeat("a", 129), "is not 1 to 128"},
		"unable":        {sharedClient{}, telemetry, "reader", "client: is no FanOutClient"},
		"unable by ARN": {sharedClient{}, consumer, "", "client: is no FanOutClient"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := kinesis.New(c.client, c.arn, checkpoint.NewMemory(), kinesis.Options{ConsumerName: c.name})
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestConsumerThatCouldBeSeenIsWaitedFor denies the description of a consumer after one
// that was answered, in the same start (P9).
func TestConsumerThatCouldBeSeenIsWaitedFor(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		describes := 0
		f.turn(func(c kinesistest.Call) kinesistest.Fault {
			if c.Action != "DescribeStreamConsumer" {
				return kinesistest.Fault{}
			}
			if describes++; describes > 2 { // the first two say that there is none, and that it is being made
				return kinesistest.Fault{Err: kinesistest.AccessDenied()}
			}
			return kinesistest.Fault{}
		})
		s := f.source(kinesis.Options{})
		_, err := f.start(s)
		if err == nil || errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "AccessDeniedException") {
			t.Errorf("Start: %v, want a denial that may pass", err)
		}
		f.turn(nil)
		err = s.Start(t.Context(), sources.Settings{})
		if err != nil {
			t.Errorf("Start again: %v", err)
		}
	})
}
