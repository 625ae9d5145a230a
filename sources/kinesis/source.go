package kinesis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/middleware"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/eventjson"
	"github.com/openesm/openesm/sources/internal/lease"
	"github.com/openesm/openesm/sources/internal/pool"
)

const (
	eventSource = "aws:kinesis"

	// maxRecords is how many records one call brings at most (KIN-23).
	maxRecords = 10_000

	// rest is how long a goroutine that makes calls stays when there is none to make.
	rest = 100 * time.Millisecond
)

// Source is one stream as a source of a mapping.
type Source struct {
	client  Client
	fanOut  FanOutClient // nil for shared throughput
	store   checkpoint.Store
	stream  stream
	options Options
	single  []func(*kinesis.Options) // options of every call
	encoder *eventjson.Kinesis
	calls   *pool.Pool[func()] // makes calls, so that those that wait keep shallow stacks

	consumer string        // ARN, with enhanced fan-out; by name not known before Start
	skew     time.Duration // how far the service's clock is ahead of this one

	grants    grants
	retention atomic.Int64 // how long the stream keeps records, in nanoseconds; 0 for unknown
	losses    atomic.Int64 // that were told of

	mu      sync.Mutex
	manager *lease.Manager          // nil before Start; Measure may come before
	shards  map[*partition]struct{} // that are read
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
		client: client, fanOut: fanOut, store: store, stream: s, consumer: s.consumer,
		options: options.withDefaults(), single: []func(*kinesis.Options){once},
		calls:  pool.New(func() func(func()) { return func(call func()) { call() } }, rest),
		shards: make(map[*partition]struct{}),
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
		return fmt.Errorf("%w (%s): %w", s.failed(operation, err), hopeless, sources.ErrUnusable)
	}
	if err != nil {
		return s.refused(operation, err)
	}
	if s.leases() != nil {
		return nil
	}
	err = s.identify(out.StreamDescriptionSummary)
	if err != nil {
		return s.failed(operation, err)
	}
	s.options.Logger = cmp.Or(s.options.Logger, settings.Logger, slog.New(slog.DiscardHandler))
	if s.fanOut != nil {
		err = s.findConsumer(ctx)
		if err != nil {
			return err
		}
	}
	s.skew = skew(&out.ResultMetadata)
	report := s.reportTo(settings)
	manager, err := lease.New(s.store, s.lister(report), lease.Options{
		Stream: s.stream.arn,
		Worker: s.options.Worker, Duration: s.options.LeaseDuration, ListInterval: s.options.ListInterval,
		Handover: s.options.handover(settings.Timeout),
		Start:    s.options.start(), Now: s.now(),
		MaxLeases: s.options.MaxShards, Logger: s.options.Logger, Jitter: s.options.Jitter,
		Report: report,
	})
	if err != nil {
		return fmt.Errorf("kinesis: stream %s: %w: %w", s.stream.name, err, sources.ErrUnusable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manager = manager
	return nil
}

// reportTo tells the mapping of failures of the background, or the log if it does not
// listen.
func (s *Source) reportTo(settings sources.Settings) func(error) {
	if settings.Report == nil {
		logger := s.options.Logger
		return func(err error) { logger.Warn("kinesis", "stream", s.stream.name, "error", err) }
	}
	return func(err error) { settings.Report(fmt.Errorf("kinesis: stream %s: %w", s.stream.name, err)) }
}

// leases is the manager; nil before Start.
func (s *Source) leases() *lease.Manager {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manager
}

// Accept blocks until this worker has a further shard, and returns it.
func (s *Source) Accept(ctx context.Context) (sources.Partition, error) {
	manager := s.leases()
	if manager == nil {
		return nil, fmt.Errorf("kinesis: stream %s: Accept before Start: %w", s.stream.name, sources.ErrUnusable)
	}
	held, err := manager.Next(ctx)
	if err != nil {
		return nil, err
	}
	p := newPartition(s, held)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards[p] = struct{}{}
	return p, nil
}

// Close gives back what leases are left. The client and the store are the caller's.
func (s *Source) Close(ctx context.Context) error {
	var err error
	if manager := s.leases(); manager != nil {
		err = manager.Close(ctx)
	}
	s.calls.Close()
	return err
}

// Measure tells how far each shard is behind, the shards that are held, lost and
// waiting for their parents (KIN-29), and [PositionsTrimmed]. A shard of which that is not known is left out:
// one that was not read in the last half minute, and of which nothing is in hand. See
// [sources.Meter].
func (s *Source) Measure(dst []sources.Measure) []sources.Measure {
	manager := s.leases()
	if manager == nil {
		return dst
	}
	stats := manager.Stats()
	dst = append(dst,
		sources.Measure{Name: LeasesHeld, Count: stats.Held},
		sources.Measure{Name: LeasesLost, Count: int(stats.Lost), Total: true}, //nolint:gosec // far below
		sources.Measure{Name: ShardsWaiting, Count: stats.Waiting},
		sources.Measure{Name: PositionsTrimmed, Count: int(s.losses.Load()), Total: true},
	)
	s.mu.Lock()
	defer s.mu.Unlock()
	now, life := time.Now(), s.options.IdleInterval+answerLife
	for p := range s.shards {
		if far, known := p.lag.measure(now, life, s.skew); known {
			dst = append(dst, sources.Measure{Name: MillisBehindLatest, Partition: p.id, Duration: far})
		}
	}
	return dst
}

// forget takes a partition off the books.
func (s *Source) forget(p *partition) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shards, p)
}

// now is a moment that has just passed for the service, whatever the clock here says:
// as a timestamp it is not in the future there, and misses nothing that comes from now
// on (KIN-50).
func (s *Source) now() time.Time {
	const early = time.Second
	return time.Now().Add(s.skew - early)
}

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

// failed wraps the error of a call for the stream.
func (s *Source) failed(operation string, err error) error {
	return failed(operation, "stream "+s.stream.name, err)
}

func failed(operation, target string, err error) error {
	var wrapped error = &awscall.Error{Service: "kinesis", Operation: operation, Target: target, Err: err}
	if isKeyDenied(err) {
		wrapped = fmt.Errorf("%w: the caller lacks the permission kms:Decrypt on the key of the stream", wrapped)
	}
	return wrapped
}

// refused tells errors that will not pass from those that may.
func (s *Source) refused(operation string, err error) error {
	switch {
	case isMissing(err):
		// The words of KIN-15.
		return fmt.Errorf("kinesis: Stream not found: %s (create it, or correct its name or ARN, or the client's region): %w",
			cmp.Or(s.stream.arn, s.stream.name), sources.ErrUnusable)
	case s.grants.refuses(operation, err):
		return fmt.Errorf("%w (%s): %w", s.failed(operation, err), needs, sources.ErrUnusable)
	default:
		return s.failed(operation, err)
	}
}

// isMissing tells that the stream or shard does not exist.
func isMissing(err error) bool { return awscall.Code(err) == "ResourceNotFoundException" }
