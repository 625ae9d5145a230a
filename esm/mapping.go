package esm

import (
	"cmp"
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

const (
	// settleGrace is how long, after the drain timeout, what succeeded in the last
	// moment may still be settled and held records released.
	settleGrace = 5 * time.Second
	// settleRounds is how often that time is given while a settlement is under way: as long
	// together as two calls of any source, for a position may wait for the one before it.
	settleRounds = 9
)

// measureInterval is how often a source is asked what it measures.
const measureInterval = 10 * time.Second

const (
	// patience is how long the source may take for a step before the log says so.
	patience = 5 * time.Second
	// closeLimit is how long the source may take to close.
	closeLimit = 30 * time.Second
)

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
	// cut says that the drain timeout cancelled an invocation, a settlement or a delivery.
	cut atomic.Bool
	// settling is how many calls that settle records are under way, and settled how many
	// have ended. When lastCalls is closed one that fails is not made again.
	settling, settled atomic.Int64
	lastCalls         chan struct{}
	// step is the call to the source that is waited for; "" while it is served.
	step atomic.Value
	// panics logs those of Observer and Jitter, reports what the source tells of by
	// itself.
	panics, reports *occasionally
	// health is what Status tells.
	health health
}

// New makes a mapping. It makes no call to any service. A *ConfigError names
// everything that is wrong with the arguments.
func New(source sources.Source, handler Handler, config Config) (*Mapping, error) {
	var check checker
	const kinds = "must be a handler made by Bytes, Typed, TypedResponse or Records"
	if handler.isZero() {
		check.require(false, "handler", "nil", kinds)
	} else {
		check.require(handler.bytes == nil || !isNil(handler.bytes), "handler", describeNil(handler.bytes), kinds)
	}
	handler.checkShared(&check)
	if isNil(source) {
		check.require(false, "source", describeNil(source), "must be a source")
		return nil, check.err()
	}
	traits := source.Traits()
	config = config.withDefaults(traits)
	config.check(&check, traits)
	config.checkLoop(&check, source)
	filter := config.filtering(&check, source)
	appender, _ := sources.Ability[sources.EventAppender](source)
	check.require(appender != nil || handler.bytes == nil, "handler", "for event documents",
		"must be made by Records, source %s writes no event documents", traits.ARN)
	if err := check.err(); err != nil {
		return nil, err
	}
	m := &Mapping{
		source: source, handler: handler, config: config, traits: traits, appender: appender, recordID: stringID, filter: filter,
		lastCalls: make(chan struct{}),
	}
	m.panics = m.occasionally("the user's code panicked")
	m.reports = m.occasionally("a call of the source failed in the background")
	m.config = m.config.guarded(m.panics)
	if config.ProvisionedPollerConfig != nil {
		m.config.Observer = countPollers(m.config.Observer, traits.Provisioned.Lanes)
	}
	if identifier, ok := sources.Ability[sources.Identifier](source); ok {
		m.recordID = identifier.RecordID
	}
	return m, nil
}

// occasionally logs message as a warning, once a minute at most.
func (m *Mapping) occasionally(message string, attrs ...any) *occasionally {
	return newOccasionally(func(err error, times int) {
		all := append([]any{m.attr(), slog.Any("error", err), slog.Int("times", times)}, attrs...)
		if panicked, ok := errors.AsType[*PanicError](err); ok {
			all = append(all, slog.String("stack", string(panicked.Stack)))
		}
		m.config.Logger.Warn(message, all...)
	})
}

