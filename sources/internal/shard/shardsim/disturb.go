package shardsim

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/simulation"
)

// Trouble has the stream age, or another worker take a shard, of which the process may
// not learn, for the store is out of its reach. It is chosen by a number up to 4, of which
// those below 2 are nothing here.
func (w *World) Trouble(choice, which int) {
	switch {
	case choice < 2: //nolint:mnd // see above
	case choice == 2: //nolint:mnd // see above
		w.age()
	case w.Sim.Enabled(simulation.FaultLost):
		if choice == 3 { //nolint:mnd // see above
			w.Sim.Cover("store out of reach")
			w.outage = time.Now().Add(time.Duration(w.Random.Int64N(int64(3 * w.LeaseDuration))))
		}
		w.steal(which)
	}
}

// age has the stream forget what was settled, and shards that are.
func (w *World) age() {
	for _, s := range w.server.Shards() {
		records := w.server.Numbers(s.ID)
		settled := w.positions[s.ID] - (s.Put - s.Records)
		if settled <= 0 || settled >= len(records) {
			continue
		}
		err := w.server.Trim(s.ID, records[settled])
		if err != nil {
			panic(err) //nolint:forbidigo // of a test
		}
		w.Sim.Cover("trimmed")
	}
	for _, l := range w.leases() {
		if l.Position.Ended() && w.server.Expire(l.Shard) == nil {
			w.Sim.Cover("expired shard")
		}
	}
}

// steal has another worker take a shard without a word. It does nothing with it,
// and gives it back after a while or dies.
func (w *World) steal(which int) {
	held := w.held()
	if len(held) == 0 {
		return
	}
	w.thieves++
	last := held[which%len(held)]
	next := last
	next.Owner, next.Counter = fmt.Sprintf("thief-%d", w.thieves), last.Counter+1
	w.put(last, next)
	w.Sim.Cover("stolen")

	// A worker that has not learnt of it by then must have given up the lease.
	p, epoch := w.current, w.epochs[last.Shard]
	w.Sim.After(w.LeaseDuration, "stolen "+last.Shard, func() {
		if !p.dead.Load() {
			w.lost(p, last.Shard, epoch)
		}
	})
	w.leave(next)
}

// leave has another worker give a shard back after a while, or die.
func (w *World) leave(last checkpoint.Lease) {
	if w.Random.IntN(2) == 0 {
		w.Sim.Cover("thief died")
		return
	}
	w.Sim.After(time.Duration(w.Random.Int64N(int64(10*time.Second))), "given back "+last.Shard, func() {
		free := last
		free.Owner, free.Counter = "", last.Counter+1
		w.put(last, free)
	})
}

// held are the leases of the process, in the order of shards.
func (w *World) held() []checkpoint.Lease {
	return slices.DeleteFunc(w.leases(), func(l checkpoint.Lease) bool {
		return l.Owner == "" || w.owners[l.Owner] != w.current || l.CheckpointOwner != "" || l.Position.Ended()
	})
}

// Ask has another worker ask for a shard, as one that joins does. When it has it, or
// can wait no longer, it leaves it again.
func (w *World) Ask(which int) {
	held := w.held()
	if len(held) == 0 {
		return
	}
	w.thieves++
	last := held[which%len(held)]
	next := last
	next.Owner, next.CheckpointOwner, next.Counter = fmt.Sprintf("asker-%d", w.thieves), last.Owner, last.Counter+1
	w.put(last, next)
	w.Sim.Cover("asked")
	w.await(next.Shard, next.Owner, time.Now().Add(w.HandoverTimeout+w.LeaseDuration))
}

// await looks every second whether a shard was handed over.
func (w *World) await(shard, owner string, until time.Time) {
	w.Sim.After(time.Second, "await "+shard, func() {
		for _, l := range w.leases() {
			switch {
			case l.Shard != shard || l.Owner != owner:
			case l.CheckpointOwner == "":
				w.leave(l)
			case time.Now().Before(until):
				w.await(shard, owner, until)
			default:
				w.Sim.Cover("taken anyway")
				next := l
				next.CheckpointOwner, next.Counter = "", l.Counter+1
				w.put(l, next)
				w.leave(next)
			}
		}
	})
}

// put writes a lease, unless it is not what it was any more.
func (w *World) put(last, next checkpoint.Lease) {
	_ = w.Store.Update(context.Background(), last, next)
}
