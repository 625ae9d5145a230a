package esm_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// logbook is a log that a test reads.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logbook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// lines are those that have every one of the parts.
func (l *logbook) lines(parts ...string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var found []string
	for line := range strings.Lines(l.text.String()) {
		has := true
		for _, part := range parts {
			has = has && strings.Contains(line, part)
		}
		if has {
			found = append(found, line)
		}
	}
	return found
}

// handlesAll runs a mapping with config on both kinds of source; some batches fail, so
// that all that is logged, observed and waited for happens.
func handlesAll(t *testing.T, config esm.Config) {
	t.Helper()
	for _, ordered := range []bool{false, true} {
		source, left := fifty(ordered)
		first := true
		config.MaximumConcurrency = 0
		if !ordered {
			config.MaximumConcurrency = 1
		}
		mustRun(t, mustNew(t, source, esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
			if first {
				first = false
				return esm.Response{}, errors.New("not yet")
			}
			return esm.Response{}, nil
		}), config))
		equal(t, "left", left(), 0)
	}
}

func TestObserverThatPanicsIsLogged_P10(t *testing.T) {
	bubble(t, func(t *testing.T) {
		log, start := new(logbook), time.Now()
		handlesAll(t, esm.Config{Logger: log.logger(), Observer: func(o esm.Observation) { panic("no " + string(o.Metric)) }})
		most := int(time.Since(start).Minutes()) + 4 // one at once and one in the end, for each of two
		if n := len(log.lines("user's code panicked", "observer panicked", "stack=")); n < 2 || n > most {
			t.Errorf("two mappings logged it %d times in %v", n, time.Since(start))
		}
		if len(log.lines("times=1 ")) == 0 {
			t.Error("no line says how often")
		}
	})
}

// explosive is a log handler each of whose methods panics.
type explosive struct{ slog.Handler }

func (explosive) Handle(context.Context, slog.Record) error { panic("handle") }
func (explosive) WithAttrs([]slog.Attr) slog.Handler        { panic("attrs") }
func (explosive) WithGroup(string) slog.Handler             { panic("group") }

type dull struct{ slog.Handler }

func (dull) Enabled(context.Context, slog.Level) bool { panic("enabled") }

func TestLoggerThatPanicsEndsNothing_P10(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, logger := range []*slog.Logger{
			slog.New(explosive{slog.DiscardHandler}), slog.New(explosive{slog.NewTextHandler(new(logbook), nil)}),
			slog.New(dull{slog.DiscardHandler}), new(slog.Logger),
		} {
			handlesAll(t, esm.Config{Logger: logger, Observer: func(esm.Observation) { panic("heard by nobody") }})
		}
	})
}

// grenade is an error, and a value, that panics when it is looked at.
type grenade struct{}

func (grenade) Error() string        { panic("error") }
func (grenade) LogValue() slog.Value { panic("value") }

// mine is an error that panics too when it is compared or unwrapped.
type mine struct{ grenade }

func (mine) Is(error) bool { panic("is") }
func (mine) As(any) bool   { panic("as") }
func (mine) Unwrap() error { panic("unwrap") }

// looking is a log handler that looks at every value as a careless one would.
type looking struct{ slog.Handler }

func (l looking) Enabled(context.Context, slog.Level) bool { return true }
func (l looking) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if err, ok := a.Value.Any().(error); ok {
			_ = err.Error()
		}
		return true
	})
	return nil
}

func TestErrorsThatPanicWhenTheyAreLoggedEndNothing_P10(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, logger := range []*slog.Logger{new(logbook).logger(), slog.New(slog.NewJSONHandler(new(logbook), nil)), slog.New(looking{slog.DiscardHandler})} {
			s := streamOf("poison", "b")
			s.End()
			j := newJournal()
			deliveries := 0
			config := j.config(esm.Config{BatchSize: 1, MaximumRetryAttempts: new(1), OnFailure: esm.DestinationFunc(
				func(context.Context, *esm.FailureRecord) error {
					if deliveries++; deliveries == 1 {
						return mine{}
					}
					return nil
				})})
			config.Logger = logger
			mustRun(t, mustNew(t, s.Source("app"), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
				if string(records[0].Data) == "poison" {
					return esm.Response{}, grenade{}
				}
				return esm.Response{}, nil
			}), config))
			equal(t, "handled", j.seen(), []string{"poison", "poison", "b"})
			equal(t, "delivered", j.count(esm.OnFailureDestinationDeliveredEventCount), 1)
		}
	})
}

