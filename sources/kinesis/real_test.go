package kinesis_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/file"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/sourcetest"
)

// realStream is a stream of a test on the server under test.
type realStream struct {
	client *awskinesis.Client // with retries, for the test's own calls
	arn    string
}

// newRealStream makes a stream of its own; the test is skipped without a server.
func newRealStream(t *testing.T, shards int) *realStream {
	t.Helper()
	endpoint := os.Getenv("OPENESM_KINESIS_ENDPOINT")
	if endpoint == "" {
		t.Skip("OPENESM_KINESIS_ENDPOINT is not set: no Kinesis server to test against")
	}
	s := &realStream{client: awskinesis.New(awskinesis.Options{
		Region: "us-east-1", BaseEndpoint: &endpoint, HTTPClient: &http.Client{Transport: newRealTransport()},
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	})}
	name := "openesm-" + rand.Text()
	_, err := s.client.CreateStream(t.Context(), &awskinesis.CreateStreamInput{
		StreamName: &name, ShardCount: aws.Int32(int32(shards)),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.arn, err = s.active(t.Context(), &awskinesis.DescribeStreamSummaryInput{StreamName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// active waits until nothing is made of the stream any more, and returns its ARN.
func (s *realStream) active(ctx context.Context, in *awskinesis.DescribeStreamSummaryInput) (string, error) {
	for {
		out, err := s.client.DescribeStreamSummary(ctx, in)
		if err != nil {
			return "", err
		}
		if out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return *out.StreamDescriptionSummary.StreamARN, nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-ctx.Done():
			return "", ctx.Err()
		}
	}
}

func (s *realStream) put(ctx context.Context, key string, data []byte) error {
	_, err := s.client.PutRecord(ctx, &awskinesis.PutRecordInput{StreamARN: &s.arn, PartitionKey: &key, Data: data})
	return err
}

// open lists the shards that take records.
func (s *realStream) open(ctx context.Context) ([]types.Shard, error) {
	out, err := s.client.ListShards(ctx, &awskinesis.ListShardsInput{
		StreamARN: &s.arn, ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest},
	})
	if err != nil {
		return nil, err
	}
	return out.Shards, nil
}

// split splits the first shard in two.
func (s *realStream) split(ctx context.Context) error {
	open, err := s.open(ctx)
	if err != nil {
		return err
	}
	_, err = s.client.SplitShard(ctx, &awskinesis.SplitShardInput{
		StreamARN: &s.arn, ShardToSplit: open[0].ShardId, NewStartingHashKey: middle(open[0].HashKeyRange),
	})
	if err != nil {
		return err
	}
	_, err = s.active(ctx, &awskinesis.DescribeStreamSummaryInput{StreamARN: &s.arn})
	return err
}

// middle is a hash key between the two ends, about halfway.
func middle(r *types.HashKeyRange) *string {
	from, to := number(*r.StartingHashKey), number(*r.EndingHashKey)
	return aws.String(from.Add(from, to).Rsh(from, 1).String())
}

// merge merges the first two shards that are neighbours.
func (s *realStream) merge(ctx context.Context) error {
	open, err := s.open(ctx)
	if err != nil {
		return err
	}
	for _, one := range open {
		for _, other := range open {
			next := number(*one.HashKeyRange.EndingHashKey)
			if next.Add(next, number("1")).Cmp(number(*other.HashKeyRange.StartingHashKey)) != 0 {
				continue
			}
			_, err = s.client.MergeShards(ctx, &awskinesis.MergeShardsInput{
				StreamARN: &s.arn, ShardToMerge: one.ShardId, AdjacentShardToMerge: other.ShardId,
			})
			if err != nil {
				return err
			}
			_, err = s.active(ctx, &awskinesis.DescribeStreamSummaryInput{StreamARN: &s.arn})
			return err
		}
	}
	return fmt.Errorf("no two of %d shards are neighbours", len(open))
}

// quick are the options of tests that wait in real time.
func quick() kinesis.Options {
	return kinesis.Options{
		LeaseDuration: 10 * time.Second, ListInterval: time.Second,
		IdleInterval: 50 * time.Millisecond, CallInterval: 20 * time.Millisecond,
	}
}

func TestRealConformance(t *testing.T) {
	t.Parallel()
	realConformance(t, quick, nil)
}

// realConformance runs the suite, but for what is left out and why. Each source that
// is opened has options of its own.
func realConformance(t *testing.T, options func() kinesis.Options, leftOut map[string]string) {
	t.Helper()
	for name, shards := range map[string]int{"one shard": 1, "three shards": 3} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
				t.Helper()
				stream, store := newRealStream(t, shards), checkpoint.NewMemory()
				return sourcetest.Harness{
					Send: func(ctx context.Context, messages ...sourcetest.Message) error {
						for _, m := range messages {
							err := stream.put(ctx, m.Key, m.Data)
							if err != nil {
								return err
							}
						}
						return nil
					},
					Open: func(context.Context) (sources.Source, error) {
						return kinesis.New(stream.client, stream.arn, store, options())
					},
					Reshard: stream.split,
					Steal: func(ctx context.Context) (func(context.Context) error, error) {
						return func(ctx context.Context) error { return own(ctx, store, "") }, own(ctx, store, "thief")
					},
					Settings:   sources.Settings{BatchSize: 10, Timeout: 3 * time.Second},
					Partitions: shards,
					Patience:   20 * time.Second,
					LeftOut:    leftOut,
				}
			})
		})
	}
}

