package kinesis_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// TestMeasure has the engine ask while the source does not even start.
func TestMeasure_KIN29(t *testing.T) {
	t.Parallel()
	inWorld(t, 2, func(t *testing.T, w *world) {
		w.setFault(on("DescribeStreamSummary", func(kinesistest.Call) kinesistest.Fault {
			if time.Since(w.began) < time.Minute {
				return kinesistest.Fault{Err: kinesistest.InternalFailure()}
			}
			return kinesistest.Fault{}
		}))
		source := w.source(kinesis.Options{})
		if all := source.Measure(nil); len(all) != 0 {
			t.Errorf("%+v before the start", all)
		}
		r := w.runSource(source, w.journal(nil), esm.Config{})
		time.Sleep(3 * time.Minute)
		shards := 0
		for _, m := range source.Measure(nil) {
			switch {
			case m.Name == kinesis.LeasesHeld && m.Count == 2, m.Name == kinesis.LeasesLost && m.Count == 0, m.Name == kinesis.ShardsWaiting && m.Count == 0,
				m.Name == kinesis.PositionsTrimmed && m.Count == 0 && m.Total:
			case m.Name == kinesis.MillisBehindLatest && m.Partition != "" && m.Duration == 0:
				shards++
			default:
				t.Errorf("%+v", m)
			}
		}
		if shards != 2 {
			t.Errorf("%d shards measured, want 2", shards)
		}
		r.end()
	})
}

// scripted is a client of which some calls go otherwise.
type scripted struct {
	*awskinesis.Client

	gone   atomic.Bool // shards are not found
	list   func() (*awskinesis.ListShardsOutput, error)
	repeat bool // AFTER a number begins AT it
}

func (c *scripted) ListShards(
	ctx context.Context, in *awskinesis.ListShardsInput, options ...func(*awskinesis.Options),
) (*awskinesis.ListShardsOutput, error) {
	if c.gone.Load() {
		return c.list()
	}
	return c.Client.ListShards(ctx, in, options...)
}

func (c *scripted) GetRecords(
	ctx context.Context, in *awskinesis.GetRecordsInput, options ...func(*awskinesis.Options),
) (*awskinesis.GetRecordsOutput, error) {
	if c.gone.Load() {
		return nil, new(types.ResourceNotFoundException)
	}
	return c.Client.GetRecords(ctx, in, options...)
}

func (c *scripted) GetShardIterator(
	ctx context.Context, in *awskinesis.GetShardIteratorInput, options ...func(*awskinesis.Options),
) (*awskinesis.GetShardIteratorOutput, error) {
	if c.repeat && in.ShardIteratorType == types.ShardIteratorTypeAfterSequenceNumber {
		in.ShardIteratorType = types.ShardIteratorTypeAtSequenceNumber
	}
	return c.Client.GetShardIterator(ctx, in, options...)
}

func (w *world) openWith(client kinesis.Client) *openPart {
	w.t.Helper()
	s, err := kinesis.New(client, telemetry, w.store, kinesis.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	err = s.Start(w.t.Context(), sources.Settings{})
	if err != nil {
		w.t.Fatal(err)
	}
	p, err := s.Accept(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return &openPart{Partition: p, w: w, source: s}
}

// TestShardThatIsNotFound has ended only if a list of shards, and one of a stream that
// lives, says so too.
func TestShardThatIsNotFound_KIN74(t *testing.T) {
	t.Parallel()
	shard := func(id string) types.Shard {
		return types.Shard{ShardId: &id, SequenceNumberRange: new(types.SequenceNumberRange)}
	}
	for name, test := range map[string]struct {
		list  []types.Shard
		err   error
		ended bool
	}{
		"listed":         {[]types.Shard{shard(firstShard)}, nil, false},
		"nothing listed": {nil, nil, false},
		"no list":        {nil, errHandler, false},
		"stream is gone": {nil, new(types.ResourceNotFoundException), false},
		"others listed":  {[]types.Shard{shard("shardId-000000000001")}, nil, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				client := &scripted{Client: w.Client(), list: func() (*awskinesis.ListShardsOutput, error) {
					return &awskinesis.ListShardsOutput{Shards: test.list}, test.err
				}}
				p := w.openWith(client)
				client.gone.Store(true)
				_, err := p.Fetch(t.Context(), make([]sources.Record, 1), time.Minute)
				if err == nil || errors.Is(err, sources.ErrEnd) != test.ended {
					t.Errorf("got %v, want the end: %t", err, test.ended)
				}
				client.gone.Store(false)
				p.close()
				if ended := w.lease(firstShard).Position.Ended(); ended != test.ended {
					t.Errorf("ended %t, want %t", ended, test.ended)
				}
			})
		})
	}
}

// TestNothingIsReadTwice has a service that repeats the record of the position (KIN-48, P5).
func TestNothingIsReadTwice(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		p := w.openWith(&scripted{Client: w.Client(), repeat: true})
		defer p.close()
		w.send("k", "a", "b")
		p.want("a", "b")
		time.Sleep(6 * time.Minute)
		w.send("k", "c")
		p.want("c")
	})
}
