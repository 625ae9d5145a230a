package sqs_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// longPoll is how long a receive of the adapter may wait.
const longPoll = 20 * time.Second

// Mapping stop strands nothing (P1, P11).
func TestMappingStopStrandsNothing(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]esm.Config{
		"one":    {BatchSize: 1},
		"ten":    {},
		"window": {BatchSize: 50, MaximumBatchingWindow: 10 * time.Second, Timeout: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", nil, func(t *testing.T, w *world) {
				const messages = 30
				r := w.run(w.journal(nil), sqs.Options{}, config)

				// In mid-poll: five long polls are open.
				time.Sleep(7 * time.Second)
				go func() {
					time.Sleep(4 * time.Second)
					_, err := w.Send("orders", numbers(messages)...)
					if err != nil {
						w.t.Error(err)
					}
				}()
				took, err := r.stop()
				if err != nil || took > longPoll-7*time.Second {
					t.Errorf("Run: %v after %v, want nil within the rest of the long poll", err, took)
				}
				time.Sleep(max(0, 5*time.Second-took)) // if Run returned before they were sent

				// What the polls brought was handled, and cost none of the others a receive.
				handled := 0
				for _, batch := range w.log() {
					handled += len(batch.bodies)
				}
				w.left(sqstest.Counts{Visible: messages - handled, Deleted: handled})
				for _, m := range w.Messages("orders") {
					if m.Receives > 0 {
						t.Errorf("%q was received and not handled", m.Body)
					}
				}
			})
		})
	}
}

// TestMappingStopsAtAnyMoment has messages flow while it stops, again and
// again: what was not handled is to be had at once (P1, P5, P11, P12).
func TestMappingStopsAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"orders", "orders.fifo"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, name, nil, func(t *testing.T, w *world) {
				const rounds, each = 25, 12
				w.setFaults(func(sqstest.Call) sqstest.Fault { return sqstest.Fault{Delay: 3 * time.Millisecond} })
				var gauge gauge
				bodies := numbers(rounds * each)
				for i := range rounds {
					r := w.run(w.journal(gauge.around(5*time.Millisecond)), sqs.Options{WaitTime: time.Second}, esm.Config{BatchSize: 1 + i%10})
					for _, body := range bodies[i*each : (i+1)*each] {
						if name == "orders" {
							w.send("", body)
						} else {
							w.send("group-"+body[len(body)-1:], body)
						}
					}
					time.Sleep(time.Duration(i) * time.Millisecond)
					r.end()
					if c := w.Counts(name); c.InFlight != 0 || c.Visible+c.Deleted != (i+1)*each {
						t.Fatalf("round %d: %+v, want nothing in flight", i, c)
					}
				}
				r := w.run(w.journal(nil), sqs.Options{}, esm.Config{})
				w.until(rounds*each, time.Minute)
				r.end()
				w.once(bodies)
			})
		})
	}
}

// Mapping stop lets the batch end (P2, P11).
func TestMappingStopLetsTheBatchEnd(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		_, err := w.Send("orders", numbers(60)...)
		if err != nil {
			t.Fatal(err)
		}
		var gauge gauge
		r := w.run(w.journal(gauge.around(10*time.Second)), sqs.Options{WaitTime: time.Second}, esm.Config{BatchSize: 1})
		time.Sleep(time.Second)
		took, err := r.stop()
		if err != nil || took > 11*time.Second {
			t.Errorf("Run: %v after %v", err, took)
		}
		handled := len(w.log())
		w.left(sqstest.Counts{Deleted: handled, Visible: 60 - handled})
		w.once(w.bodies())
	})
}

// bodies are those of all batches.
func (w *world) bodies() []string {
	var all []string
	for _, b := range w.log() {
		all = append(all, b.bodies...)
	}
	return all
}

// TestMappingStopIsCut stops with less patience than a long poll takes: it is
// cut once the drain timeout and five seconds for settling are over.
func TestMappingStopIsCut_P11(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		r := w.run(w.journal(nil), sqs.Options{}, esm.Config{DrainTimeout: time.Second})
		time.Sleep(time.Second)
		took, err := r.stop()
		if took > 7*time.Second || err != nil {
			t.Errorf("Run: %v after %v, want it to be cut", err, took)
		}

		// A poll that was cut is known to the service, and takes nothing.
		synctest.Wait()
		w.send("", "later")
		synctest.Wait()
		w.left(sqstest.Counts{Visible: 1})
	})
}

// Mapping drain timeout cancels handlers (P11, P12).
func TestMappingDrainTimeoutCancelsHandlers(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		const messages = 20
		_, err := w.Send("orders", numbers(messages)...)
		if err != nil {
			t.Fatal(err)
		}
		var canceled atomic.Int64
		r := w.run(w.journal(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			<-ctx.Done()
			canceled.Add(1)
			return esm.Response{}, ctx.Err()
		}), sqs.Options{}, esm.Config{BatchSize: 1, DrainTimeout: 2 * time.Second})
		time.Sleep(time.Second)
		took, err := r.stop()
		if !errors.Is(err, esm.ErrDrainTimeout) || took > 8*time.Second {
			t.Errorf("Run: %v after %v, want %v", err, took, esm.ErrDrainTimeout)
		}
		n := len(w.log())
		if int(canceled.Load()) != n || n == 0 {
			t.Errorf("%d of %d handlers were cancelled", canceled.Load(), n)
		}
		w.left(sqstest.Counts{InFlight: n, Visible: messages - n})

		// The restart gets all of it: the rest at once, what was begun when its
		// visibility timeout ends.
		again := w.run(w.journal(nil), sqs.Options{}, esm.Config{})
		w.until(messages-n, time.Second)
		if took := w.until(messages, time.Minute); took > time.Minute {
			t.Errorf("the restart took %v", took)
		}
		again.end()
		w.left(sqstest.Counts{Deleted: messages})
	})
}

// TestMappingsShareAQueue has two mappings compete, of which one
// stops in the midst of it (SQS-13, P12).
func TestMappingsShareAQueue(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(_ *testing.T, w *world) {
		const messages = 100
		var gauge gauge
		one := w.run(w.journal(gauge.around(time.Second)), sqs.Options{}, esm.Config{BatchSize: 1})
		two := w.run(w.journal(gauge.around(time.Second)), sqs.Options{}, esm.Config{BatchSize: 1})
		for _, body := range numbers(messages) {
			w.send("", body)
			time.Sleep(50 * time.Millisecond)
		}
		one.end()
		w.until(messages, time.Minute)
		two.end()
		w.once(numbers(messages))
	})
}

// A poll that began later than those of the other lanes outlasts a whole long poll that
// brought them nothing. What it brings after the stop is handled all the same.
func TestMappingStopHandlesWhatTheLastPollBrings_P5(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		w.redrive(time.Minute, "dead", 1)
		r := w.run(w.journal(nil), sqs.Options{}, esm.Config{})
		time.Sleep(10 * time.Second)
		w.send("", "early") // its lane polls anew, until 30 s
		time.Sleep(9500 * time.Millisecond)
		sent := make(chan struct{})
		time.AfterFunc(5500*time.Millisecond, func() { defer close(sent); w.send("", "late") })
		if took, err := r.stop(); err != nil || took > 11*time.Second {
			t.Errorf("Run: %v after %v, want nil within the rest of the last poll", err, took)
		}
		<-sent // its answer may still be under way
		w.once([]string{"early", "late"})
		w.left(sqstest.Counts{Deleted: 2})
	})
}
