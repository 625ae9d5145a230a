package kinesis

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/lease"
	"github.com/openesm/openesm/sources/internal/shard"
)

var errNoSummary = errors.New("the answer has no StreamDescriptionSummary")

// describe asks for the stream's summary.
func (s *Source) describe(ctx context.Context) (*kinesis.DescribeStreamSummaryOutput, error) {
	in := &kinesis.DescribeStreamSummaryInput{StreamARN: &s.stream.arn}
	if s.stream.arn == "" {
		in = &kinesis.DescribeStreamSummaryInput{StreamName: &s.stream.name}
	}
	s.mu.Lock()
	s.described = time.Now()
	s.mu.Unlock()
	out, err := awscall.Do(ctx, awscall.Limit, s.client.DescribeStreamSummary, in, s.single...)
	if err != nil {
		return nil, err
	}
	if out.StreamDescriptionSummary == nil {
		return nil, errNoSummary
	}
	s.shards.Allowed("DescribeStreamSummary")
	s.keep(out.StreamDescriptionSummary)
	return out, nil
}

// keep takes note of the retention period, if it is told.
func (s *Source) keep(summary *types.StreamDescriptionSummary) {
	if hours := summary.RetentionPeriodHours; hours != nil && *hours > 0 {
		s.shards.SetRetention(time.Duration(*hours) * time.Hour)
	}
}

// List lists shards, and asks for the retention period now and then.
func (s service) List(ctx context.Context, since time.Time) ([]lease.Shard, error) {
	source := s.source
	source.mu.Lock()
	due := time.Since(source.described) >= shard.RetentionInterval
	source.mu.Unlock()
	if due {
		if _, err := source.describe(ctx); err != nil && ctx.Err() == nil {
			source.shards.Report(source.shards.Failed("DescribeStreamSummary", err))
		}
	}
	return source.list(ctx, since)
}
