package kinesis_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

func TestFanOutReads_KIN80(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.put(3, 1)
		s, p := f.open(kinesis.Options{})
		f.want(p, 0, 3)
		time.Sleep(time.Minute + time.Second)
		f.put(1, 1)
		before := time.Now()
		f.want(p, 3, 4)
		if d := time.Since(before); d > 0 {
			t.Errorf("a record came %v after it was put", d)
		}
		if n := f.Calls("GetRecords") + f.Calls("GetShardIterator"); n > 0 {
			t.Errorf("%d calls with shared throughput", n)
		}
		f.shut(s, p)
	})
}

// A Fetch that does not wait takes what is at hand, and one of an idle shard ends in
// time.
func TestFanOutWait(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.put(1, 1)
		s, p := f.open(kinesis.Options{})
		f.none(p, 0) // it subscribes
		synctest.Wait()
		records, err := f.take(p, 1, 0)
		if err != nil || len(records) != 1 {
			t.Errorf("%d records, error %v; want what is at hand", len(records), err)
		}
		began := time.Now()
		f.none(p, 1300*time.Millisecond)
		if d := time.Since(began); d != 1300*time.Millisecond {
			t.Errorf("an idle Fetch took %v", d)
		}
		f.shut(s, p)
	})
}

func TestFanOutStartingPositions_KIN81(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		position    func(number string, when time.Time) checkpoint.Position
		deaggregate bool
		from        string
		first       int
	}{
		"oldest": {func(string, time.Time) checkpoint.Position {
			return checkpoint.Position{Sequence: checkpoint.TrimHorizon}
		}, false, "TRIM_HORIZON", 0},
		"time": {func(_ string, when time.Time) checkpoint.Position {
			return checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: when}
		}, false, "AT_TIMESTAMP", 2},
		"record": {func(number string, _ time.Time) checkpoint.Position {
			return checkpoint.Position{Sequence: number}
		}, false, "AT_SEQUENCE_NUMBER", 1},
		"aggregated record": {func(number string, _ time.Time) checkpoint.Position {
			return checkpoint.Position{Sequence: number}
		}, true, "AT_SEQUENCE_NUMBER", 1},
		"newest": {func(string, time.Time) checkpoint.Position {
			return checkpoint.Position{Sequence: checkpoint.Latest}
		}, false, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				f.put(2, 1)
				time.Sleep(time.Second)
				when := time.Now()
				f.put(1, 1)
				f.position(c.position(f.Records(telemetry, fanFirst)[0].Number, when))
				time.Sleep(10 * time.Second)
				s, p := f.open(kinesis.Options{Deaggregate: c.deaggregate})
				f.none(p, 0)
				synctest.Wait()
				f.put(1, 1)
				f.want(p, c.first, 4)
				if got := f.asked()[0].from; c.from != "" && got != c.from {
					t.Errorf("began %s, want %s", got, c.from)
				}
				f.shut(s, p)
			})
		})
	}
}

// A subscription is renewed at once after its five minutes, behind the last number
// that it told of, with or without records (KIN-81, KIN-85).
func TestFanOutRenewal(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		s, p := f.open(kinesis.Options{})
		began := time.Since(f.began)
		f.none(p, 12*time.Minute)
		f.put(1, 1)
		f.want(p, 0, 1)
		f.none(p, 5*time.Minute)
		calls := f.asked()
		if len(calls) != 4 {
			t.Fatalf("%d calls: %+v", len(calls), calls)
		}
		for i, c := range calls {
			if want := began + time.Duration(i)*5*time.Minute; c.at != want {
				t.Errorf("call %d at %v, want %v", i, c.at, want)
			}
			if i > 0 && (c.from != "AFTER_SEQUENCE_NUMBER" || c.after == "" || c.after == calls[i-1].after) {
				t.Errorf("call %d: %+v after %+v", i, c, calls[i-1])
			}
		}
		f.shut(s, p)
	})
}

