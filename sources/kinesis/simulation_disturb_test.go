package kinesis_test

import "github.com/openesm/openesm/sources/internal/simulation"

// Disturb splits or merges the stream, or what else may happen to one.
func (w *service) Disturb() {
	choice, which := w.Random.IntN(5), w.Random.IntN(1<<16)
	if choice < 2 && w.Sim.Enabled(simulation.FaultReshard) {
		w.reshard(which)
	}
	w.Trouble(choice, which)
}

func (w *service) reshard(which int) {
	if which%2 == 0 {
		w.split(which / 2)
	} else {
		w.merge(which / 2)
	}
}

func (w *service) split(which int) {
	const maxShards = 8
	open := w.World.Open()
	if len(open) >= maxShards {
		return
	}
	parent := open[which%len(open)].ID
	children, err := w.server.Split(telemetry, parent)
	if err != nil {
		return // it has one hash key
	}
	w.Sim.Cover("split")
	for _, child := range children {
		w.Sim.Observer().Child(child, parent)
	}
}

func (w *service) merge(which int) {
	open := w.World.Open()
	one := open[which%len(open)]
	for _, other := range open {
		child, err := w.server.Merge(telemetry, one.ID, other.ID)
		if err == nil {
			w.Sim.Cover("merged")
			w.Sim.Observer().Child(child, one.ID, other.ID)
			return
		}
	}
}
