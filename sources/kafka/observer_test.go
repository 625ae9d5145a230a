package kafka_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// errorsOf gathers the errors that an observer is told.
type errorsOf struct {
	mu  sync.Mutex
	all []esm.Observation
}

func (e *errorsOf) observe(o esm.Observation) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if o.Err != nil {
		e.all = append(e.all, o)
	}
}

func (e *errorsOf) loss() *kafka.LossError {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range e.all {
		if loss, ok := errors.AsType[*kafka.LossError](o.Err); ok {
			return loss
		}
	}
	return nil
}

func (e *errorsOf) has(text string) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.all, func(o esm.Observation) bool { return strings.Contains(o.Err.Error(), text) })
}

// count is how many failures say a text.
func (e *errorsOf) count(text string) (n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, o := range e.all {
		if strings.Contains(o.Err.Error(), text) {
			n++
		}
	}
	return n
}

// lost is what a source measures as lost.
func lost(source *kafka.Source) int {
	all := source.Measure(nil)
	i := slices.IndexFunc(all, func(m sources.Measure) bool { return m.Name == kafka.OffsetsLost })
	return all[i].Count
}

// follow runs a mapping of a source.
func (w *world) follow(source *kafka.Source, config esm.Config) *ledger {
	w.t.Helper()
	seen := newLedger()
	background(w.t, source, esm.Records(seen.handle), config)
	return seen
}

// handle is add as a handler.
func (l *ledger) handle(_ context.Context, records []sources.Record) (esm.Response, error) {
	l.add(records)
	return esm.Response{}, nil
}

// lagOf is what a source measures as the lag of a partition.
func lagOf(source *kafka.Source, partition string) (int, bool) {
	all := source.Measure(nil)
	i := slices.IndexFunc(all, func(m sources.Measure) bool { return m.Name == kafka.OffsetLag && m.Partition == partition })
	if i < 0 {
		return 0, false
	}
	return all[i].Count, true
}
