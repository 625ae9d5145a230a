package kinesis_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb"
	"github.com/openesm/openesm/sources/checkpoint/dynamodb/dynamodbtest"
	"github.com/openesm/openesm/sources/checkpoint/file"
	"github.com/openesm/openesm/sources/kinesis"
)

// stores are the stores that a source may be given, empty.
func stores(t *testing.T) map[string]func() checkpoint.Store {
	t.Helper()
	return map[string]func() checkpoint.Store{
		"memory": func() checkpoint.Store { return checkpoint.NewMemory() },
		"file": func() checkpoint.Store {
			store, err := file.Open(filepath.Join(t.TempDir(), "positions"), file.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = store.Close() })
			return store
		},
		"dynamodb": func() checkpoint.Store {
			store := unmadeTable(t)
			if err := store.CreateTable(t.Context()); err != nil {
				t.Fatal(err)
			}
			return store
		},
	}
}

// unmadeTable is a store whose table was not created.
func unmadeTable(t *testing.T) *dynamodb.Store {
	t.Helper()
	server := dynamodbtest.New()
	t.Cleanup(func() { _ = server.Close() })
	store, err := dynamodb.New(server.Client(), "positions", dynamodb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestStoreOfAnotherStreamIsRefused gives two streams one store, whose shards bear the
// same IDs: one after the other, and both at once.
func TestStoreOfAnotherStreamIsRefused_P1(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"memory", "file", "dynamodb"} {
		for _, second := range []time.Duration{0, time.Minute} {
			t.Run(name+" after "+second.String(), func(t *testing.T) {
				t.Parallel()
				inWorld(t, 2, func(t *testing.T, w *world) {
					const other = "arn:aws:kinesis:eu-west-1:123456789012:stream/other"
					w.store = stores(t)[name]()
					if err := w.AddStream(other, 2); err != nil {
						t.Fatal(err)
					}
					a := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
					time.Sleep(second)
					source, err := kinesis.New(w.Client(), other, w.store, kinesis.Options{})
					if err != nil {
						t.Fatal(err)
					}
					b := w.runSource(source, w.journal(nil), esm.Config{})
					time.Sleep(time.Minute)
					if second > 0 {
						w.send("", numbered(0, 10)...)
						w.until(10, time.Minute)
					}
					_, errA := a.stop()
					_, errB := b.stop()
					refused := 0
					for _, err := range []error{errA, errB} {
						if errors.Is(err, sources.ErrUnusable) && strings.Contains(err.Error(), "a store of its own") {
							refused++
						} else if err != nil {
							t.Errorf("Run: %v", err)
						}
					}
					if refused == 0 || second > 0 && errA != nil {
						t.Errorf("the first stream ended with %v, the second with %v; want one refused, and not who came first", errA, errB)
					}
				})
			})
		}
	}
}

// TestStoreOfAnOlderReleaseIsTakenOver has leases that do not name their stream.
func TestStoreOfAnOlderReleaseIsTakenOver(t *testing.T) {
	t.Parallel()
	inWorld(t, 2, func(t *testing.T, w *world) {
		w.send("", numbered(0, 10)...)
		w.kclRows(checkpoint.TrimHorizon)
		m := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
		w.until(10, time.Minute)
		m.end()
		if l := w.lease(firstShard); l.Stream != telemetry {
			t.Errorf("lease %+v, want it to name its stream", l)
		}
	})
}
