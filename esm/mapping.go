package esm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// settleGrace is how long, after the drain timeout, what succeeded in the last
// moment may still be settled and held records released.
const settleGrace = 5 * time.Second

// measureInterval is how often a source is asked what it measures.
const measureInterval = 10 * time.Second

// Mapping is one source, one handler and one configuration. Make it with New
// and run it once.
type Mapping struct {
	source   sources.Source
	handler  Handler
	config   Config
	traits   sources.Traits
	appender sources.EventAppender
	// recordID reads an itemIdentifier of a response.
	recordID func(item []byte) (string, bool)
	filter   *filtering // nil if everything passes
	spent    atomic.Bool
	// cut says that the drain timeout cancelled an invocation, or a settlement.
	cut atomic.Bool
}

// New makes a mapping. It makes no call to any service. A *ConfigError names
// everything that is wrong with the arguments.
func New(source sources.Source, handler Handler, config Config) (*Mapping, error) {
	var check checker
	check.require(!handler.isZero(), "handler", "nil", "must be a handler made by Bytes, Typed, TypedResponse or Records")
	handler.checkShared(&check)
	if source == nil {
		check.require(false, "source", "nil", "must be a source")
		return nil, check.err()
	}
	traits := source.Traits()
	config = config.withDefaults(traits)
	config.check(&check, traits)
	filter := config.filtering(&check, source)
	appender, _ := source.(sources.EventAppender)
	check.require(appender != nil || handler.bytes == nil, "handler", "for event documents",
		"must be made by Records, source %s writes no event documents", traits.ARN)
	if err := check.err(); err != nil {
		return nil, err
	}
	m := &Mapping{
		source: source, handler: handler, config: config, traits: traits, appender: appender, recordID: stringID, filter: filter,
	}
	if identifier, ok := source.(sources.Identifier); ok {
		m.recordID = identifier.RecordID
	}
	return m, nil
}

// Run polls, invokes and settles until ctx is done or the source ends. It
// blocks, and owns every goroutine of the mapping; none is left when it
// returns, except handlers that ignored the end of their context.
//
// When ctx is done, fetching stops, running invocations go on and are settled,
// and records that were fetched and not started are released. Run then returns
// nil. Invocations that take longer than DrainTimeout are cancelled, and so are
// settlements some seconds later; Run then returns ErrDrainTimeout.
//
// Other errors: ErrSpent on a second call, and what the source says when it
// cannot work as configured (sources.ErrUnusable): a missing queue, say, or
// denied access. All other troubles of the source are waited out.
func (m *Mapping) Run(ctx context.Context) error {
	if m.spent.Swap(true) {
		return ErrSpent
	}
	soft, stop := context.WithCancel(ctx)
	defer stop()
	work, cancelWork := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelWork(nil)
	settle, cancelSettle := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelSettle(nil)

	var watch sync.WaitGroup
	finished := make(chan struct{})
	watch.Go(func() {
		select {
		case <-finished:
			return
		case <-soft.Done():
		}
		if expire(finished, m.config.DrainTimeout) {
			cancelWork(ErrDrainTimeout)
		}
		if expire(finished, settleGrace) {
			cancelSettle(ErrDrainTimeout)
		}
	})

	if meter, ok := m.source.(sources.Meter); ok {
		watch.Go(func() { m.measure(meter, finished) })
	}

	m.config.Logger.Info("mapping started", m.attr(), slog.String("source", m.traits.ARN))
	err := m.serve(stages{soft, work, settle}, stop) //nolint:contextcheck // it has all three
	if closeErr := m.source.Close(settle); closeErr != nil {
		m.config.Logger.Warn("closing the source failed", m.attr(), slog.Any("error", closeErr))
	}
	close(finished)
	watch.Wait()
	if err == nil && m.cut.Load() {
		err = ErrDrainTimeout
	}
	if err == nil {
		m.config.Logger.Info("mapping stopped", m.attr())
	} else {
		m.config.Logger.Error("mapping stopped", m.attr(), slog.Any("error", err))
	}
	return err
}

// serve starts the source and serves each of its partitions until all have
// ended.
func (m *Mapping) serve(s stages, stop context.CancelFunc) error {
	soft := s.soft
	if err := m.start(soft); err != nil {
		return m.unusable(err)
	}
	var partitions sync.WaitGroup
	defer partitions.Wait()
	for failures := 0; ; {
		partition, err := m.source.Accept(soft)
		switch {
		case err == nil:
			failures = 0
			partitions.Go(func() { m.newPart(partition, s).serve() })
		case soft.Err() != nil || errors.Is(err, sources.ErrEnd):
			return nil
		case errors.Is(err, sources.ErrUnusable):
			stop()
			return m.unusable(err)
		default:
			failures++
			m.polling("", err)
			m.pause(soft, acceptBackoff(m.traits.ReadsAhead), failures)
		}
	}
}

// start prepares the source, as often as it takes.
func (m *Mapping) start(soft context.Context) error {
	starter, ok := m.source.(sources.Starter)
	if !ok {
		return nil
	}
	settings := sources.Settings{
		BatchSize:  m.config.BatchSize,
		BatchBytes: m.config.MaximumBatchBytes,
		Window:     m.config.MaximumBatchingWindow,
		Timeout:    m.config.Timeout,
	}
	for failures := 1; ; failures++ {
		err := starter.Start(soft, settings)
		switch {
		case err == nil, errors.Is(err, sources.ErrUnusable):
			return err
		case soft.Err() != nil:
			return nil //nolint:nilerr // stopped while it started, which is no error
		}
		m.polling("", err)
		m.pause(soft, pollBackoff(), failures)
	}
}

// measure tells the observer what the source measures, until finished.
func (m *Mapping) measure(meter sources.Meter, finished <-chan struct{}) {
	var all []sources.Measure
	for expire(finished, measureInterval) {
		all = meter.Measure(all[:0])
		for _, v := range all {
			m.observe(Observation{Metric: Metric(v.Name), Partition: v.Partition, Count: v.Count, Duration: v.Duration})
		}
	}
}

// unusable wraps what ends a mapping.
func (m *Mapping) unusable(err error) error {
	return fmt.Errorf("esm: mapping %s: %w", m.config.Name, err)
}

// polling tells of a failed call to the source.
func (m *Mapping) polling(partition string, err error) {
	m.observe(Observation{Metric: PollingErrorCount, Partition: partition, Count: 1, Err: err})
	m.config.Logger.Warn("reading the source failed, trying again", m.attr(),
		slog.String("partition", partition), slog.Any("error", err))
}

func (m *Mapping) observe(o Observation) {
	o.Mapping = m.config.Name
	m.config.Observer(o)
}

func (m *Mapping) attr() slog.Attr { return slog.String("mapping", m.config.Name) }

// pause waits out the delay after so many failures in a row, and reports
// whether ctx lived on.
func (m *Mapping) pause(ctx context.Context, backoff retry.Backoff, failures int) bool {
	return sleep(ctx, backoff.Delay(failures, m.config.Jitter()))
}

// sleep waits and reports whether ctx lived on.
func sleep(ctx context.Context, d time.Duration) bool {
	if ctx.Err() != nil {
		return false
	}
	if d <= 0 {
		return true
	}
	return expire(ctx.Done(), d)
}

// expire waits and reports whether done was still open after d.
func expire(done <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-done:
		return false
	case <-timer.C:
		return true
	}
}
