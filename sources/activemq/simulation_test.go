package activemq_test

import (
	"testing"

	"github.com/openesm/openesm/sources/internal/simulation"
)

// TestSimulation simulates whole mappings from seeds (P1 to P12): the engine, this adapter
// and the fake of the broker. Flags choose the seeds: -simulation.seeds,
// -simulation.first, -simulation.seed.
func TestSimulation(t *testing.T) {
	t.Parallel()
	const seeds = 20
	for _, kind := range simulated() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			t.Log(simulation.Attack(t, kind, seeds, reachable()...))
		})
	}
}

// TestKillAtEveryPoint kills the process before and after each thing that happens (P12).
func TestKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	for _, kind := range simulated() {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			simulation.Enumerate(t, kind)
		})
	}
}

// simulated are queues of messages without groups and with them.
func simulated() []simulation.Kind {
	const ahead = 10_000 // what was asked for by lanes that have ended
	return []simulation.Kind{
		{Name: "activemq", Strays: true, Ahead: ahead, New: plainWorld},
		{Name: "activemq-grouped", Grouped: true, Strays: true, Ahead: ahead, New: groupedWorld},
	}
}

// reachable are the faults and the rare branches that the seeds must reach.
func reachable() []string {
	return []string{
		"stop", "kill", "poison", "batch of several", "cut", "start before", "start after", "fetch before", "ack before", "ack after",
	}
}
