package simulation

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// Attack simulates seeds of a kind, as many as it is told or as the flag
// -simulation.seeds says, and fails t with the first that breaks a promise: the
// seed, its scenario made as simple as it still fails, what happened, and the
// command that replays it. Some seeds are simulated twice, and must take the same
// course to the byte. Before them come those that failed once, see kept.
//
// reach names faults and rare branches that a thorough run must reach, one of ten
// times the seeds or more. Attack then goes on with more of them for what was not
// reached, and fails t if that takes too many. It returns how often each fault and
// each rare branch was reached.
func Attack(t *testing.T, kind Kind, seeds uint64, reach ...string) map[string]int {
	t.Helper()
	coverage := make(map[string]int)
	if *flagCatch {
		if seed, v := catch(t, kind, nil, *flagSeeds); v != nil {
			t.Fatalf("seed %d of %s breaks %v", seed, kind.Name, v)
		}
		return coverage
	}
	if *flagSeed >= 0 {
		seed := uint64(*flagSeed)
		r := simulate(t, kind, draw(kind, seed), nil)
		t.Log("\n" + strings.Join(r.History, "\n"))
		report(t, kind, seed, r)
		return coverage
	}
	const (
		thorough = 10  // times the seeds
		patience = 200 // times the seeds, and more for what is rare
	)
	first := firstSeed(t)
	enough, more := thorough*seeds, patience*seeds
	seeds = (seeds + slowdown - 1) / slowdown
	if *flagSeeds > 0 {
		seeds = *flagSeeds
	}
	const twice = 16 // one seed of so many is simulated again
	strays := strays{allowed: kind.Strays}
	for _, seed := range kept(t, kind) {
		add(coverage, play(t, kind, seed, &strays))
	}
	began := time.Now()
	count := uint64(0)
	for ; count < seeds || time.Since(began) < *flagFor; count++ {
		seed := first + count
		if seed%twice == 0 {
			add(coverage, play(t, kind, seed, &strays))
		} else {
			add(coverage, play(t, kind, seed, nil))
		}
	}
	strays.check(t, kind)
	if count >= enough {
		count += reached(t, kind, coverage, first+count, first+count+more, reach)
	}
	t.Logf("%d seeds of %s from %d on, %d steps, in %v", count, kind.Name, first, coverage["steps"], time.Since(began).Round(time.Millisecond))
	return coverage
}

// play simulates a seed, and again if it shall take the same course twice, which is counted
// in s. It need not under the race detector, with which the scheduler draws lots.
func play(t *testing.T, kind Kind, seed uint64, s *strays) Result {
	t.Helper()
	r := simulate(t, kind, draw(kind, seed), nil)
	report(t, kind, seed, r)
	if s != nil && slowdown == 1 && !kind.Drifts && settled(kind, draw(kind, seed)) {
		s.compare(t, kind, seed, r.History, simulate(t, kind, draw(kind, seed), nil).History)
	}
	return r
}

// strays counts the seeds that were simulated twice, and those that took two courses.
type strays struct {
	allowed         bool
	compared, other int
}

// compare counts a seed. Where none may stray it fails t if this one does.
func (s *strays) compare(t *testing.T, kind Kind, seed uint64, one, other []string) {
	t.Helper()
	s.compared++
	if s.allowed && !slices.Equal(one, other) {
		s.other++
		t.Logf("seed %d of %s takes two courses", seed, kind.Name)
		return
	}
	compare(t, kind, seed, one, other)
}

// check fails t if too many seeds took two courses.
func (s *strays) check(t *testing.T, kind Kind) {
	t.Helper()
	const one, in = 1, 10
	if s.other > one && s.other*in > s.compared {
		t.Errorf("%d of %d seeds of %s took two courses when they were simulated twice", s.other, s.compared, kind.Name)
	}
}

// catch simulates seeds of a kind until one of them breaks a promise, and returns it with
// what it broke; nil if none of so many does.
func catch(t *testing.T, kind Kind, broken wrap, seeds uint64) (uint64, *Violation) {
	t.Helper()
	for seed := *flagFirst; seed < *flagFirst+seeds; seed++ {
		if v := violation(t, kind, seed, broken); v != nil {
			return seed, v
		}
	}
	return 0, nil
}

// violation is what a seed breaks.
func violation(t *testing.T, kind Kind, seed uint64, broken wrap) *Violation {
	t.Helper()
	return simulate(t, kind, draw(kind, seed), broken).Violation
}

// add adds what a run reached.
func add(coverage map[string]int, r Result) {
	for what, n := range r.Coverage {
		coverage[what] += n
	}
	coverage["steps"] += r.Steps
}

// reached plays seeds from first on that may reach what of names was not reached
// yet, and fails t if those before the last were not enough. It returns how many it played.
func reached(t *testing.T, kind Kind, coverage map[string]int, first, last uint64, names []string) (count uint64) {
	t.Helper()
	for seed := first; ; seed++ {
		names = slices.DeleteFunc(slices.Clone(names), func(name string) bool { return coverage[name] > 0 })
		switch scenario := draw(kind, seed); {
		case len(names) == 0:
			return count
		case seed >= last:
			t.Errorf("the seeds of %s from %d to %d do not reach: %s", kind.Name, first, last, strings.Join(names, ", "))
			return count
		case slices.ContainsFunc(names, func(name string) bool { return promising(scenario, name) }):
			r := simulate(t, kind, scenario, nil)
			report(t, kind, seed, r)
			add(coverage, r)
			count++
		}
	}
}

