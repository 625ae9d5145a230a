package dynamodbstreams

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/internal/shard"
)

const eventSource = "aws:dynamodb"

// Errors of answers that lack what the service always says, and of streams that are not
// ready.
var (
	errNoDescription = errors.New("the answer has no StreamDescription")
	errEnabling      = errors.New("the stream is ENABLING and has no shards yet; they are waited for")
	errNoStream      = errors.New("the table has no stream; enable one (StreamSpecification of UpdateTable)")
)

// Source is one stream as a source of a mapping.
type Source struct {
	client    Client
	options   Options
	single    []func(*dynamodbstreams.Options) // options of every call
	shards    *shard.Stream[types.Record]
	describes pace
	ghosts    ghosts

	writer     atomic.Pointer[encoder]
	unfiltered atomic.Bool  // the server does not know the filter CHILD_SHARDS
	clock      atomic.Int64 // how far the service's clock is ahead, in nanoseconds

	mu      sync.Mutex
	stream  stream
	status  types.StreamStatus
	unknown time.Time // when a value that the SDK does not know was last told of
}

// encoder writes the stream's event documents.
type encoder = eventjson.DynamoDB[types.AttributeValue]

var (
	_ sources.Source        = (*Source)(nil)
	_ sources.Starter       = (*Source)(nil)
	_ sources.EventAppender = (*Source)(nil)
	_ sources.Filterer      = (*Source)(nil)
	_ sources.Meter         = (*Source)(nil)
)

// New returns the source that reads a stream: its ARN, or the name of a table, whose
// newest stream is looked up in the client's account and region. The store keeps the
// positions of this stream and nothing else. New makes no call; its error names every
// violation.
func New(client Client, streamARNOrTable string, store checkpoint.Store, options Options) (*Source, error) {
	var errs []error
	if c, typed := client.(*dynamodbstreams.Client); client == nil || typed && c == nil {
		errs = append(errs, errors.New("client: is nil"))
	}
	if store == nil {
		errs = append(errs, errors.New("store: is nil; positions would not outlive the process (checkpoint.NewMemory, if that is meant)"))
	}
	s, err := parseStream(streamARNOrTable)
	err = errors.Join(append(errs, err, options.validate())...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", serviceName, err)
	}
	source := &Source{
		client: client, stream: s, options: options.withDefaults(), single: []func(*dynamodbstreams.Options){once},
	}
	source.writer.Store(eventjson.NewDynamoDB(s.given, viewOf))
	source.shards = shard.New(service{source}, store, s.name(), s.arn, source.options.shard())
	source.shards.SetRetention(retention)
	return source, nil
}

// Traits tells the bounds of DynamoDB Streams, which are those of Kinesis (DDB-61). The ARN
// is the one given; of a table that was named it is the name, for it must not change
// over time. Event documents bear the ARN that the service tells at Start.
func (s *Source) Traits() sources.Traits {
	const (
		defaultRecords = 100
		mostRecords    = 10_000
		longestWindow  = 300 * time.Second
		longestRun     = 900 * time.Second
		// What the engine keeps of a record, 560 bytes at most, and what the SDK's takes
		// besides its text: maps of three images, and a value for each attribute.
		recordBytes = 560 + 3<<10
	)
	return sources.Traits{
		EventSource:    eventSource,
		ARN:            s.stream.given,
		Ordered:        true,
		BatchSize:      sources.Bounds[int]{Default: defaultRecords, Max: mostRecords},
		Window:         sources.Bounds[time.Duration]{Max: longestWindow},
		TumblingWindow: longestRun,
		MaxTimeout:     longestRun,
		EventOverhead:  eventjson.Bound,
		RecordBytes:    recordBytes,
	}
}