// Run polls, invokes and settles until ctx is done or the source ends. It
// blocks, and owns every goroutine of the mapping; none is left when it
// returns, except handlers and on-failure destinations that ignored the end of
// their context, and a source that did.
//
// When ctx is done, fetching stops, running invocations go on and are settled,
// and records that were fetched and not started are released. Run then returns
// nil. Invocations that take longer than DrainTimeout are cancelled, and Run then returns
// ErrDrainTimeout. What succeeded is settled still: for five seconds as often as it takes,
// and then by the calls that are under way, which have deadlines of their own. Run returns
// ErrDrainTimeout too if that was not enough.
//
// Other errors: ErrSpent on a second call, ErrSourceInUse while another mapping
// reads the source, and what the source says when it cannot work as configured
// (sources.ErrUnusable): a missing queue, say, or denied access. The same goes for the
// on-failure destination when it is checked at the start (ErrDestinationUnusable, see
// [Checker]). All other troubles of the source are waited out.
func (m *Mapping) Run(ctx context.Context) (err error) {
	if m.spent.Swap(true) {
		return ErrSpent
	}
	m.health.become(StateEnabling, nil)
	defer func() { m.health.become(StateDisabled, err) }()
	release := claim(m.source)
	if release == nil {
		return m.unusable(ErrSourceInUse)
	}
	defer release()
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
		m.health.become(StateDisabling, nil)
		if expire(finished, m.config.DrainTimeout) {
			cancelWork(ErrDrainTimeout)
		}
		if m.settleTimePasses(finished) {
			cancelSettle(ErrDrainTimeout)
		}
	})
	if source, ok := sources.Ability[sources.Meter](m.source); ok {
		watch.Go(func() { m.measure(&meter{source: source}, finished) })
	}
	m.config.Logger.Info("mapping started", m.attr(), slog.String("source", m.traits.ARN))
	err = m.use(stages{soft, work, settle}, stop) //nolint:contextcheck // it has all three
	close(finished)
	watch.Wait()
	if err == nil && m.cut.Load() {
		err = ErrDrainTimeout
	}
	m.ended(err)
	return err
}

// settleTimePasses waits until the time is over that settlements have after the drain
// timeout, and reports whether that was before the mapping finished. A batch that ended in
// the last moment would be handled again if its settlement were cut off, so a call that is
// under way has its own time, and what follows it another settleGrace.
func (m *Mapping) settleTimePasses(finished <-chan struct{}) bool {
	for round := range settleRounds {
		settled := m.settled.Load()
		if !expire(finished, settleGrace) {
			return false
		}
		if round == 0 {
			close(m.lastCalls)
		}
		if m.settling.Load() == 0 && m.settled.Load() == settled {
			break
		}
	}
	return true
}

// counted makes a call that settles records.
func (m *Mapping) counted(call func() error) error {
	m.settling.Add(1)
	defer func() {
		m.settled.Add(1)
		m.settling.Add(-1)
	}()
	return call()
}

// ended logs how the mapping ended, and what was held back.
func (m *Mapping) ended(err error) {
	m.reports.close()
	if err == nil {
		m.config.Logger.Info("mapping stopped", m.attr())
	} else {
		m.config.Logger.Error("mapping stopped", m.attr(), slog.Any("error", err))
	}
	m.panics.close()
}

// use serves the source and closes it. A source that does not return, whatever it
// does with the ends of its contexts, is left behind, and is not closed then: that
// must come after all other calls.
func (m *Mapping) use(s stages, stop context.CancelFunc) error {
	err := bounded(s.settle, func() error { return m.serve(s, stop) })
	if errors.Is(err, errAbandoned) {
		return m.leftBehind(err)
	}
	ctx, cancel := context.WithTimeout(s.settle, closeLimit)
	defer cancel()
	defer m.waiting(s, slog.LevelWarn, "Close")()
	closeErr := bounded(ctx, func() error { return m.source.Close(ctx) })
	if errors.Is(closeErr, errAbandoned) {
		if drained := m.leftBehind(closeErr); err == nil {
			err = drained
		}
		return err
	}
	if closeErr != nil {
		m.config.Logger.Warn("closing the source failed", m.attr(), slog.Any("error", closeErr))
	}
	return err
}

// leftBehind logs that a call to the source did not return, and returns the error that
// Run ends with.
func (m *Mapping) leftBehind(err error) error {
	step, _ := m.step.Load().(string)
	m.config.Logger.Error("the source does not return, going on without it", m.attr(), slog.String("source", m.traits.ARN),
		slog.String("step", cmp.Or(step, "Accept, or a call to a partition")), slog.Any("error", err))
	return ErrDrainTimeout
}

