package kinesis_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// aggregates is a bubble with a stream of one shard, in which are aggregated records,
// and a journal of what mappings did with it.
type aggregates struct {
	*kinesistest.Server

	t     *testing.T
	store checkpoint.Store

	mu      sync.Mutex
	handled []string // data of what was handled with success, in that order
	tried   []string // data of all that a handler saw
}

func withAggregates(t *testing.T, test func(t *testing.T, w *aggregates)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Helper()
		w := &aggregates{Server: kinesistest.New(), t: t, store: checkpoint.NewMemory()}
		t.Cleanup(func() {
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		})
		if err := w.AddStream(telemetry, 1); err != nil {
			t.Fatal(err)
		}
		test(t, w)
	})
}

// innerRecords are records whose keys are the first letters of their data.
func innerRecords(data ...string) []kinesistest.Record {
	all := make([]kinesistest.Record, len(data))
	for i, d := range data {
		all[i] = kinesistest.Record{Key: d[:1], Data: []byte(d)}
	}
	return all
}

// put puts one record with these inside.
func (w *aggregates) put(data ...string) string {
	w.t.Helper()
	return w.putRaw(kinesistest.Aggregate(innerRecords(data...)...))
}

// putRaw puts a record as it is.
func (w *aggregates) putRaw(data []byte) string {
	w.t.Helper()
	_, number, err := w.Put(telemetry, "outer", data)
	if err != nil {
		w.t.Fatal(err)
	}
	return number
}

func (w *aggregates) source(options kinesis.Options) *kinesis.Source {
	w.t.Helper()
	options.Jitter = func() float64 { return 0.5 }
	options.Worker = "worker"
	s, err := kinesis.New(w.Client(), telemetry, w.store, options)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// journal makes a handler that keeps the journal around f; nil succeeds.
func (w *aggregates) journal(f func(records []sources.Record) (failed []string, err error)) esm.Handler {
	return esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.tried = append(w.tried, innerData(records)...)
		var (
			failed []string
			err    error
		)
		if f != nil {
			failed, err = f(records)
		}
		if err != nil {
			return esm.Response{}, err
		}
		done := slices.IndexFunc(records, func(r sources.Record) bool { return slices.Contains(failed, r.ID) })
		if done < 0 {
			done = len(records)
		}
		w.handled = append(w.handled, innerData(records[:done])...)
		return esm.Response{BatchItemFailures: failed}, nil
	})
}

func innerData(records []sources.Record) []string {
	all := make([]string, len(records))
	for i := range records {
		all[i] = string(records[i].Data)
	}
	return all
}

// run runs a mapping until so many records were handled in all, or for half a minute.
func (w *aggregates) run(handler esm.Handler, options kinesis.Options, config esm.Config, handled int) {
	w.t.Helper()
	config.Logger = slog.New(slog.DiscardHandler)
	config.Jitter = func() float64 { return 0.5 }
	m, err := esm.New(w.source(options), handler, config)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	for range 3000 {
		time.Sleep(10 * time.Millisecond)
		if w.count() >= handled {
			break
		}
	}
	cancel()
	if err := <-ended; err != nil {
		w.t.Errorf("Run: %v", err)
	}
}

func (w *aggregates) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.handled)
}

// want holds what was handled so far to what it must be.
func (w *aggregates) want(when string, want ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Equal(w.handled, want) {
		w.t.Errorf("%s: handled %q, want %q", when, w.handled, want)
	}
}

// position is what is stored of the first shard.
func (w *aggregates) position() checkpoint.Position {
	w.t.Helper()
	leases, err := w.store.Leases(w.t.Context())
	if err != nil || len(leases) == 0 {
		w.t.Fatalf("leases: %v, %v", leases, err)
	}
	slices.SortFunc(leases, func(a, b checkpoint.Lease) int { return len(a.Parents) - len(b.Parents) })
	return leases[0].Position
}

// innerTexts are data from "a0" on, of so many keys in turn.
func innerTexts(n, keys int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%c%d", 'a'+rune(i%keys), i)
	}
	return all
}