// Start looks for the stream if its table was named, checks that it is there and may be
// read, and starts to share it with the other workers.
func (s *Source) Start(ctx context.Context, settings sources.Settings) error {
	if s.shards.Begun() {
		return nil
	}
	err := s.find(ctx)
	if err != nil {
		return err
	}
	out, err := s.describeStream(ctx, &dynamodbstreams.DescribeStreamInput{StreamArn: new(s.arn()), Limit: new(int32(1))})
	if hopeless := awscall.Hopeless(err); hopeless != "" {
		return fmt.Errorf("%w (%s): %w", s.shards.Failed(describeOperation, err), hopeless, sources.ErrUnusable)
	}
	if err != nil {
		return s.shards.Refused(describeOperation, err)
	}
	s.shards.Allowed(describeOperation)
	ahead := skewOf(&out.ResultMetadata)
	s.clock.Store(int64(ahead))
	return s.shards.Begin(s.arn(), ahead, settings)
}

// find learns the ARN of the newest stream of a table that was named.
func (s *Source) find(ctx context.Context) error {
	const operation = "ListStreams"
	if s.arn() != "" {
		return nil
	}
	newest, err := s.newest(ctx)
	if hopeless := awscall.Hopeless(err); hopeless != "" {
		return fmt.Errorf("%w (%s): %w", s.shards.Failed(operation, err), hopeless, sources.ErrUnusable)
	}
	if err != nil {
		return s.shards.Refused(operation, err)
	}
	if newest == "" {
		return fmt.Errorf("%s: Stream not found: table %s: %w: %w", serviceName, s.stream.table, errNoStream, sources.ErrUnusable)
	}
	found, err := parseStream(newest)
	if err != nil || found.table != s.stream.table {
		return s.shards.Failed(operation, fmt.Errorf("the answer names stream %q", newest))
	}
	s.shards.Allowed(operation)
	s.writer.Store(eventjson.NewDynamoDB(newest, viewOf))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stream.arn = newest
	return nil
}

// newest asks for the newest of the table's streams; "" for none. Labels are times, so
// that the newest comes last in their order (DDB-11).
func (s *Source) newest(ctx context.Context) (arn string, err error) {
	const maxPages = 100
	in := &dynamodbstreams.ListStreamsInput{TableName: new(s.stream.table)}
	for range maxPages {
		out, err := awscall.Do(ctx, awscall.Limit, s.client.ListStreams, in, s.single...)
		if err != nil {
			return "", err
		}
		for i := range out.Streams {
			arn = max(arn, aws.ToString(out.Streams[i].StreamArn))
		}
		in.ExclusiveStartStreamArn = out.LastEvaluatedStreamArn
		if aws.ToString(in.ExclusiveStartStreamArn) == "" {
			return arn, nil
		}
	}
	return "", shard.ErrEndlessList
}

// Accept blocks until this worker has a further shard, and returns it.
func (s *Source) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.shards.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &partition{Partition: p, source: s}, nil
}

// Close gives back what leases are left. The client and the store are the caller's.
func (s *Source) Close(ctx context.Context) error { return s.shards.Close(ctx) }

// Measure tells how far each shard is behind, the shards that are held, lost and
// waiting for their parents, and [PositionsTrimmed]. See [sources.Meter].
func (s *Source) Measure(dst []sources.Measure) []sources.Measure { return s.shards.Measure(dst) }

// arn is the stream's ARN; "" for a table that was named, before Start.
func (s *Source) arn() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stream.arn
}

// encoder writes event documents that name the stream.
func (s *Source) encoder() *encoder { return s.writer.Load() }

// skew is how far the service's clock is ahead of the one here.
func (s *Source) skew() time.Duration { return time.Duration(s.clock.Load()) }

// skewOf is how far the clock of the service that answered is ahead; 0 if it does not
// tell.
func skewOf(answer *middleware.Metadata) time.Duration {
	there, told := awsmiddleware.GetServerTime(*answer)
	here, known := awsmiddleware.GetResponseAt(*answer)
	if !told || !known {
		return 0
	}
	return there.Sub(here)
}

// partition is a shard while this worker has its lease.
type partition struct {
	*shard.Partition[types.Record]

	source *Source
}

var (
	_ sources.Partition      = (*partition)(nil)
	_ sources.Revocable      = (*partition)(nil)
	_ sources.WindowKeeper   = (*partition)(nil)
	_ sources.BatchDescriber = (*partition)(nil)
)
