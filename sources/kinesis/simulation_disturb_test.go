package kinesis_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// Disturb splits, merges or ages the stream, or has another worker take a shard,
// which the process may not learn of, for the store is out of its reach.
func (w *service) Disturb() {
	choice, which := w.random.IntN(5), w.random.IntN(1<<16)
	switch {
	case choice < 2 && w.sim.Enabled(simulation.FaultReshard):
		w.reshard(which)
	case choice == 2:
		w.age()
	case w.sim.Enabled(simulation.FaultLost):
		if choice == 3 {
			w.sim.Cover("store out of reach")
			w.outage = time.Now().Add(time.Duration(w.random.Int64N(int64(3 * w.options.LeaseDuration))))
		}
		w.steal(which)
	}
}

func (w *service) reshard(which int) {
	if which%2 == 0 {
		w.split(which / 2)
	} else {
		w.merge(which / 2)
	}
}

func (w *service) open() []kinesistest.Shard {
	return slices.DeleteFunc(w.server.Shards(telemetry), func(s kinesistest.Shard) bool { return s.Closed })
}

func (w *service) split(which int) {
	const maxShards = 8
	open := w.open()
	if len(open) >= maxShards {
		return
	}
	parent := open[which%len(open)].ID
	children, err := w.server.Split(telemetry, parent)
	if err != nil {
		return // it has one hash key
	}
	w.sim.Cover("split")
	for _, child := range children {
		w.sim.Observer().Child(child, parent)
	}
}

func (w *service) merge(which int) {
	open := w.open()
	one := open[which%len(open)]
	for _, other := range open {
		child, err := w.server.Merge(telemetry, one.ID, other.ID)
		if err == nil {
			w.sim.Cover("merged")
			w.sim.Observer().Child(child, one.ID, other.ID)
			return
		}
	}
}

// age has the stream forget what was settled, and shards that are.
func (w *service) age() {
	for _, s := range w.server.Shards(telemetry) {
		records := w.server.Records(telemetry, s.ID)
		settled := w.positions[s.ID] - (s.Put - s.Records)
		if settled <= 0 || settled >= len(records) {
			continue
		}
		err := w.server.Trim(telemetry, s.ID, records[settled].Number)
		if err != nil {
			panic(err)
		}
		w.sim.Cover("trimmed")
	}
	for _, l := range w.leases() {
		if l.Position.Ended() && w.server.Expire(telemetry, l.Shard) == nil {
			w.sim.Cover("expired shard")
		}
	}
}

// steal has another worker take a shard without a word. It does nothing with it,
// and gives it back after a while or dies.
func (w *service) steal(which int) {
	held := w.held()
	if len(held) == 0 {
		return
	}
	w.thieves++
	last := held[which%len(held)]
	next := last
	next.Owner, next.Counter = fmt.Sprintf("thief-%d", w.thieves), last.Counter+1
	w.put(last, next)
	w.sim.Cover("stolen")

	// A worker that has not learnt of it by then must have given up the lease.
	p, epoch := w.current, w.epochs[last.Shard]
	w.sim.After(w.options.LeaseDuration, "stolen "+last.Shard, func() {
		if !p.dead.Load() {
			w.lost(p, last.Shard, epoch)
		}
	})
	w.leave(next)
}

// leave has another worker give a shard back after a while, or die.
func (w *service) leave(last checkpoint.Lease) {
	if w.random.IntN(2) == 0 {
		w.sim.Cover("thief died")
		return
	}
	w.sim.After(time.Duration(w.random.Int64N(int64(10*time.Second))), "given back "+last.Shard, func() {
		free := last
		free.Owner, free.Counter = "", last.Counter+1
		w.put(last, free)
	})
}

// held are the leases of the process, in the order of shards.
func (w *service) held() []checkpoint.Lease {
	return slices.DeleteFunc(w.leases(), func(l checkpoint.Lease) bool {
		return l.Owner == "" || w.owners[l.Owner] != w.current || l.CheckpointOwner != "" || l.Position.Ended()
	})
}

// ask has another worker ask for a shard, as one that joins does. When it has it, or
// can wait no longer, it leaves it again.
func (w *service) ask(which int) {
	held := w.held()
	if len(held) == 0 {
		return
	}
	w.thieves++
	last := held[which%len(held)]
	next := last
	next.Owner, next.CheckpointOwner, next.Counter = fmt.Sprintf("asker-%d", w.thieves), last.Owner, last.Counter+1
	w.put(last, next)
	w.sim.Cover("asked")
	w.await(next.Shard, next.Owner, time.Now().Add(w.options.HandoverTimeout+w.options.LeaseDuration))
}

// await looks every second whether a shard was handed over.
func (w *service) await(shard, owner string, until time.Time) {
	w.sim.After(time.Second, "await "+shard, func() {
		for _, l := range w.leases() {
			switch {
			case l.Shard != shard || l.Owner != owner:
			case l.CheckpointOwner == "":
				w.leave(l)
			case time.Now().Before(until):
				w.await(shard, owner, until)
			default:
				w.sim.Cover("taken anyway")
				next := l
				next.CheckpointOwner, next.Counter = "", l.Counter+1
				w.put(l, next)
				w.leave(next)
			}
		}
	})
}

// put writes a lease, unless it is not what it was any more.
func (w *service) put(last, next checkpoint.Lease) {
	_ = w.store.Update(context.Background(), last, next)
}