// Subscriptions that end early are not renewed more often than they may be, and not
// within the time in which that is refused (KIN-82, KIN-83).
func TestFanOutCallRate(t *testing.T) {
	t.Parallel()
	for name, after := range map[string]int{"at once": 0, "after an event": 1} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				f.setFault(func(c kinesistest.Call) kinesistest.Fault {
					if c.Action == "SubscribeToShard" {
						return kinesistest.Fault{Stream: &kinesistest.Break{After: after}}
					}
					return kinesistest.Fault{}
				})
				s, p := f.open(kinesis.Options{Jitter: func() float64 { return 0 }})
				f.put(20, 1)
				var records []sources.Record
				failures := 0
				for until := time.Now().Add(2 * time.Minute); time.Now().Before(until); {
					got, err := f.take(p, 0, time.Until(until))
					records = append(records, got...)
					if err != nil {
						failures++
					}
				}
				if calls := len(f.asked()); after == 0 && failures < calls-1 || after > 0 && failures > 0 {
					t.Errorf("told of %d of %d ends", failures, calls)
				}
				f.are(records, 0, 20*after)
				last := f.asked()[0]
				for _, c := range f.asked()[1:] {
					if c.at-last.at < 5*time.Second {
						t.Errorf("calls at %v and %v", last.at, c.at)
					}
					last = c
				}
				f.shut(s, p)
			})
		})
	}
}

// Who subscribes within five seconds of another is refused, which is no error if it
// passes.
func TestFanOutRefused_KIN83(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.put(1, 1)
		first, p := f.open(kinesis.Options{})
		f.want(p, 0, 1)
		f.shut(first, p)
		began := time.Since(f.began)
		s, p := f.open(kinesis.Options{})
		f.want(p, 0, 1)
		if d := time.Since(f.began) - began; d < 5*time.Second || d > 8*time.Second {
			t.Errorf("handed over in %v, want 5 s and a little", d)
		}
		f.shut(s, p)
	})
}

func TestFanOutRefusedForLong_KIN83(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.setFault(func(c kinesistest.Call) kinesistest.Fault {
			if c.Action == "SubscribeToShard" {
				return kinesistest.Fault{Err: kinesistest.ResourceInUse()}
			}
			return kinesistest.Fault{}
		})
		s, p := f.open(kinesis.Options{})
		began := time.Now()
		_, err := f.take(p, 1, time.Minute)
		if _, ok := errors.AsType[*types.ResourceInUseException](err); !ok || !strings.Contains(err.Error(), "consumer/reader:") {
			t.Errorf("got %v", err)
		}
		if d := time.Since(began); d < 10*time.Second || d > 13*time.Second {
			t.Errorf("told after %v", d)
		}
		f.setFault(nil)
		f.put(1, 1)
		f.want(p, 0, 1)
		f.apart()
		f.shut(s, p)
	})
}

// A subscription that somebody takes over is not taken back before he had the time
// to have the lease too, and nothing is missed.
func TestFanOutTakeover_KIN83(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		s, p := f.open(kinesis.Options{})
		f.put(1, 1)
		f.want(p, 0, 1)
		time.Sleep(6 * time.Second)
		consumer, err := f.api.DescribeStreamConsumer(t.Context(), &awskinesis.DescribeStreamConsumerInput{
			StreamARN: new(telemetry), ConsumerName: new("reader"),
		})
		if err != nil {
			t.Fatal(err)
		}
		out, err := f.api.SubscribeToShard(t.Context(), &awskinesis.SubscribeToShardInput{
			ConsumerARN: consumer.ConsumerDescription.ConsumerARN, ShardId: new(fanFirst),
			StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
		}, func(o *awskinesis.Options) { o.Protocol = awsjson.New11(schemas.Kinesis_20131202) })
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = out.GetStream().Close() }()
		taken := time.Now()
		_, err = f.take(p, 1, time.Minute)
		if _, ok := errors.AsType[*types.ResourceInUseException](err); !ok {
			t.Errorf("got %v, want the takeover", err)
		}
		f.put(1, 1)
		f.want(p, 1, 2)
		if d := f.asked()[2].at - taken.Sub(f.began); d < 5*time.Second || d > 12*time.Second {
			t.Errorf("taken back after %v", d)
		}
		f.shut(s, p)
	})
}
