//go:build synctests

package kafkatopic_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/openesm/openesm/esm"
)

var (
	seeds = flag.Int("simulation.seeds", 30, "how many seeds to simulate")
	first = flag.Uint64("simulation.first", 0, "the first seed; 0 means what $SIMULATION_FIRST says")
	only  = flag.Int64("simulation.seed", -1, "the only seed to simulate")
	catch = flag.Bool("simulation.catch", false, "name the first promise that a seed breaks and do no more, for .ci/mutants")
)

// firstSeed is as that of package simulation.
func firstSeed(t *testing.T) uint64 {
	t.Helper()
	text := os.Getenv("SIMULATION_FIRST")
	if *first > 0 || text == "" {
		return *first
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SIMULATION_FIRST is no seed: %v", err)
	}
	return seed
}

// TestSimulation simulates deliveries from seeds: a few lanes with one client, the real
// one, on a network that fails, against the embedded broker. What must hold:
//
//   - An attempt ends with its context (P11).
//   - What is told as delivered is in the topic at that moment (P1), and so are the
//     neighbours of a record that fits in no form.
//   - Nothing is in the topic more often than lost answers excuse (P5).
//   - A message lacks its payload or its key only if the record itself is too large (P2).
//   - When the brokers are well again, all is delivered (P9).
func TestSimulation(t *testing.T) {
	t.Parallel()
	t.Run("kafkatopic", func(t *testing.T) {
		t.Parallel()
		from, n := firstSeed(t), *seeds
		if *only >= 0 {
			from, n = uint64(*only), 1
		}
		reached := make(map[string]int)
		for seed := from; seed < from+uint64(n); seed++ {
			synctest.Test(t, func(t *testing.T) { simulate(t, seed, reached) })
			if t.Failed() {
				return
			}
		}
		if n >= 300 && !*catch {
			wantReached(t, reached)
		}
	})
}

// wantReached holds the seeds to what they must reach.
func wantReached(t *testing.T, reached map[string]int) {
	t.Helper()
	for _, name := range []string{
		"cut before", "cut after", "hung before", "hung after", "late", "refused", "denied", "written and refused",
		"context ended", "topic deleted", "idempotent", "bare", "keyless", "hopeless", "too large together",
	} {
		if reached[name] == 0 {
			t.Errorf("no seed reached %q", name)
		}
	}
	t.Log(reached)
}

// breaksf reports a broken promise.
func (w *world) breaksf(promise, format string, args ...any) {
	w.t.Helper()
	w.t.Errorf("seed %d of kafkatopic breaks %s: %s", w.seed, promise, fmt.Sprintf(format, args...))
}

func simulate(t *testing.T, seed uint64, reached map[string]int) {
	t.Helper()
	w := newWorld(t, seed)
	lanes := make([][]*esm.FailureRecord, 1+w.random.IntN(4))
	for i, record := range w.failures() {
		lanes[i%len(lanes)] = append(lanes[i%len(lanes)], record)
	}
	w.trouble()
	for _, records := range lanes {
		w.work.Go(func() {
			for _, record := range records {
				w.deliver(record)
			}
		})
	}
	w.work.Wait()
	w.check()
	if t.Failed() {
		t.Logf("idempotent: %t, refusing: %v, rates %v, lost %d", w.idempotent, w.refusing, w.rates, w.lost)
	}
	for name, n := range w.reached {
		reached[name] += n
	}
}

// deliver delivers a failure record, in as many attempts as it takes.
func (w *world) deliver(record *esm.FailureRecord) {
	const healing, beside, several = 10 * time.Minute, 2 * time.Minute, 4 // after the last fault
	n := note{began: time.Now()}
	for {
		patience, pause := w.patience()
		err := w.attempt(record, patience)
		n.attempts++
		calm := time.Since(w.calmAt)
		if calm > patience {
			n.calm++
		}
		switch {
		case err == nil:
			n.delivered = true
		case w.isHopeless(record) && errors.Is(err, kerr.MessageTooLarge) && calm > beside && n.calm > several:
			w.reach("hopeless")
		case calm > healing:
			w.breaksf("P9", "a delivery still fails %v after the last fault: %v", calm, err)
			return
		default:
			if errors.Is(err, context.DeadlineExceeded) {
				n.ended++
				w.reach("context ended")
			}
			time.Sleep(pause)
			continue
		}
		n.passed = w.marks()
		w.note(record, n)
		return
	}
}

// attempt makes one attempt, which must end in time.
func (w *world) attempt(record *esm.FailureRecord, patience time.Duration) error {
	const limit, slack = 30 * time.Second, 10 * time.Millisecond
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	began := time.Now()
	err := w.destination.Deliver(ctx, record)
	if took := time.Since(began); took > min(patience, limit)+slack {
		w.breaksf("P11", "an attempt that has %v took %v", min(patience, limit), took)
	}
	return err
}

// check compares the topic with what was told.
func (w *world) check() {
	if err := w.client.Flush(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	found := w.topic()
	for record, n := range w.notes {
		for i := range record.Records {
			w.checkRecord(found, record, i, n)
		}
	}
}

func (w *world) checkRecord(found map[string][]message, record *esm.FailureRecord, i int, n note) {
	id := record.Records[i].ID
	size := w.sizes[id]
	before := 0
	for _, m := range found[id] {
		if m.offset < n.passed[m.partition] {
			before++
		}
		if m.payload != (size < tooLarge) || m.key != (size < tooLargeKey) {
			w.breaksf("P2", "record %.9s, %v, came with its payload: %t, its key: %t", id, size, m.payload, m.key)
		}
	}
	most := 1 + w.excused(n)
	switch {
	case size == hopeless && (n.delivered || len(found[id]) > 0):
		w.breaksf("P1", "a record that fits in no form is told as delivered: %t, and came %d times", n.delivered, len(found[id]))
	case size < hopeless && before == 0 && n.began.After(w.deleted):
		w.breaksf("P1", "record %s, %v, was not in the topic when its delivery was told; now it is %d times", id, size, len(found[id]))
	case len(found[id]) > most:
		w.breaksf("P5", "record %s, %v, came %d times in %d attempts, want %d at most", id, size, len(found[id]), n.attempts, most)
	}
}

// excused is how often each message may be in the topic once more. Who cannot tell
// whether it was written writes it again: of an idempotent client's messages what was
// refused since, which the client then takes for not written.
func (w *world) excused(n note) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case !w.deleted.IsZero(): // what is under way when the client learns the topic anew fails
		return w.lost + n.attempts
	case !w.idempotent:
		return w.lost + n.ended
	case w.refusing != nil || w.split:
		return w.lost
	default:
		return 0
	}
}
