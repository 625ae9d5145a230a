package sqs_test

import (
	"testing"

	"github.com/openesm/openesm/sources/internal/simulation"
)

// TestSimulation simulates whole mappings from seeds (P1 to P12): the engine,
// this adapter, the SDK's client and the wire fake of the service. Flags choose
// the seeds: -simulation.seeds, -simulation.first, -simulation.seed.
func TestSimulation(t *testing.T) {
	t.Parallel()
	const seeds = 10
	for _, kind := range simulated() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			t.Log(simulation.Attack(t, kind, seeds, reachable(kind)...))
		})
	}
}

// TestKillAtEveryPoint kills the process before and after each thing that
// happens (P12).
func TestKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	for _, kind := range simulated() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			simulation.Enumerate(t, kind)
		})
	}
}

// simulated are the two kinds of queues.
func simulated() []simulation.Kind {
	return []simulation.Kind{
		{Name: "sqs", Redelivers: true, Strays: true, New: standardWorld},
		{Name: "sqs-fifo", Redelivers: true, Grouped: true, Strays: true, New: groupedWorld},
	}
}

// reachable are the faults and the rare branches that the seeds must reach.
func reachable(kind simulation.Kind) []string {
	names := []string{
		"stop", "kill", "poison", "redriven", "released", "backed off", "extended", "batch of several",
		"visibility timeout changed", "beats hang",
		"throttle", "over limit", "5xx", "cut before", "cut after", "partial ack",
		"start before", "start after", "fetch before", "fetch after", "ack before", "ack after",
	}
	if !kind.Grouped {
		names = append(names, "duplicate", "stale receipt", "stale taken", "longer timeout", "deleted again",
			"release before", "started late")
	}
	return names
}
