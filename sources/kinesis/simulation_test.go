package kinesis_test

import (
	"testing"
	"time"

	"github.com/openesm/openesm/sources/internal/simulation"
)

// TestSimulation simulates whole mappings from seeds (P1 to P12): the engine,
// this adapter, the lease manager, the SDK's client, the wire fake of the service
// and a store that fails. Flags choose the seeds: -simulation.seeds,
// -simulation.first, -simulation.seed.
func TestSimulation(t *testing.T) {
	t.Parallel()
	const seeds = 4
	t.Log(simulation.Attack(t, simulated("kinesis", false), seeds,
		"stop", "kill", "poison", "batch of several", "bisect",
		"split", "merged", "stolen", "thief died", "asked", "handed over", "revoked while handled", "trimmed", "expired shard",
		"throttle", "5xx", "cut before", "cut after", "hung", "hung after", "blank answer", "null iterator", "denied", "expired iterator", "late end", "short answer", "empty answer",
		"late write", "late write refused", "late write taken", "same worker", "another worker", "taken back", "store out of reach",
		"start before", "start after", "accept before", "accept after", "fetch before", "fetch after",
		"ack before", "ack after", "close before", "close after",
	))
}

// TestFanOutSimulation does so with enhanced fan-out.
func TestFanOutSimulation(t *testing.T) {
	t.Parallel()
	const seeds = 2
	t.Log(simulation.Attack(t, simulated("kinesis-fan-out", true), seeds,
		"stop", "kill", "split", "merged", "stolen", "handed over", "trimmed", "expired shard",
		"throttle", "5xx", "cut before", "cut after", "hung", "exception in the stream", "taken over", "cut stream", "blank event", "denied",
		"same worker", "another worker", "taken back", "store out of reach",
	))
}

// TestKillAtEveryPoint kills the process before and after each thing that
// happens (P12): also while shards are split and merged, and started again under
// its old name and under another one.
func TestKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	for name, renamed := range map[string]bool{"same worker": false, "another worker": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			simulation.Enumerate(t, resharded("kinesis", false, renamed))
		})
	}
}

// TestFanOutKillAtEveryPoint does so with enhanced fan-out, and under another name.
func TestFanOutKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	simulation.Enumerate(t, resharded("kinesis-fan-out", true, true))
}

// resharded is a kind whose stream is split and merged.
func resharded(name string, fansOut, renamed bool) simulation.Kind {
	kind := simulated(name, fansOut)
	kind.New = func(s *simulation.Sim) simulation.World {
		w := newService(s, fansOut)
		w.reshards = true
		w.Renamed, w.LeaseDuration, w.options.IdleInterval = renamed, 10*time.Second, 10*time.Second
		s.After(100*time.Millisecond, "split", func() { w.split(0) })
		s.After(3*time.Second, "split again", func() { w.split(0) })
		s.After(6*time.Second, "merge", func() { w.merge(0) })
		return w
	}
	return kind
}

func simulated(name string, fansOut bool) simulation.Kind {
	return simulation.Kind{Name: name, Ordered: true, Strays: true, New: func(s *simulation.Sim) simulation.World {
		w := newService(s, fansOut)
		w.plan()
		return w
	}}
}