// promising reports whether a scenario may reach something: if that is a fault,
// whether it has it; if it is rare, whether it has what it takes.
func promising(s Scenario, name string) bool {
	switch name {
	case poisonReached:
		return s.Poison > 0
	case tooLate:
		return s.Config.OnFailureTimeout > 0 && s.Faults[before(OpDeliver)] > 0
	}
	if m, odd := strings.CutPrefix(name, "handler "); odd {
		return s.Behaviors[behavior(m)] > 0
	}
	return s.Faults[Fault(name)] > 0 || !isFault(name)
}

// settled reports whether the course of a scenario is settled by its seed. On an
// ordered source it is not quite when records are finished without a call, by a
// filter or by a rule that drops them: the reader and the sub-lanes do that at one
// instant, so that the Go scheduler decides which of two positions is stored first.
// Nor is it when Jitter gives nothing: the engine's own randomness stands in; nor when
// lanes wait for room, for the scheduler decides which of them gets it.
func settled(kind Kind, s Scenario) bool {
	c := &s.Config
	drops := !s.Destination && (c.MaximumBatchBytes > 0 || c.MaximumRecordAge > 0 ||
		c.MaximumRetryAttempts != nil && *c.MaximumRetryAttempts >= 0)
	if s.Faults[FaultJitter] > 0 || !kind.Ordered && c.MaximumBufferedBytes > 0 {
		return false
	}
	return !kind.Ordered || s.Reject == 0 && !drops
}

// report fails t if a promise was broken.
func report(t *testing.T, kind Kind, seed uint64, r Result) {
	t.Helper()
	if r.Violation == nil {
		return
	}
	small := shrink(draw(kind, seed), func(s Scenario) bool {
		again := simulate(t, kind, s, nil)
		return again.Violation != nil && again.Violation.Promise == r.Violation.Promise
	})
	again := simulate(t, kind, small, nil)
	t.Fatalf("seed %d of %s breaks P%d\nthe simplest scenario that does:\n%v%s\n%v\n%s",
		seed, kind.Name, r.Violation.Promise, &small, tail(again.History), r.Violation, advice(t, kind, seed))
}

// tail is the end of a history.
func tail(history []string) string {
	const lines = 60
	return strings.Join(history[max(0, len(history)-lines):], "\n")
}

// compare fails t if a seed took two courses.
func compare(t *testing.T, kind Kind, seed uint64, one, other []string) {
	t.Helper()
	if slices.Equal(one, other) {
		return
	}
	for i := range one {
		if i >= len(other) || one[i] != other[i] {
			t.Fatalf("seed %d of %s takes two courses, from line %d on:\n%s\nand\n%s\n%s", seed, kind.Name, i,
				tail(one[:min(i+6, len(one))]), tail(other[max(0, i-2):min(i+6, len(other))]), advice(t, kind, seed))
		}
	}
	t.Fatalf("seed %d of %s takes two courses: %d lines and %d\n%s",
		seed, kind.Name, len(one), len(other), advice(t, kind, seed))
}

// Enumerate kills the process of a small scenario of a kind at every single
// point, before it and after it, one at a time, and fails t if one of these kills
// breaks a promise.
func Enumerate(t *testing.T, kind Kind) {
	t.Helper()
	scenario := small(kind)
	steps := simulate(t, kind, scenario, nil).Steps
	for step := range steps {
		for _, s := range []Scenario{{KillAt: step + 1}, {KillAfter: step + 1}} {
			c := scenario
			c.KillAt, c.KillAfter = s.KillAt, s.KillAfter
			if r := simulate(t, kind, c, nil); r.Violation != nil {
				t.Fatalf("a kill at a step of %s breaks %v\n%v%s", kind.Name, r.Violation, &c, tail(r.History))
			}
		}
	}
	t.Logf("%d kills of %s", 2*steps, kind.Name) //nolint:mnd // before and after
}

// small is the scenario for Enumerate: a few records, and a handler that fails
// some of them.
func small(kind Kind) Scenario {
	s := Scenario{
		Records: 6, Keys: 2, Size: 30, Partitions: 1, Visibility: 30 * time.Second, AckBatch: 1,
		Slowest: time.Second, Destination: kind.Ordered, Bytes: true,
		Behaviors: map[behavior]float64{behaviorError: 0.2, behaviorPartial: 0.3},
	}
	s.Config.BatchSize = 3
	s.Config.ReportBatchItemFailures = true
	s.Config.Timeout = 10 * time.Second
	if kind.Ordered {
		s.Config.ParallelizationFactor = 2
		s.Config.MaximumRetryAttempts = new(2)
	} else {
		s.Config.MaximumConcurrency = 2
		s.Redrive = 0
	}
	return s
}