func TestJitterOfAnyKindEndsNothing_P10(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, jitter := range []func() float64{
			func() float64 { panic("no dice") }, math.NaN, func() float64 { return math.Inf(1) },
			func() float64 { return -7 }, func() float64 { return 1 },
		} {
			log := new(logbook)
			handlesAll(t, esm.Config{Logger: log.logger(), Jitter: jitter})
		}
	})
}

// Jitter 0 is in its range. Every back-off still waits: a batch that is retried in
// place, an on-failure destination that is down, a source that fails.
func TestJitterOfZeroIsNoHotLoop_P9(t *testing.T) {
	zero := func() float64 { return 0 }
	bubble(t, func(t *testing.T) {
		j := newJournal()
		stop := background(t, mustNew(t, streamOf("poison").Source("app"), j.handler(failIf("poison")), j.config(esm.Config{Jitter: zero})))
		time.Sleep(2 * time.Second)
		if n := len(j.seen()); n < 2 || n > 10 {
			t.Errorf("%d invocations in 2 s", n)
		}
		_, _ = stop()
		d := newJournal()
		config := noRetries(down)
		config.Jitter = zero
		stop = background(t, mustNew(t, streamOf("poison").Source("app"), d.handler(failIf("poison")), d.config(config)))
		time.Sleep(2 * time.Second)
		if n := d.count(esm.OnFailureDestinationDeliveryErrorCount); n < 2 || n > 10 {
			t.Errorf("%d deliveries in 2 s", n)
		}
		_, _ = stop()
		f := newJournal()
		source := &stub{Source: queueOf(memory.QueueOptions{}).Source(), accept: func() error { return errDown }}
		stop = background(t, mustNew(t, source, f.handler(nil), f.config(esm.Config{Jitter: zero})))
		time.Sleep(2 * time.Second)
		if n := f.count(esm.PollingErrorCount); n < 2 || n > 20 {
			t.Errorf("%d calls of Accept in 2 s", n)
		}
		_, _ = stop()
	})
}

func TestChangesAfterNewHaveNoEffect(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison", "b")
		s.End()
		j, f := newJournal(), &failures{}
		config := j.config(esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(2), OnFailure: f,
			FilterCriteria: esm.FilterCriteria{Filters: []string{`{"partitionKey":["poison","b"]}`}},
		})
		m := mustNew(t, s.Source("app"), j.handler(failIf("poison")), config)
		*config.MaximumRetryAttempts = 0
		config.FilterCriteria.Filters[0] = `{"partitionKey":["nobody"]}`
		mustRun(t, m)
		equal(t, "handled", j.seen(), []string{"poison", "poison", "poison", "b"})
		q := queueOf(memory.QueueOptions{})
		lanes := 0
		config = newJournal().config(pollers(2, 3))
		config.Observer = func(o esm.Observation) {
			if o.Metric == esm.ConcurrentLanes {
				lanes = o.Count
			}
		}
		source := &stub{Source: q.Source(), traits: func(t sources.Traits) sources.Traits {
			t.Provisioned = sources.Provisioned{
				MinimumPollers: sources.Bounds[int]{Default: 2, Max: 200}, MaximumPollers: sources.Bounds[int]{Default: 200, Max: 10_000}, Lanes: 10,
			}
			return t
		}}
		m = mustNew(t, source, newJournal().handler(nil), config)
		config.ProvisionedPollerConfig.MinimumPollers = 7
		stop := background(t, m)
		synctest.Wait()
		equal(t, "lanes", lanes, 20)
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// pointerInvoker is an Invoker by pointer, as handlers with dependencies are.
type pointerInvoker struct{ calls int }

func (p *pointerInvoker) Invoke(context.Context, []byte) ([]byte, error) {
	p.calls++
	return nil, nil
}

func TestTypedNilsAreRefused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		source  sources.Source
		handler esm.Handler
		want    esm.Violation
	}{
		"source": {(*stub)(nil), esm.Records(nothing), esm.Violation{Field: "source", Value: "a nil *esm_test.stub", Bound: "must be a source"}},
		"handler": {sqsLike(), esm.Bytes((*pointerInvoker)(nil)), esm.Violation{
			Field: "handler", Value: "a nil *esm_test.pointerInvoker", Bound: "must be a handler made by Bytes, Typed, TypedResponse or Records",
		}},
		"handler's function": {sqsLike(), esm.Bytes(invoke(nil)), esm.Violation{
			Field: "handler", Value: "a nil esm_test.invoke", Bound: "must be a handler made by Bytes, Typed, TypedResponse or Records",
		}},
	} {
		_, err := esm.New(c.source, c.handler, esm.Config{RetryBackoff: retry.Backoff{}})
		refused, ok := errors.AsType[*esm.ConfigError](err)
		if !ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		equal(t, name, refused.Violations, []esm.Violation{c.want})
	}
}
