package dynamodbstreams_test

import (
	"testing"
	"time"

	"github.com/openesm/openesm/sources/internal/simulation"
)

// TestSimulation simulates whole mappings from seeds (P1 to P12): the engine,
// this adapter, the lease manager, the SDK's client, the wire fake of the service
// and a store that fails, while shards roll over and split, and workers come, go and
// die. Flags choose the seeds: -simulation.seeds, -simulation.first, -simulation.seed.
func TestSimulation(t *testing.T) {
	t.Parallel()
	const seeds = 4
	t.Log(simulation.Attack(t, simulatedKind(), seeds,
		"stop", "kill", "poison", "batch of several", "bisect",
		"rolled over", "split", "late children", "stolen", "thief died", "asked", "handed over", "trimmed", "expired shard",
		"throttle", "5xx", "cut before", "cut after", "hung", "hung after", "blank answer", "denied", "expired iterator", "late end",
		"short answer", "empty answer", "short page", "empty page", "filter ignored", "open parent",
		"late write", "same worker", "another worker", "taken back", "store out of reach",
	))
}

// TestKillAtEveryPoint kills the process before and after each thing that happens (P12):
// also while shards roll over and split, and started again under its old name and under
// another one.
func TestKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	for name, renamed := range map[string]bool{"same worker": false, "another worker": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kind := simulatedKind()
			kind.New = func(s *simulation.Sim) simulation.World {
				w := newSimulatedService(s)
				w.Renamed, w.LeaseDuration, w.options.IdleInterval = renamed, 10*time.Second, 10*time.Second
				s.After(100*time.Millisecond, "split", func() { w.reshard(1) })
				s.After(3*time.Second, "roll over", func() { w.reshard(0) })
				s.After(6*time.Second, "roll over again", func() { w.reshard(0) })
				return w
			}
			simulation.Enumerate(t, kind)
		})
	}
}

func simulatedKind() simulation.Kind {
	return simulation.Kind{
		Name: "dynamodbstreams", Ordered: true, Strays: true, ReadsAhead: true,
		New: func(s *simulation.Sim) simulation.World {
			w := newSimulatedService(s)
			w.plan()
			return w
		},
	}
}
