package esm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// wrapper is a source that wraps another and names none of its abilities: a wrapper
// for tracing, say. So are its partitions.
type wrapper struct{ source sources.Source }

func (w wrapper) Unwrap() sources.Source          { return w.source }
func (w wrapper) Traits() sources.Traits          { return w.source.Traits() }
func (w wrapper) Close(ctx context.Context) error { return w.source.Close(ctx) }
func (w wrapper) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := w.source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return wrapperPartition{p}, nil
}

type wrapperPartition struct{ partition sources.Partition }

func (w wrapperPartition) Unwrap() sources.Partition { return w.partition }
func (w wrapperPartition) ID() string                { return w.partition.ID() }
func (w wrapperPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	return w.partition.Fetch(ctx, buf, wait)
}
func (w wrapperPartition) Ack(ctx context.Context, records []sources.Record) error {
	return w.partition.Ack(ctx, records)
}
func (w wrapperPartition) Close(ctx context.Context) error { return w.partition.Close(ctx) }

// able is a source that has every ability, and tells which were used.
type able struct {
	sources.Source
	mu   sync.Mutex
	used map[string]bool
}

func (a *able) use(ability string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.used == nil {
		a.used = map[string]bool{}
	}
	a.used[ability] = true
}

func (a *able) all() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var all []string
	for ability := range a.used {
		all = append(all, ability)
	}
	slices.Sort(all)
	return all
}

func (a *able) Start(context.Context, sources.Settings) error {
	a.use("Starter")
	return nil
}

func (a *able) AppendEvent(dst []byte, partition string, records []sources.Record) []byte {
	a.use("EventAppender")
	return a.Source.(sources.EventAppender).AppendEvent(dst, partition, records)
}

func (a *able) Filtering() sources.Filtering {
	a.use("Filterer")
	return a.Source.(sources.Filterer).Filtering()
}

func (a *able) RecordID(item []byte) (string, bool) {
	a.use("Identifier")
	return strings.Trim(string(item), `"`), true
}

func (a *able) Measure(dst []sources.Measure) []sources.Measure {
	a.use("Meter")
	return dst
}

func (a *able) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := a.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &ablePartition{p, a}, nil
}

type ablePartition struct {
	sources.Partition
	source *able
}

func (p *ablePartition) Release(context.Context, []sources.Record) error {
	p.source.use("Releaser")
	return nil
}

func (p *ablePartition) Fail(context.Context, []sources.Record) error {
	p.source.use("Failer")
	return nil
}

func (p *ablePartition) OnRevoke(func(), func()) { p.source.use("Revocable") }

func (p *ablePartition) Window() []byte {
	p.source.use("WindowKeeper")
	return p.Partition.(sources.WindowKeeper).Window()
}

func (p *ablePartition) AckWindow(ctx context.Context, records []sources.Record, window []byte) error {
	return p.Partition.(sources.WindowKeeper).AckWindow(ctx, records, window)
}

func (p *ablePartition) AppendBatchInfo(dst []byte, _ []sources.Record) []byte {
	p.source.use("BatchDescriber")
	return append(dst, `"Info":{}`...)
}

func (p *ablePartition) AppendRecordInfo(dst []byte, _ *sources.Record) []byte {
	p.source.use("RecordDescriber")
	return append(dst, `"Info":{}`...)
}

func TestWrapperThatUnwrapsKeepsEveryAbility(t *testing.T) {
	pattern := esm.FilterCriteria{Filters: []string{`{"body":[{"exists":true}]}`, `{"partitionKey":[{"exists":true}]}`}}
	bubble(t, func(t *testing.T) {
		queue := &able{Source: queueOf(memory.QueueOptions{}, numbers(4)...).Source()}
		j := newJournal()
		calls := 0
		handler := esm.Bytes(invoke(func(ctx context.Context, _ []byte) ([]byte, error) {
			if calls++; calls > 2 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return fmt.Appendf(nil, `{"batchItemFailures":[{"itemIdentifier":"nobody"}]}`), nil
		}))
		config := j.config(esm.Config{BatchSize: 1, MaximumConcurrency: 1, FilterCriteria: pattern, ReportBatchItemFailures: true, DrainTimeout: time.Second})
		config.FilterCriteria.Filters = config.FilterCriteria.Filters[:1]
		stop := background(t, mustNew(t, wrapper{wrapper{queue}}, handler, config))
		time.Sleep(11 * time.Second)
		_, err := stop()
		if !errors.Is(err, esm.ErrDrainTimeout) {
			t.Errorf("Run: %v", err)
		}
		equal(t, "abilities of a queue", queue.all(), []string{"EventAppender", "Failer", "Filterer", "Identifier", "Meter", "Revocable", "Starter"})
		s := streamOf("poison", "b")
		s.End()
		stream := &able{Source: s.Source("app")}
		mustRun(t, mustNew(t, wrapper{wrapper{stream}}, j.handler(failIf("poison")), j.config(esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(0), TumblingWindow: 10 * time.Second,
			OnFailure: esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
				_, err := record.Marshal(esm.NoPayload)
				_, second := record.Record(0).Marshal(esm.NoPayload)
				return errors.Join(err, second)
			}),
		})))
		equal(t, "abilities of a stream", stream.all(), []string{"BatchDescriber", "RecordDescriber", "Revocable", "Starter", "WindowKeeper"})
	})
}

// Records that were fetched and not started go back through a wrapper too.
func TestWrapperThatUnwrapsReleases_P1(t *testing.T) {
	bubble(t, func(t *testing.T) {
		source := &able{Source: streamOf(numbers(50)...).Source("app")}
		j := newJournal()
		stop := background(t, mustNew(t, wrapper{source}, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1})))
		synctest.Wait()
		_, err := stop()
		equal(t, "Run", err, nil)
		if !slices.Contains(source.all(), "Releaser") {
			t.Errorf("used: %v", source.all())
		}
	})
}

func TestObservationsSayTheirKind(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var mu sync.Mutex
		kinds := map[esm.Metric]esm.Kind{}
		observe := func(o esm.Observation) {
			mu.Lock()
			defer mu.Unlock()
			kinds[o.Metric] = o.Kind
		}
		for _, ordered := range []bool{false, true} {
			source, _ := fifty(ordered)
			config := newJournal().config(esm.Config{})
			config.Observer = observe
			mustRun(t, mustNew(t, source, newJournal().handler(nil), config))
		}
		equal(t, "kinds", fmt.Sprint(kinds), fmt.Sprint(map[esm.Metric]esm.Kind{
			esm.PolledEventCount: esm.Counter, esm.InvokedEventCount: esm.Counter, esm.DeletedEventCount: esm.Counter,
			esm.CommittedEventCount: esm.Counter, esm.ConcurrentLanes: esm.Gauge, esm.IteratorAge: esm.Histogram,
		}))
	})
}
