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
	flagSeed  = flag.Int64("simulation.seed", -1, "simulate this seed only, as often as it takes to fail, but not more than -simulation.seeds times, and print its history")
	flagFails = flag.Int("simulation.failures", 1, "end when so many seeds have failed")
	flagFor   = flag.Duration("simulation.for", 0, "simulate seeds for so long")
)

// TestSimulation simulates whole mappings from seeds (P1 to P12): one to three members
// of a group, each with the engine, this adapter and the real client, on a network
// that fails, against the embedded broker.
//
// # A run
//
// A seed draws a scenario: the topic, the group and its protocol, the configuration of
// the mappings, handlers that fail, hang, panic or name some records, members that are
// started, stopped and killed, what strikes the group, and how likely single requests
// are lost. One scenario in five is calm: nothing goes wrong, but members come and go.
// It is played in a bubble of testing/synctest. First the weather is bad. Then nothing
// strikes any more, and after a while only poison is not handled: it may hold up its own
// partition. In the end everything works, and all must be handled and committed, and
// the mappings stop.
//
// The observer knows what was sent where, what each handler got and what came of it,
// and what the broker has: it sees each request before the broker does, and looks at the
// group's offsets after each commit. It holds all of it against the promises (the
// functions named check in simulation_promise_test.go, and the callers of breaks).
//
// # What is legitimate
//
// A member that the group has thrown out, because it was cut off or killed, does not
// know it until it is told. Until then its records may be handled by the next owner too.
// It must not commit any more. The committed offset of a partition never goes back, and
// never passes a record that nobody has finished, whoever commits it, and after whatever
// loss; the one exception is a group that has read nothing, whose start two members
// may look up at the same time. Records that are deleted are lost, which some mapping
// must tell, unless it is killed. With Latest a partition whose offset is gone goes on at
// its end.
//
// # What the embedded broker does otherwise
//
// See control, keepAlive and sweep in simulation_world_test.go.
//
// # Replaying a seed
//
// The scenario, and what happens when from outside, follow from the seed; what goes on
// between depends on the Go scheduler and on the client's own randomness. Of a hundred
// seeds a sixth takes the same course twice, and the others part early. A seed that has
// failed fails again within some tries; so that is what -simulation.seed does.
func TestSimulation(t *testing.T) {
	t.Parallel()

	if *flagSeed >= 0 {
		replay(t, uint64(*flagSeed))

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

// replay plays a seed until it fails, and prints what happened.
func replay(t *testing.T, seed uint64) {
	t.Helper()

	const usual = 20

	for tries := cmp.Or(*flagSeeds, usual); tries > 0; tries-- {
		r := simulate(t, draw(seed), true)
		if r.violation == nil && tries > 1 {
			continue
		}

		t.Log("\n" + strings.Join(r.history, "\n"))
		report(t, seed, r)

		return
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
	t.Errorf("seed %d breaks P%d\n%v%s\n%v\nreplay, which may take some tries: go test -tags synctests -run '^%s$' ./sources/kafka -simulation.seed=%d",
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