// TestRealReshard_KIN73 splits and merges a stream while a mapping reads it: every
// record is handled, once, and in the order of its key.
func TestRealReshard_KIN73(t *testing.T) {
	t.Parallel()
	const keys, rounds = 20, 30
	stream := newRealStream(t, 2)
	account := newAccount()
	mapping := realMapping(t, stream, checkpoint.NewMemory(), account, quick())
	for round := range rounds {
		putRounds(t, stream, keys, round, round+1)
		var err error
		switch round {
		case 8, 16:
			err = stream.split(t.Context())
		case 12, 20, 24:
			err = stream.merge(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	account.wait(t, keys*rounds)
	mapping.stop(t)
	account.check(t, keys, rounds)
}

// TestRealRestart_KIN47 stops a mapping and starts it again with the positions of a
// file: it goes on where it was.
func TestRealRestart_KIN47(t *testing.T) {
	t.Parallel()
	const keys, rounds = 10, 6
	stream := newRealStream(t, 2)
	account := newAccount()
	path := filepath.Join(t.TempDir(), "positions")
	for round := range rounds {
		store, err := file.Open(path, file.Options{})
		if err != nil {
			t.Fatal(err)
		}
		mapping := realMapping(t, stream, store, account, quick())
		putRounds(t, stream, keys, round, round+1)
		if round == rounds/2 {
			err = stream.split(t.Context())
			if err != nil {
				t.Fatal(err)
			}
		}
		if round%2 == 1 { // else it may stop before it has read anything
			account.wait(t, keys*(round+1))
		}
		mapping.stop(t)
		err = store.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	account.check(t, keys, rounds)
}

func TestRealMissing_KIN15(t *testing.T) {
	t.Parallel()
	stream := newRealStream(t, 1)
	source, err := kinesis.New(stream.client, stream.arn+"-not", checkpoint.NewMemory(), quick())
	if err != nil {
		t.Fatal(err)
	}
	err = source.Start(t.Context(), sources.Settings{BatchSize: 10, Timeout: time.Second})
	if err == nil || !strings.Contains(err.Error(), "Stream not found") {
		t.Errorf("got %v", err)
	}
}

// running is a mapping that runs.
type running struct {
	cancel context.CancelFunc
	done   chan error
}

func realMapping(
	t *testing.T, stream *realStream, store checkpoint.Store, account *account, options kinesis.Options,
) *running {
	t.Helper()
	source, err := kinesis.New(stream.client, stream.arn, store, options)
	if err != nil {
		t.Fatal(err)
	}
	mapping, err := esm.New(source, esm.Records(account.handle), esm.Config{
		BatchSize: 7, ParallelizationFactor: 3, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{cancel: cancel, done: make(chan error, 1)}
	go func() { r.done <- mapping.Run(ctx) }()
	t.Cleanup(func() { cancel() })
	return r
}

// stop ends the mapping, which drains.
func (r *running) stop(t *testing.T) {
	t.Helper()
	r.cancel()
	err := <-r.done
	if err != nil {
		t.Error(err)
	}
}
