package kinesis_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
)

// begun is how often each record was begun.
func (w *world) begun() map[string]int {
	w.mu.Lock()
	defer w.mu.Unlock()
	counts := make(map[string]int)
	for _, b := range w.batches {
		for _, number := range b.numbers {
			counts[number]++
		}
	}
	return counts
}

// begunOnce looks that no record was begun twice.
func (w *world) begunOnce() {
	w.t.Helper()
	twice, all := 0, w.begun()
	for _, n := range all {
		if n > 1 {
			twice++
		}
	}
	if twice > 0 {
		w.t.Errorf("P5: %d of %d records were begun twice", twice, len(all))
	}
}

// slowly is a handler that takes a while.
func slowly(d time.Duration) handle {
	return func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
		select {
		case <-time.After(d):
			return esm.Response{}, nil
		case <-ctx.Done():
			return esm.Response{}, ctx.Err()
		}
	}
}

// Workers join and leave, and begin no record twice: a shard that another worker asks
// for is finished and stored first.
func TestScaleOutBeginsNothingTwice_P5(t *testing.T) {
	t.Parallel()
	for _, fanOut := range []bool{false, true} {
		for takes, paced := range map[time.Duration]bool{time.Millisecond: true, 3 * time.Second: false, 14 * time.Second: true} {
			t.Run(fmt.Sprint("fan-out ", fanOut, ", ", takes), func(t *testing.T) {
				t.Parallel()
				inWorld(t, 4, func(t *testing.T, w *world) {
					if paced {
						w.paced()
					}
					scaleOut(t, w, fanOut, takes)
				})
			})
		}
	}
}

func scaleOut(t *testing.T, w *world, fanOut bool, takes time.Duration) {
	t.Helper()
	sent := 0
	trickle := func(seconds int) {
		for range seconds {
			w.send("", texts(sent, sent+8)...)
			sent += 8
			time.Sleep(time.Second)
		}
	}
	options := kinesis.Options{Worker: "one"}
	if fanOut {
		options.ConsumerName = "reader"
	}
	config := esm.Config{BatchSize: 1000, DrainTimeout: time.Minute}
	one := w.run(w.journal(slowly(takes)), options, config)
	trickle(20)
	options.Worker = "two"
	two := w.run(w.journal(slowly(takes)), options, config)
	trickle(60)
	time.Sleep(30 * time.Second)
	trickle(5)
	owners := map[string]int{}
	for _, shard := range w.Shards(telemetry) {
		owners[w.lease(shard.ID).Owner[:3]]++
	}
	if owners["one"] != 2 || owners["two"] != 2 {
		t.Errorf("owners %v, want two shards for each", owners)
	}
	one.end()
	w.until(sent, 2*time.Minute)
	two.end()
	w.allGivenBack()
	w.once()
	w.begunOnce()
}

// Whoever takes longer than he may is cut off, and begins again elsewhere.
func TestHandoverTimeout(t *testing.T) {
	t.Parallel()
	inWorld(t, 2, func(t *testing.T, w *world) {
		options := kinesis.Options{Worker: "one", HandoverTimeout: 5 * time.Second}
		config := esm.Config{BatchSize: 10, DrainTimeout: time.Minute}
		w.send("", texts(0, 10)...)
		one := w.run(w.journal(slowly(10*time.Minute)), options, config)
		time.Sleep(10 * time.Second)
		options.Worker = "two"
		two := w.run(w.journal(nil), options, config)
		took := w.wait(2*time.Minute, "the shard that moves is handled", func() bool { return w.finished() > 0 })
		if took < 5*time.Second || took > 40*time.Second {
			t.Errorf("the shard moves after %v", took)
		}
		one.cancel()
		if err := <-one.ended; err != nil && !errors.Is(err, esm.ErrDrainTimeout) { // it is cut off
			t.Errorf("Run returned %v", err)
		}
		w.until(10, 2*time.Minute)
		two.end()
	})
}

// A handler takes nearly all of its time limit, which is above 30 s, and is not cut off
// by a worker that joins, unless HandoverTimeout says so, which is warned of.
func TestHandoverWaitsForTheTimeLimit_P5(t *testing.T) {
	t.Parallel()
	for handover, warned := range map[time.Duration]bool{0: false, time.Minute: false, 59 * time.Second: true, -1: false} {
		t.Run(handover.String(), func(t *testing.T) {
			t.Parallel()
			inWorld(t, 2, func(t *testing.T, w *world) {
				var log bytes.Buffer
				options := kinesis.Options{
					Worker: "one", HandoverTimeout: handover, Logger: slog.New(slog.NewTextHandler(&log, nil)),
				}
				config := esm.Config{BatchSize: 10, Timeout: time.Minute, DrainTimeout: 2 * time.Minute}
				w.send("", texts(0, 10)...)
				one := w.run(w.journal(slowly(54*time.Second)), options, config)
				time.Sleep(time.Second)
				synctest.Wait()
				if got := strings.Contains(log.String(), "HandoverTimeout is shorter than Config.Timeout"); got != warned {
					t.Errorf("warned: %v, want %v", got, warned)
				}
				options.Worker, options.Logger = "two", nil
				two := w.run(w.journal(slowly(54*time.Second)), options, config)
				w.until(10, 10*time.Minute)
				time.Sleep(time.Minute)
				one.end()
				two.end()
				if handover >= 0 {
					w.begunOnce()
				}
			})
		})
	}
}