// serve checks the on-failure destination, starts the source and serves each of its
// partitions until all have ended.
func (m *Mapping) serve(s stages, stop context.CancelFunc) error {
	soft := s.soft
	if err := m.checkDestination(soft); err != nil {
		return m.unusable(err)
	}
	if err := m.start(s); err != nil {
		return m.unusable(err)
	}
	m.health.become(StateEnabled, nil)
	var partitions sync.WaitGroup
	defer partitions.Wait()
	arrived := m.waiting(s, slog.LevelInfo, "Accept of the first partition")
	defer arrived()
	for failures := 0; ; {
		partition, err := m.source.Accept(soft)
		switch {
		case err == nil:
			failures = 0
			arrived()
			partitions.Go(func() { m.newPart(partition, s).serve() })
		case soft.Err() != nil || errors.Is(err, sources.ErrEnd):
			return nil
		case errors.Is(err, sources.ErrUnusable):
			stop()
			return m.unusable(err)
		default:
			failures++
			m.polling("", err, true)
			m.pause(soft, acceptBackoff(m.traits.ReadsAhead), failures)
		}
	}
}

// start prepares the source, as often as it takes.
func (m *Mapping) start(s stages) error {
	starter, ok := sources.Ability[sources.Starter](m.source)
	if !ok {
		return nil
	}
	defer m.waiting(s, slog.LevelWarn, "Start")()
	settings := sources.Settings{
		BatchSize:  m.config.BatchSize,
		BatchBytes: m.config.MaximumBatchBytes,
		Window:     m.config.MaximumBatchingWindow,
		Timeout:    m.config.Timeout,
		Logger:     m.config.Logger.With(m.attr()),
		Report:     m.report,
	}
	if !m.traits.Ordered {
		settings.Concurrency = m.config.scaling(m.traits).Max
	}
	for failures := 1; ; failures++ {
		err := starter.Start(s.soft, settings)
		switch {
		case err == nil, errors.Is(err, sources.ErrUnusable):
			return err
		case s.soft.Err() != nil:
			return nil // stopped while it started, which is no error
		}
		m.polling("", err, true)
		m.pause(s.soft, pollBackoff(), failures)
	}
}

// waiting logs after some seconds, and then once a minute, that a step of the source
// takes long, until the function that it returns is called; that may be called again.
func (m *Mapping) waiting(s stages, level slog.Level, step string) (arrived func()) {
	m.step.Store(step)
	ctx, cancel := context.WithCancel(s.settle)
	var watch sync.WaitGroup
	watch.Go(func() {
		for wait, began := patience, time.Now(); expire(ctx.Done(), wait); wait = logInterval {
			m.config.Logger.Log(ctx, level, "waiting for the source", m.attr(), slog.String("source", m.traits.ARN),
				slog.String("step", step), slog.Duration("for", time.Since(began)))
		}
	})
	return sync.OnceFunc(func() {
		cancel()
		watch.Wait()
		m.step.Store("")
	})
}

// measure tells the observer what the source measures, until finished.
func (m *Mapping) measure(meter *meter, finished <-chan struct{}) {
	for expire(finished, measureInterval) {
		meter.read(m.observe)
	}
}

// unusable wraps what ends a mapping.
func (m *Mapping) unusable(err error) error {
	return fmt.Errorf("esm: mapping %s: %w", m.config.Name, err)
}

// polling tells of a failed call to the source, and logs it if it is news.
func (m *Mapping) polling(partition string, err error, news bool) {
	m.observe(Observation{Metric: PollingErrorCount, Partition: partition, Count: 1, Err: err})
	if !news {
		return
	}
	m.config.Logger.Warn("reading the source failed, trying again", m.attr(),
		slog.String("partition", partition), slog.Any("error", err))
}

// report tells of a failed call of the source's own; Settings.Report.
func (m *Mapping) report(err error) {
	m.observe(Observation{Metric: PollingErrorCount, Count: 1, Err: err})
	m.reports.tell(err)
}

// observe tells the observer.
func (m *Mapping) observe(o Observation) {
	o.Mapping = m.config.Name
	if o.Kind == Counter {
		o.Kind = kindOf(o.Metric)
	}
	m.health.note(&o)
	m.config.Observer(o)
}

func (m *Mapping) attr() slog.Attr { return slog.String("mapping", m.config.Name) }

// pause waits out the delay after so many failures in a row, or until ctx is done.
func (m *Mapping) pause(ctx context.Context, backoff retry.Backoff, failures int) {
	sleep(ctx, backoff.Delay(failures, m.config.Jitter()))
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
