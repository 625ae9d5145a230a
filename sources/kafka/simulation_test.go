//go:build synctests

package kafka_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// The flags of esm/simulation, and one more.
var (
	flagSeeds = flag.Uint64("simulation.seeds", 0, "how many seeds to simulate; 0 means what the test says")
	flagFirst = flag.Uint64("simulation.first", 0, "the first seed")
	flagSeed  = flag.Int64("simulation.seed", -1, "simulate this seed only, -simulation.seeds times, and print its history")
	flagFails = flag.Int("simulation.failures", 1, "end when so many seeds have failed")
	flagFor   = flag.Duration("simulation.for", 0, "simulate seeds for so long")
)

// TestSimulation simulates whole mappings, one to three members of a group, from
// seeds (P1 to P12): the engine, this adapter, the real client on a network that
// fails, and the embedded broker. See simulation_world_test.go.
func TestSimulation(t *testing.T) {
	t.Parallel()

	if *flagSeed >= 0 {
		for range max(*flagSeeds, 1) {
			r := simulate(t, draw(uint64(*flagSeed)), true)
			t.Log("\n" + strings.Join(r.history, "\n"))
			report(t, uint64(*flagSeed), r)
		}

		return
	}

	const (
		usual    = 200
		patience = 10 // times the seeds, for what is rare
	)

	seeds := cmp.Or(*flagSeeds, usual)
	began := time.Now()
	coverage := make(map[string]int)
	seed, failures := *flagFirst, 0
	fixed := *flagSeeds > 0 || *flagFirst > 0 || *flagFor > 0

	for ; failures < *flagFails; seed++ {
		played := seed - *flagFirst
		more := played < seeds || time.Since(began) < *flagFor || !fixed && played < patience*seeds && len(unreached(coverage)) > 0

		if !more {
			break
		}

		r := simulate(t, draw(seed), false)
		failures += report(t, seed, r)
		add(coverage, r)
	}

	if missing := unreached(coverage); !fixed && failures == 0 && len(missing) > 0 {
		t.Errorf("%d seeds never reach: %s", seed, strings.Join(missing, ", "))
	}

	t.Logf("%d seeds in %v", seed-*flagFirst, time.Since(began).Round(time.Millisecond))

	for _, what := range slices.Sorted(maps.Keys(coverage)) {
		t.Logf("%7d %s", coverage[what], what)
	}
}

// add adds what a run reached.
func add(coverage map[string]int, r result) {
	for what, n := range r.coverage {
		if strings.HasPrefix(what, "peak ") {
			coverage[what] = max(coverage[what], n)
		} else {
			coverage[what] += n
		}
	}
}

// unreached are the faults and rare branches that were not reached.
func unreached(coverage map[string]int) []string {
	names := []string{
		"stop", "kill", "drain timeout", "poison", "poison of some partitions", "aborted transaction", "pinned",
		"batch of several", "batch of several partitions", "bisect", "later record done",
		"asked back", "asked back while handled", "kept too long", "lost", "lost while handled", "handled again", "handled twice at once",
		"delivered RetryAttemptsExhausted", "delivered RecordAgeExceeded", "delivered MaximumPayloadSizeExceeded",
		"records are lost", "loss told", cutBefore, cutAfter, slowAnswer, deliverBefore, deliverAfter,
	}
	names = slices.AppendSeq(names, maps.Keys(strikes()))

	for _, m := range moods() {
		names = append(names, "handler "+string(m))
	}

	names = slices.DeleteFunc(names, func(name string) bool { return coverage[name] > 0 })
	slices.Sort(names)

	return names
}

// report fails t if a promise was broken, and returns how many were.
func report(t *testing.T, seed uint64, r result) int {
	t.Helper()

	if r.violation == nil {
		return 0
	}

	scenario := draw(seed)
	t.Errorf("seed %d breaks P%d\n%v%s\n%v\nreplay: go test -tags synctests -run '^%s$' -simulation.seed=%d",
		seed, r.violation.promise, &scenario, tail(r.history), r.violation, t.Name(), seed)

	return 1
}

// tail is the end of a history.
func tail(history []string) string {
	const lines = 100

	return strings.Join(history[max(0, len(history)-lines):], "\n")
}

// watch ends the program if a simulation does not end: time does not go on in its
// bubble.
func watch(s *sim) *time.Timer {
	const patience = 2 * time.Minute

	return time.AfterFunc(patience, func() {
		s.observer.mu.Lock()
		fmt.Fprintf(os.Stderr, "seed %d hangs\n%v%s\n", s.seed, &s.scenario, tail(s.observer.history))
		s.observer.mu.Unlock()

		fmt.Fprintln(os.Stderr, stacks())
		os.Exit(2)
	})
}

// stacks are what all goroutines are doing.
func stacks() string {
	all := make([]byte, 1<<20)

	return string(all[:runtime.Stack(all, true)])
}
