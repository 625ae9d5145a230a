package kinesis

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/internal/lease"
)

// retentionInterval is how often the stream is asked how long it keeps records, at the
// next list of its shards.
const retentionInterval = 5 * time.Minute

// describe asks for the stream's summary.
func (s *Source) describe(ctx context.Context) (*kinesis.DescribeStreamSummaryOutput, error) {
	in := &kinesis.DescribeStreamSummaryInput{StreamARN: &s.stream.arn}
	if s.stream.arn == "" {
		in = &kinesis.DescribeStreamSummaryInput{StreamName: &s.stream.name}
	}
	out, err := awscall.Do(ctx, awscall.Limit, s.client.DescribeStreamSummary, in, s.single...)
	if err != nil {
		return nil, err
	}
	if out.StreamDescriptionSummary == nil {
		return nil, errNoSummary
	}
	s.grants.note("DescribeStreamSummary")
	s.keep(out.StreamDescriptionSummary)
	return out, nil
}

// keep takes note of the retention period, if it is told.
func (s *Source) keep(summary *types.StreamDescriptionSummary) {
	if hours := summary.RetentionPeriodHours; hours != nil && *hours > 0 {
		s.retention.Store(int64(*hours) * int64(time.Hour))
	}
}

// lister lists shards, and asks for the retention period now and then.
func (s *Source) lister(report func(error)) lease.Lister {
	asked := time.Now()
	return func(ctx context.Context, since time.Time) ([]lease.Shard, error) {
		if time.Since(asked) >= retentionInterval {
			asked = time.Now()
			if _, err := s.describe(ctx); err != nil && ctx.Err() == nil {
				report(s.failed("DescribeStreamSummary", err))
			}
		}
		return s.list(ctx, since)
	}
}

// expires is when the stream drops a record, by the clock here; zero if that is not
// known. What it still gives has some time left: the retention period may have grown.
func (s *Source) expires(arrived, now time.Time) time.Time {
	retention := time.Duration(s.retention.Load())
	if retention == 0 || arrived.IsZero() {
		return time.Time{}
	}
	at, least := arrived.Add(retention-s.skew), now.Add(retentionInterval)
	if at.Before(least) {
		return least
	}
	return at
}
