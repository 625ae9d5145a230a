package kinesis_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
)

// sum is the state of a window in these tests.
type sum struct {
	Records int `json:"records"`
}

// summing is a handler that counts the records of each window in its state, and notes
// what the final invocation gets.
func summing(final func(w esm.Window, total int)) handle {
	return func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		window, ok := esm.WindowOf(ctx)
		if !ok {
			return esm.Response{}, errHandler
		}
		var s sum
		err := json.Unmarshal(window.State, &s)
		if err != nil {
			return esm.Response{}, err
		}
		if window.Final {
			final(window, s.Records)
			return esm.Response{}, nil
		}
		s.Records += len(records)
		state, err := json.Marshal(s)
		return esm.Response{State: state}, err
	}
}

// TestWindowOverRestarts stops the mapping in the middle of windows: each record is in
// one sum, once (KIN-170, KIN-172, KIN-174, KIN-186, P12).
func TestWindowOverRestarts(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		const length = time.Minute
		sums := map[string]int{}
		handler := w.journal(summing(func(window esm.Window, total int) {
			w.mu.Lock()
			defer w.mu.Unlock()
			sums[window.Start.UTC().Format(time.TimeOnly)] += total
		}))
		config := esm.Config{BatchSize: 5, TumblingWindow: length, MaximumBatchingWindow: 2 * time.Second}
		want := map[string]int{}
		for i := range 12 {
			r := w.run(handler, kinesis.Options{}, config)
			for j := range 6 {
				want[time.Now().UTC().Truncate(length).Format(time.TimeOnly)]++
				w.send("k", fmt.Sprint(i, j))
				time.Sleep(3 * time.Second)
			}
			r.end()
		}
		r := w.run(handler, kinesis.Options{}, config)
		w.until(72, time.Minute)
		time.Sleep(5 * time.Minute) // KIN-182
		r.end()
		w.once()
		if fmt.Sprint(sums) != fmt.Sprint(want) {
			t.Errorf("sums %v, want %v", sums, want)
		}
		if l := w.lease(firstShard); l.Window != nil {
			t.Errorf("window %s is stored, and none is open", l.Window)
		}
	})
}

// TestWindowAtShardEnd closes the parent's window before its children are read, which
// begin with an empty state.
func TestWindowAtShardEnd_KIN183(t *testing.T) {
	t.Parallel()
	for name, restart := range map[string]bool{"in one run": false, "with a restart": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				var totals []int
				handler := w.journal(summing(func(_ esm.Window, total int) {
					w.mu.Lock()
					defer w.mu.Unlock()
					totals = append(totals, total)
					if len(totals) == 1 && len(w.done) > 7 {
						w.problems = append(w.problems, "KIN-183: a child was begun before the window of its parent was closed")
					}
				}))
				config := esm.Config{TumblingWindow: 15 * time.Minute}
				w.send("k", texts(0, 7)...)
				r := w.run(handler, kinesis.Options{}, config)
				w.until(7, time.Minute)
				w.wait(time.Minute, "window stored", func() bool { return w.lease(firstShard).Window != nil })
				if restart {
					r.end()
				}
				_, err := w.Split(telemetry, firstShard)
				if err != nil {
					t.Fatal(err)
				}
				w.send("k", texts(7, 10)...)
				if restart {
					r = w.run(handler, kinesis.Options{}, config)
				}
				w.until(10, 2*time.Minute)
				if l := w.lease(firstShard); !l.Position.Ended() || l.Window != nil {
					t.Errorf("lease of the parent: %+v", l)
				}
				time.Sleep(20 * time.Minute)
				r.end()
				w.once()
				if fmt.Sprint(totals) != "[7 3]" {
					t.Errorf("totals %v, want 7 and 3", totals)
				}
			})
		})
	}
}
