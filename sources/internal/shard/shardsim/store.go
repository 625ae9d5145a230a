package shardsim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/simulation"
)

// sharedStore is the store as one process reaches it: its calls take their turn and
// fail, and what was written may arrive late, when nobody waits for it any more.
type sharedStore struct {
	*Process
}

// Interval paces the positions of some scenarios.
func (s *sharedStore) Interval() time.Duration { return s.world.Pace }

var errStore = errors.New("the store does not answer")

func (s *sharedStore) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	var leases []checkpoint.Lease
	err := s.life.Call(ctx, "look", func() error {
		if s.world.isCut() {
			return errStore
		}
		return s.world.Sim.Faulty(simulation.OpAccept, func() error {
			var err error
			leases, err = s.world.Store.Leases(context.WithoutCancel(ctx))
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return leases, nil
}

func (s *sharedStore) Create(ctx context.Context, lease checkpoint.Lease) error {
	return s.write(ctx, "create "+lease.Shard, simulation.OpAccept, func(ctx context.Context) error {
		return s.create(ctx, lease)
	})
}

func (s *sharedStore) Update(ctx context.Context, last, next checkpoint.Lease) error {
	label, op := s.operation(&last, &next)
	return s.write(ctx, label, op, func(ctx context.Context) error { return s.update(ctx, last, next) })
}

func (s *sharedStore) Delete(ctx context.Context, last checkpoint.Lease) error {
	return s.write(ctx, "delete "+last.Shard, simulation.OpAccept, func(ctx context.Context) error {
		return s.world.Store.Delete(ctx, last)
	})
}

// operation names an update.
func (s *sharedStore) operation(last, next *checkpoint.Lease) (string, simulation.Op) {
	switch {
	case next.Position.Ended():
		return "end " + next.Shard, simulation.OpClose
	case next.Owner == "", last.CheckpointOwner != "" && next.CheckpointOwner == "" && last.Owner == next.Owner:
		return "release " + next.Shard, simulation.OpClose
	case last.Owner != next.Owner:
		return "take " + next.Shard, simulation.OpAccept
	case last.Position.Equal(next.Position):
		return "renew " + next.Shard, simulation.OpAccept
	default:
		place, _ := s.world.place(next)
		return fmt.Sprintf("ack %s to %d", next.Shard, place), simulation.OpAck
	}
}

// write has a write take effect in its turn, or fails it before or after that, or
// has it take effect some time after it has failed.
func (s *sharedStore) write(ctx context.Context, label string, op simulation.Op, do func(context.Context) error) error {
	effect := func() error { return do(context.WithoutCancel(ctx)) }
	return s.life.Call(ctx, label, func() error {
		w := s.world
		if w.isCut() || w.Sim.Chance(simulation.Fault(op)+" before") {
			return errStore
		}
		if !w.Sim.Chance(simulation.Fault(op) + " after") {
			return effect()
		}
		if w.Random.IntN(2) == 0 {
			_ = effect()
			return errStore
		}
		delay := []time.Duration{100 * time.Millisecond, 2 * w.LeaseDuration}[w.Random.IntN(2)]
		w.Sim.Cover("late write")
		w.Sim.After(time.Duration(w.Random.Int64N(int64(delay))), "late "+label, func() {
			if effect() == nil {
				w.Sim.Cover("late write taken")
			} else {
				w.Sim.Cover("late write refused")
			}
		})
		return errStore
	})
}

// isCut reports whether the store is out of reach.
func (w *World) isCut() bool {
	return w.Sim.Enabled(simulation.FaultLost) && time.Now().Before(w.outage)
}

func (s *sharedStore) create(ctx context.Context, lease checkpoint.Lease) error {
	err := s.world.Store.Create(ctx, lease)
	if err == nil {
		s.world.moved(s.Process, &lease)
	}
	return err
}

func (s *sharedStore) update(ctx context.Context, last, next checkpoint.Lease) error {
	err := s.world.Store.Update(ctx, last, next)
	if err != nil {
		return err
	}
	w := s.world
	switch {
	case last.Owner == next.Owner || next.Owner == "":
		if w.owners[last.Owner] != s.Process && w.owners[last.CheckpointOwner] != s.Process {
			w.Sim.Observer().Violate(12, fmt.Sprintf("%s writes the lease of %s as %q, which it is not", s.host, last.Shard, last.Owner))
		}
	default:
		w.owners[next.Owner] = s.Process
		if !last.Position.Equal(next.Position) {
			w.Sim.Observer().Violate(12, fmt.Sprintf("%s moves the position of %s as it takes it", s.host, last.Shard))
		}
	}
	w.moved(s.Process, &next)
	if last.Owner == next.Owner && last.CheckpointOwner != "" && next.CheckpointOwner == "" && w.owners[last.CheckpointOwner] == s.Process {
		w.Sim.Observer().HandedOver(s.life, next.Shard)
	}
	return nil
}
