package kinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go/middleware"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/internal/shard"
)

const (
	eventSource = "aws:kinesis"

	// maxRecords is how many records one call brings at most (KIN-23).
	maxRecords = 10_000
)

// Source is one stream as a source of a mapping.
type Source struct {
	client  Client
	fanOut  FanOutClient // nil for shared throughput
	stream  stream
	options Options
	single  []func(*kinesis.Options) // options of every call
	encoder *eventjson.Kinesis
	shards  *shard.Stream[types.Record]

	consumer string // ARN, with enhanced fan-out; by name not known before Start

	mu        sync.Mutex
	described time.Time // when the stream was last asked how long it keeps records
}

var (
	_ sources.Source        = (*Source)(nil)
	_ sources.Starter       = (*Source)(nil)
	_ sources.EventAppender = (*Source)(nil)
	_ sources.Filterer      = (*Source)(nil)
	_ sources.Meter         = (*Source)(nil)
)

// New returns the source that reads a stream: an ARN, or a name, which is looked up in
// the client's account and region. The ARN of a consumer reads with enhanced fan-out
// (KIN-01). The store keeps the positions of this stream for this consumer and nothing
// else. New makes no call; its error names every violation.
func New(client Client, streamNameOrARN string, store checkpoint.Store, options Options) (*Source, error) {
	var errs []error
	if c, typed := client.(*kinesis.Client); client == nil || typed && c == nil {
		errs = append(errs, errors.New("client: is nil"))
	}
	if store == nil {
		errs = append(errs, errors.New("store: is nil; positions would not outlive the process (checkpoint.NewMemory, if that is meant)"))
	}
	s, err := parseStream(streamNameOrARN)
	fanOut, able := client.(FanOutClient)
	err = errors.Join(append(errs, err, options.validate(), validateFanOut(s, options, able))...)
	if err != nil {
		return nil, fmt.Errorf("kinesis: %w", err)
	}
	if !fansOut(s, options) {
		fanOut = nil
	}
	source := &Source{
		client: client, fanOut: fanOut, stream: s, consumer: s.consumer,
		options: options.withDefaults(), single: []func(*kinesis.Options){once},
	}
	source.shards = shard.New(service{source}, store, s.name, s.arn, source.options.shard())
	if fanOut != nil {
		source.shards.ReadWith(source.newSubscriber)
	}
	source.encoder = source.newEncoder(s.given)
	return source, nil
}

// Traits tells the bounds of Kinesis (KIN-04..06, KIN-11). The ARN is the one given; of a
// stream that was named it is the name, for it must not change over time. Event documents
// bear the ARN that the service tells at Start.
func (s *Source) Traits() sources.Traits {
	const (
		defaultRecords = 100
		longestWindow  = 300 * time.Second
		longestRun     = 900 * time.Second
		// What the engine keeps of a record, 560 bytes at most, and the SDK's own, a Record
		// and what its pointers point at.
		recordBytes = 560 + 160
	)
	return sources.Traits{
		EventSource:    eventSource,
		ARN:            s.stream.given,
		Ordered:        true,
		BatchSize:      sources.Bounds[int]{Default: defaultRecords, Max: maxRecords},
		Window:         sources.Bounds[time.Duration]{Max: longestWindow},
		TumblingWindow: longestRun,
		MaxTimeout:     longestRun,
		EventOverhead:  eventjson.Bound,
		RecordBytes:    recordBytes,
	}
}

// Start checks that the stream is there and may be read, and its consumer too if
// there is one, and starts to share it with the other workers.
func (s *Source) Start(ctx context.Context, settings sources.Settings) error {
	const operation = "DescribeStreamSummary"
	out, err := s.describe(ctx)
	if hopeless := awscall.Hopeless(err); hopeless != "" {
		return fmt.Errorf("%w (%s): %w", s.shards.Failed(operation, err), hopeless, sources.ErrUnusable)
	}
	if err != nil {
		return s.shards.Refused(operation, err)
	}
	if s.shards.Begun() {
		return nil
	}
	err = s.identify(out.StreamDescriptionSummary)
	if err != nil {
		return s.shards.Failed(operation, err)
	}
	s.options.Logger = cmp.Or(s.options.Logger, settings.Logger, slog.New(slog.DiscardHandler))
	if s.fanOut != nil {
		err = s.findConsumer(ctx)
		if err != nil {
			return err
		}
	}
	return s.shards.Begin(s.stream.arn, skew(&out.ResultMetadata), settings)
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
// waiting for their parents (KIN-29), and [PositionsTrimmed]. A shard of which that is not known is left out:
// one that was not read in the last half minute, and of which nothing is in hand. See
// [sources.Meter].
func (s *Source) Measure(dst []sources.Measure) []sources.Measure { return s.shards.Measure(dst) }

// skew is how far the clock of the service that answered is ahead; 0 if it does not
// tell.
func skew(answer *middleware.Metadata) time.Duration {
	there, told := awsmiddleware.GetServerTime(*answer)
	here, known := awsmiddleware.GetResponseAt(*answer)
	if !told || !known {
		return 0
	}
	return there.Sub(here)
}
