package esm_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
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

// choices picks values by fuzzed bytes, the first one when they are used up.
type choices struct{ data []byte }

func pick[T any](c *choices, values ...T) T {
	if len(c.data) == 0 {
		return values[0]
	}
	value := values[int(c.data[0])%len(values)]
	c.data = c.data[1:]
	return value
}

// fuzzedConfig has values at and around the bounds; the first ones are the
// defaults.
func fuzzedConfig(c *choices) esm.Config {
	day, most := 24*time.Hour, time.Duration(math.MaxInt64)
	config := esm.Config{
		BatchSize:               pick(c, 0, 1, 2, 10, 11, 10_000, 10_001, -1),
		MaximumBatchingWindow:   pick(c, 0, esm.NoBatchingWindow, 1, time.Millisecond, time.Second, 300*time.Second, 301*time.Second, -2),
		MaximumBatchBytes:       pick(c, 0, 14, 15, 1000, 6_291_456, 6_291_457, -1),
		ReportBatchItemFailures: pick(c, false, true),
		MaximumConcurrency:      pick(c, 0, 1, 2, 1000, 1001, -1),
		ParallelizationFactor:   pick(c, 0, 1, 3, 10, 11, -1),
		MaximumRecordAge:        pick(c, 0, -1, time.Minute, 7*day, time.Minute-1, 7*day+1, -2),
		Timeout:                 pick(c, 0, 1, time.Millisecond, time.Second, 900*time.Second, 900*time.Second+1, -1),
		DrainTimeout:            pick(c, 0, 1, time.Hour, esm.NoDrainTimeout, -2),
		MaximumBufferedBytes:    pick(c, 0, 1, 1000, esm.DefaultBufferedBytes, esm.DefaultQueueBufferedBytes, -1),
		RetryBackoff: retry.Backoff{
			Initial: pick(c, 0, 1, time.Second, most, -1), Max: pick(c, 0, 1, time.Minute, most, -1),
		},
	}
	config.BisectBatchOnFunctionError = pick(c, false, true)
	if pick(c, false, true) {
		config.MaximumRetryAttempts = new(pick(c, 0, -1, 1, 10_000, 10_001, -2))
	}
	if pick(c, false, true) {
		config.OnFailure = esm.DestinationFunc(func(context.Context, *esm.FailureRecord) error { return nil })
	}
	if pick(c, false, true) {
		config.ProvisionedPollerConfig = &esm.ProvisionedPollerConfig{
			MinimumPollers: pick(c, 2, 0, 3, 201, -1), MaximumPollers: pick(c, 2, 0, 3, 10_001, -1),
		}
	}
	return config
}

// fuzzedSource is a source of some kind with twelve records in it, and how many
// of these are left.
func fuzzedSource(c *choices) (source sources.Source, left func() int) {
	kind := pick(c, "queue", "fifo", "ten", "in place", "stream", "windowed stream")
	if strings.HasSuffix(kind, "stream") {
		s := memory.NewStream(memory.StreamOptions{Partitions: 2})
		for _, body := range numbers(12) {
			s.Put(body, []byte(body))
		}
		s.End()
		return &stub{Source: s.Source("app"), traits: func(t sources.Traits) sources.Traits {
			if kind == "windowed stream" {
				t.Window.Default, t.WindowFromRecord = 500*time.Millisecond, true
			}
			return t
		}}, func() int { return s.Lag("app") }
	}
	q := memory.NewQueue(memory.QueueOptions{FIFO: kind == "fifo", VisibilityTimeout: 20 * time.Minute})
	for _, body := range numbers(12) {
		q.SendGroup("group-"+body[len(body)-1:], body)
	}
	q.End()
	return &stub{Source: q.Source(), traits: func(t sources.Traits) sources.Traits {
		switch kind {
		case "ten":
			t.UnwindowedBatchSize, t.AckBatch, t.AckLinger = 10, 10, 20*time.Millisecond
		case "in place":
			t.Redelivers = false
		}
		return t
	}}, q.Len
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzConfig makes mappings of any configuration. New names each violation, or
// else the mapping runs, within the configuration's bounds, and loses nothing.
func FuzzConfig(f *testing.F) {
	f.Add([]byte{}, []byte{}, false)
	f.Add([]byte{0, 5, 3, 3, 1, 1, 0, 0, 2}, []byte{2}, true)
	f.Add([]byte{0, 1, 1, 1, 0, 0, 3, 2, 1, 1, 1, 0, 0, 1, 1, 0, 1}, []byte{4}, false)
	f.Add([]byte{0, 7, 6, 6, 1, 5, 5, 6, 5, 3, 4, 4, 4, 1, 1, 5, 1, 1, 4, 4, 4, 2, 3, 1, 4, 4}, []byte{5}, true)
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 3, 3, 3, 1}, []byte{3}, false)
	for seed := range byte(48) {
		f.Add(noise(seed, int(seed)/2), noise(seed, 1), seed%2 == 0)
	}
	f.Fuzz(func(t *testing.T, fields, kind []byte, asBytes bool) {
		synctest.Test(t, func(t *testing.T) {
			c := &choices{fields}
			failFirst := pick(c, false, true)
			config := fuzzedConfig(c)
			source, left := fuzzedSource(&choices{kind})
			j := newJournal()
			var first sync.Once
			handle := func(_ context.Context, records []sources.Record) (esm.Response, error) {
				if most := source.Traits().BatchSize.Max; len(records) > most || config.BatchSize > 0 && len(records) > config.BatchSize {
					t.Errorf("a batch of %d records", len(records))
				}
				var err error
				if failFirst {
					first.Do(func() { err = errHandler })
				}
				return esm.Response{}, err
			}
			handler := j.handler(handle)
			if asBytes {
				handler = esm.Bytes(invoke(func(ctx context.Context, payload []byte) ([]byte, error) {
					if config.MaximumBatchBytes > 0 && len(payload) > config.MaximumBatchBytes {
						t.Errorf("an event document of %d bytes", len(payload))
					}
					_, err := handle(ctx, nil)
					return nil, err
				}))
			}
			m, err := esm.New(source, handler, j.config(config))
			if err != nil {
				checkRefusal(t, err)
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			if err := m.Run(ctx); err != nil {
				t.Errorf("Run: %v", err)
			}
			ended := j.count(esm.DeletedEventCount) + j.count(esm.CommittedEventCount)
			if ended+left() != 12 {
				t.Errorf("%d records were settled, %d are left of 12", ended, left())
			}
			fits := config.MaximumBatchBytes == 0 || config.MaximumBatchBytes > 900
			patient := config.RetryBackoff.Max <= time.Minute || !failFirst
			if fits && patient && left() > 0 {
				t.Errorf("%d records are left under %+v", left(), config)
			}
		})
	})
}

// invoke is a function as an Invoker.
type invoke func(ctx context.Context, payload []byte) ([]byte, error)

func (f invoke) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }

// checkRefusal looks that every violation says what is wrong with which field.
func checkRefusal(t *testing.T, err error) {
	t.Helper()
	refused, ok := errors.AsType[*esm.ConfigError](err)
	if !ok || len(refused.Violations) == 0 {
		t.Fatalf("New: %v", err)
	}
	for _, v := range refused.Violations {
		name, _, _ := strings.Cut(v.Field, ".")
		_, known := reflect.TypeFor[esm.Config]().FieldByName(name)
		if !known || v.Value == "" || v.Bound == "" || !strings.Contains(err.Error(), v.Field+" is "+v.Value+": "+v.Bound) {
			t.Errorf("violation %+v in %q", v, err)
		}
	}
}
