package simulation

import (
	"slices"
	"testing"
)

// reachable is every fault that applies to a kind of model, and every rare
// branch of it.
func reachable(kind Kind) []string {
	names := []string{"stop", "kill", "poison", "batch of several"}
	ops := []Op{OpStart, OpAccept, OpFetch, OpAck, OpClose}

	for _, m := range moods() {
		names = append(names, "handler "+string(m))
	}

	if kind.Ordered {
		ops = append(ops, OpDeliver)
		names = append(names, "shard split", "shards merged", "shard lost", "partial progress", "bisect",
			"delivered RetryAttemptsExhausted", "delivered RecordAgeExceeded", "delivered MaximumPayloadSizeExceeded")
	} else {
		ops = append(ops, OpRelease, OpFail)
		names = append(names, string(FaultPartialAck))
	}

	if kind.Redelivers {
		names = append(names, "redriven")
	}

	// A message of a group is handed out to one receiver only.
	if kind.Redelivers && !kind.Grouped {
		names = append(names, string(FaultDuplicate), string(FaultStaleTaken), "stale receipt")
	}

	for _, op := range ops {
		names = append(names, string(before(op)), string(after(op)))
	}

	return names
}

// reach goes on after so many seeds until all that is reachable was reached, with
// seeds that may reach what was not.
func reach(t *testing.T, kind Kind, coverage map[string]int, seeds uint64) {
	t.Helper()

	const most = 6000

	names := reachable(kind)

	for seed := seeds; seed < most; seed++ {
		names = slices.DeleteFunc(names, func(name string) bool { return coverage[name] > 0 })
		if len(names) == 0 {
			return
		}

		scenario := draw(kind, seed)
		if !slices.ContainsFunc(names, func(name string) bool { return promising(scenario, name) }) {
			continue
		}

		r := simulate(t, kind, scenario, nil)
		report(t, kind, seed, r)

		for what, n := range r.Coverage {
			coverage[what] += n
		}
	}

	Reached(t, coverage, names...)
}

// promising reports whether a scenario may reach something: if that is a fault,
// whether it has it.
func promising(s Scenario, name string) bool {
	return s.Faults[Fault(name)] > 0 || !slices.Contains(faults(), Fault(name))
}
