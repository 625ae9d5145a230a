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
			if *flagCatch {
				if seed, v := catch(t, kind, nil, *flagSeeds); v != nil {
					t.Fatalf("seed %d of %s breaks %v", seed, kind.Name, v)
				}
				return
			}
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
