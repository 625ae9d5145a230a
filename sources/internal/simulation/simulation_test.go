package simulation

import "testing"

var models = []Kind{
	// The settler leaves it to the scheduler what goes first.
	{Name: "queue", Redelivers: true, Strays: true, New: Queue},
	{Name: "fifo", Redelivers: true, Grouped: true, Strays: true, New: Queue},
	{Name: "broker", Strays: true, New: Queue},
	{Name: "stream", Ordered: true, New: Stream},
}

func TestSeeds(t *testing.T) {
	t.Parallel()
	for _, kind := range models {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			const seeds = 30
			t.Log(Attack(t, kind, seeds, reachable(kind)...))
		})
	}
}

func TestKillAtEveryPoint(t *testing.T) {
	t.Parallel()
	for _, kind := range models {
		t.Run(kind.Name, func(t *testing.T) {
			t.Parallel()
			Enumerate(t, kind)
		})
	}
}
