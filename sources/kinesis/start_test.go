package kinesis_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// New names every violation (KIN-01, KIN-02, KIN-03).
func TestNewNamesEveryViolation(t *testing.T) {
	t.Parallel()
	_, err := kinesis.New((*awskinesis.Client)(nil), "arn:aws:sqs:eu-west-1:123456789012:orders", nil, kinesis.Options{
		StartingPosition: 7, StartingPositionTimestamp: time.Now().Add(time.Hour), Worker: "\xff",
		LeaseDuration: time.Millisecond, MaxShards: -1, ListInterval: -1, IdleInterval: -1, HandoverTimeout: 2 * time.Hour,
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"client: is nil", "store: is nil", `of service "sqs"`, "StartingPosition: 7", "is set, which only AtTimestamp takes",
		"is in the future", "Worker:", "LeaseDuration: 1ms is shorter than 100ms", "MaxShards: -1 is negative",
		"ListInterval: -1ns is shorter than 1s", "IdleInterval: -1ns is negative",
		"HandoverTimeout: 2h0m0s is longer than an hour",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not tell of %q", err, want)
		}
	}
	for _, arn := range []string{
		"", "tele metry", strings.Repeat("x", 129), "arn:aws:kinesis:eu-west-1:123456789012:stream/", "arn:aws:kinesis::123456789012:stream/a",
		"arn:aws:kinesis:eu-west-1::stream/a", "arn:aws:kinesis:eu-west-1:123456789012:stream/a/consumer/",
		"arn:aws:kinesis:eu-west-1:123456789012:stream/a/b",
	} {
		_, err := kinesis.New(new(awskinesis.Client), arn, checkpoint.NewMemory(), kinesis.Options{})
		if err == nil {
			t.Errorf("%q is taken for a stream", arn)
		}
	}
	_, err = kinesis.New(new(awskinesis.Client), telemetry, checkpoint.NewMemory(), kinesis.Options{StartingPosition: kinesis.AtTimestamp})
	if err == nil || !strings.Contains(err.Error(), "StartingPositionTimestamp: is not set") {
		t.Errorf("%v: does not tell that the timestamp is missing", err)
	}
}

