package simulation

import "testing"

var models = []Kind{
	{Name: "queue", Redelivers: true, New: Queue},
	{Name: "fifo", Redelivers: true, Grouped: true, New: Queue},
	{Name: "broker", New: Queue},
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
