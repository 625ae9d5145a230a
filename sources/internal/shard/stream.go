package shard

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/lease"
	"github.com/openesm/openesm/sources/internal/pool"
)

// The metrics of a stream.
const (
	MillisBehindLatest sources.Metric = "MillisBehindLatest"
	LeasesHeld         sources.Metric = "LeasesHeld"
	ShardsWaiting      sources.Metric = "ShardsWaiting"
	LeasesLost         sources.Metric = "LeasesLost"
	PositionsTrimmed   sources.Metric = "PositionsTrimmed"
)

// rest is how long a goroutine that makes calls stays when there is none to make.
const rest = 100 * time.Millisecond

// Stream is one stream whose shards are shared out among workers. Its methods may be
// called concurrently once Begin has succeeded; ReadWith comes before that.
type Stream[R any] struct {
	service   Service[R]
	traits    Traits
	store     checkpoint.Store
	options   Options
	name, arn string
	newReader func(*Partition[R]) Reader[R] // nil for Pollers
	calls     *pool.Pool[func()]            // makes calls, so that those that wait keep shallow stacks

	// As Begin was told.
	skew   time.Duration // how far the service's clock is ahead of this one
	report func(error)

	grants    grants
	retention atomic.Int64 // how long the stream keeps records, in nanoseconds; 0 for unknown
	losses    atomic.Int64 // that were told of

	mu      sync.Mutex
	manager *lease.Manager             // nil before Begin; Measure may come before
	shards  map[*Partition[R]]struct{} // that are read
}

// New returns a stream by the name that errors and the log give it, and its ARN, "" if only
// Begin knows that. It makes no call.
func New[R any](service Service[R], store checkpoint.Store, name, arn string, options Options) *Stream[R] {
	return &Stream[R]{
		service: service, traits: service.Traits(), store: store, name: name, arn: arn, options: options.withDefaults(),
		calls:  pool.New(func() func(func()) { return func(call func()) { call() } }, rest),
		shards: make(map[*Partition[R]]struct{}),
	}
}

// ReadWith has shards read by readers of the adapter's own instead of Pollers.
func (s *Stream[R]) ReadWith(newReader func(*Partition[R]) Reader[R]) { s.newReader = newReader }

// SetRetention says how long the stream keeps records; it may change.
func (s *Stream[R]) SetRetention(d time.Duration) { s.retention.Store(int64(d)) }

// Begun reports whether Begin has succeeded.
func (s *Stream[R]) Begun() bool { return s.leases() != nil }

// Begin starts to share the stream with the other workers. arn names it in the store. skew
// is how far the service's clock is ahead of the one here.
func (s *Stream[R]) Begin(arn string, skew time.Duration, settings sources.Settings) error {
	s.options.Logger = cmp.Or(s.options.Logger, settings.Logger, slog.New(slog.DiscardHandler))
	s.arn, s.skew, s.report = arn, skew, s.reportTo(settings)
	manager, err := lease.New(s.store, s.service.List, lease.Options{
		Stream: arn, Worker: s.options.Worker, Duration: s.options.LeaseDuration, ListInterval: s.options.ListInterval,
		Handover: s.options.handover(settings.Timeout),
		Start:    s.options.Start, Now: s.now(),
		MaxLeases: s.options.MaxShards, Logger: s.options.Logger, Jitter: s.options.Jitter,
		Report: s.report,
	})
	if err != nil {
		return fmt.Errorf("%s: stream %s: %w: %w", s.traits.Service, s.name, err, sources.ErrUnusable)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.manager = manager
	return nil
}

// Report tells the mapping of a failure that no call returns to it. It comes after Begin.
func (s *Stream[R]) Report(err error) { s.report(err) }

// reportTo tells the mapping of failures of the background, or the log if it does not
// listen.
func (s *Stream[R]) reportTo(settings sources.Settings) func(error) {
	if settings.Report == nil {
		logger := s.options.Logger
		return func(err error) { logger.Warn(s.traits.Service, "stream", s.name, "error", err) }
	}
	return func(err error) { settings.Report(fmt.Errorf("%s: stream %s: %w", s.traits.Service, s.name, err)) }
}

// leases is the manager; nil before Begin.
func (s *Stream[R]) leases() *lease.Manager {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.manager
}

// Accept blocks until this worker has a further shard, and returns it.
func (s *Stream[R]) Accept(ctx context.Context) (*Partition[R], error) {
	manager := s.leases()
	if manager == nil {
		return nil, fmt.Errorf("%s: stream %s: Accept before Start: %w", s.traits.Service, s.name, sources.ErrUnusable)
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

// Close gives back what leases are left. The store is the caller's.
func (s *Stream[R]) Close(ctx context.Context) error {
	var err error
	if manager := s.leases(); manager != nil {
		err = manager.Close(ctx)
	}
	s.calls.Close()
	return err
}

// Do makes a call in a goroutine that stays for the next one, and does not wait for it.
func (s *Stream[R]) Do(call func()) { s.calls.Do(call) }

// Measure tells how far each shard is behind, the shards that are held, lost and waiting
// for their parents (KIN-29), and the positions that were trimmed. A shard of which it is
// not known how far it is behind is left out: one that was not read in the last half
// minute, and of which nothing is in hand.
func (s *Stream[R]) Measure(dst []sources.Measure) []sources.Measure {
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
func (s *Stream[R]) forget(p *Partition[R]) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.shards, p)
}

// now is a moment that has just passed for the service, whatever the clock here says:
// as a timestamp it is not in the future there, and misses nothing that comes from now
// on (KIN-50).
func (s *Stream[R]) now() time.Time {
	const early = time.Second
	return time.Now().Add(s.skew - early)
}

// Expires is when the stream drops a record, by the clock here; zero if that is not
// known. What it still gives has some time left: the retention period may have grown.
func (s *Stream[R]) Expires(arrived, now time.Time) time.Time {
	retention := time.Duration(s.retention.Load())
	if retention == 0 || arrived.IsZero() {
		return time.Time{}
	}
	at, least := arrived.Add(retention-s.skew), now.Add(RetentionInterval)
	if at.Before(least) {
		return least
	}
	return at
}