func TestStartRefusals_KIN15(t *testing.T) {
	t.Parallel()
	const secret = "arn:aws:iam::123456789012:user/mallory" // as a message of the service may have
	denied := &kinesistest.Error{Status: http.StatusBadRequest, Type: "AccessDeniedException", Message: secret}
	for name, test := range map[string]struct {
		fault    kinesistest.Fault
		unusable bool
		want     string
	}{
		"missing": {kinesistest.Fault{Err: kinesistest.ResourceNotFound()}, true, "Stream not found: " + telemetry},
		"denied":  {kinesistest.Fault{Err: denied}, true, "lacks the permission kinesis:DescribeStreamSummary"},
		"unknown key": {
			kinesistest.Fault{Err: &kinesistest.Error{Status: http.StatusBadRequest, Type: "UnrecognizedClientException", Message: secret}},
			true, "correct the client's credentials",
		},
		"throttled": {kinesistest.Fault{Err: kinesistest.LimitExceeded()}, false, "LimitExceededException"},
		"cut":       {kinesistest.Fault{Cut: kinesistest.CutAfter}, false, "DescribeStreamSummary on stream telemetry"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.Inject("DescribeStreamSummary", test.fault)
				s := w.source(kinesis.Options{})
				_, err := s.Accept(t.Context())
				if !errors.Is(err, sources.ErrUnusable) {
					t.Errorf("Accept before Start: %v", err)
				}
				err = s.Start(t.Context(), sources.Settings{})
				if err == nil || errors.Is(err, sources.ErrUnusable) != test.unusable || !strings.Contains(err.Error(), test.want) ||
					strings.Contains(err.Error(), secret) {
					t.Errorf("got %v, want %q, unusable %t", err, test.want, test.unusable)
				}
				for range 2 {
					err = s.Start(t.Context(), sources.Settings{})
					if err != nil {
						t.Errorf("Start again: %v", err)
					}
				}
				err = s.Close(t.Context())
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// Error texts (KIN-33, P13).
func TestErrorTexts(t *testing.T) {
	t.Parallel()
	for code, want := range map[string]string{
		"AccessDeniedException":    "the caller lacks the permission kinesis:GetRecords",
		"KMSAccessDeniedException": "the caller lacks the permission kms:Decrypt",
		"KMSDisabledException":     "KMSDisabledException",
	} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			p := w.open(kinesis.Options{})
			defer p.close()
			w.Inject("GetRecords", kinesistest.Fault{Err: &kinesistest.Error{Status: 400, Type: code, Message: "secret"}})
			_, err := p.Fetch(t.Context(), make([]sources.Record, 1), time.Minute)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") ||
				!strings.Contains(err.Error(), "GetRecords on shard "+firstShard+" of stream telemetry") {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

// TestLatestIsPinned has a restart before the first record (KIN-49, KIN-50, KIN-69).
func TestLatestIsPinned(t *testing.T) {
	t.Parallel()
	inWorld(t, 2, func(_ *testing.T, w *world) {
		options := kinesis.Options{StartingPosition: kinesis.Latest, MaxShards: 1}
		w.send("k", "old")
		time.Sleep(time.Minute)
		p := w.open(options)
		p.nothing(5 * time.Second)
		p.close()
		time.Sleep(time.Hour)
		err := w.PutRecords(telemetry, []kinesistest.Record{
			{Key: "k", HashKey: w.Shards(telemetry)[0].From, Data: []byte("new " + firstShard)},
			{Key: "k", HashKey: w.Shards(telemetry)[1].From, Data: []byte("new shardId-000000000001")},
		})
		if err != nil {
			w.t.Fatal(err)
		}
		time.Sleep(time.Hour)
		p = w.open(options)
		p.want("new " + p.ID())
		p.close()
	})
}

// spying is a client that notes from when iterators are asked for.
type spying struct {
	*awskinesis.Client

	mu    sync.Mutex
	asked []time.Time
}

func (c *spying) GetShardIterator(
	ctx context.Context, in *awskinesis.GetShardIteratorInput, options ...func(*awskinesis.Options),
) (*awskinesis.GetShardIteratorOutput, error) {
	c.mu.Lock()
	if in.ShardIteratorType == types.ShardIteratorTypeAtTimestamp {
		c.asked = append(c.asked, *in.Timestamp)
	}
	c.mu.Unlock()
	return c.Client.GetShardIterator(ctx, in, options...)
}

// dated is a transport whose answers come from a server with another clock.
type dated struct {
	http.RoundTripper

	skew time.Duration
}

func (d dated) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := d.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Header.Set("Date", time.Now().Add(d.skew).UTC().Format(http.TimeFormat))
	}
	return response, err
}

// TestLatestGoesByTheServicesClock has a clock here that runs ahead, or behind.
func TestLatestGoesByTheServicesClock_KIN50(t *testing.T) {
	t.Parallel()
	for _, skew := range []time.Duration{-10 * time.Minute, 0, 10 * time.Minute} {
		for name, sequence := range map[string]string{"no lease": "", "lease at LATEST": checkpoint.Latest} {
			inWorld(t, 1, func(t *testing.T, w *world) {
				transport := w.HTTPClient().Transport
				client := &spying{Client: w.Client(func(o *awskinesis.Options) {
					o.HTTPClient = &http.Client{Transport: dated{transport, skew}}
				})}
				if sequence != "" {
					err := w.store.Create(t.Context(), checkpoint.Lease{
						Shard: firstShard, Counter: 1, Position: checkpoint.Position{Sequence: sequence},
					})
					if err != nil {
						t.Fatal(err)
					}
				}
				s, err := kinesis.New(client, telemetry, w.store, kinesis.Options{StartingPosition: kinesis.Latest})
				if err != nil {
					t.Fatal(err)
				}
				there := time.Now().Add(skew)
				err = s.Start(t.Context(), sources.Settings{})
				if err != nil {
					t.Fatal(err)
				}
				accepted, err := s.Accept(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				p := &openPart{Partition: accepted, w: w, source: s}
				_, _ = p.read(1, time.Millisecond)
				p.close()
				client.mu.Lock()
				defer client.mu.Unlock()
				if len(client.asked) == 0 || client.asked[0].After(there) || client.asked[0].Before(there.Add(-2*time.Second)) {
					t.Errorf("%s, skew %v: asked from %v, want at most 2 s before %v", name, skew, client.asked, there)
				}
			})
		}
	}
}

// At timestamp (KIN-44, KIN-68).
func TestAtTimestamp(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		now := time.Now()
		at := func(seconds int, body string) kinesistest.Record {
			return kinesistest.Record{Key: "k", Data: []byte(body), Arrival: now.Add(time.Duration(seconds) * time.Second)}
		}
		w.sendRecords([]kinesistest.Record{at(-30, "a"), at(-20, "b"), at(-10, "c")})
		p := w.open(kinesis.Options{StartingPosition: kinesis.AtTimestamp, StartingPositionTimestamp: now.Add(-25 * time.Second)})
		p.want("b", "c")
		p.close()
		w.store = checkpoint.NewMemory()
		p = w.open(kinesis.Options{StartingPosition: kinesis.AtTimestamp, StartingPositionTimestamp: now.Add(-time.Hour)})
		p.want("a", "b", "c")
		_, err := w.Split(telemetry, firstShard)
		if err != nil {
			t.Fatal(err)
		}
		_, err = p.read(1, time.Minute)
		if !errors.Is(err, sources.ErrEnd) {
			t.Fatal(err)
		}
		p.close()
	})
}
