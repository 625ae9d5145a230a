package kinesis_test

import (
	"context"
	"fmt"
	"time"

	"github.com/openesm/openesm/sources/internal/shard/shardsim"
	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// Pass lets a call through in its turn.
func (w *service) Pass(ctx context.Context, c kinesistest.Call, do func(kinesistest.Fault)) {
	p := w.Process(c.Host)
	hung := false

	// What is not let through is cut off.
	_ = p.Life().Call(ctx, label(c), func() error {
		if _, hung = w.Sim.Hung(operation(c)); hung && w.Random.IntN(2) == 0 {
			return nil
		}
		do(w.fault(p, c))
		return nil
	})
	if hung {
		p.Life().Hang(ctx, label(c))
	}
}

// After has the server do something by itself in its turn.
func (w *service) After(d time.Duration, what string, run func()) { w.Sim.After(d, what, run) }

// label names a call. The second is what the simulation goes by when it looks for
// fetches without a wait.
func label(c kinesistest.Call) string {
	switch c.Action {
	case "GetRecords":
		return fmt.Sprintf("fetch %s 1s", c.Shard)
	case "GetShardIterator":
		return fmt.Sprintf("iterator %s %s %s", c.Shard, c.Type, c.After)
	case "SubscribeToShard":
		return fmt.Sprintf("fetch %s %s %s 1s", c.Shard, c.Type, c.After)
	case "ListShards":
		return "list"
	default:
		return "start " + c.Action
	}
}

// operation is the scenario's name for a call.
func operation(c kinesistest.Call) simulation.Op {
	switch c.Action {
	case "GetRecords", "GetShardIterator", "SubscribeToShard":
		return simulation.OpFetch
	case "ListShards":
		return simulation.OpAccept
	default:
		return simulation.OpStart
	}
}

// fault draws what goes wrong with a call, or is odd and right.
func (w *service) fault(p *shardsim.Process, c kinesistest.Call) kinesistest.Fault {
	op := simulation.Fault(operation(c))
	if w.Sim.Chance(op + " before") {
		return w.failure(p, c)
	}
	var f kinesistest.Fault
	if c.Action == "GetRecords" && w.Random.Float64() < w.odd {
		w.oddity(&f)
	}
	if c.Action == "SubscribeToShard" && w.Random.Float64() < w.odd {
		f.Stream = w.broken()
		if f.Stream.Event != nil {
			w.Sim.Cover("blank event")
		}
	}
	if w.Sim.Chance(op + " after") {
		f.Cut = kinesistest.CutAfter
		w.Sim.Cover("cut after")
		if w.Random.IntN(3) == 0 {
			f.Delay = never
			w.Sim.Cover("hung after")
		}
	}
	return f
}

// failure draws how a call fails that has no effect.
func (w *service) failure(p *shardsim.Process, c kinesistest.Call) kinesistest.Fault {
	kinds := 8
	if c.Action == "GetRecords" {
		kinds = 9
	}
	switch w.Random.IntN(kinds) {
	case 0:
		w.Sim.Cover("throttle")
		if operation(c) == simulation.OpFetch && !w.fansOut {
			return kinesistest.Fault{Err: kinesistest.ProvisionedThroughputExceeded()}
		}
		return kinesistest.Fault{Err: kinesistest.LimitExceeded()}
	case 1:
		w.Sim.Cover("throttle")
		return kinesistest.Fault{Err: kinesistest.ThrottlingException()}
	case 2:
		w.Sim.Cover("5xx")
		return kinesistest.Fault{Err: kinesistest.InternalFailure()}
	case 3:
		w.Sim.Cover("5xx")
		return kinesistest.Fault{Err: kinesistest.ServiceUnavailable()}
	case 4:
		w.Sim.Cover("cut before")
		return kinesistest.Fault{Cut: kinesistest.CutBefore}
	case 5:
		w.Sim.Cover("hung")
		return kinesistest.Fault{Cut: kinesistest.CutBefore, Delay: never}
	case 6:
		return w.blank(c)
	case 7:
		if !p.WasAllowed(c.Action) { // which would end the mapping
			return kinesistest.Fault{Cut: kinesistest.CutBefore}
		}
		w.Sim.Cover("denied")
		return kinesistest.Fault{Err: kinesistest.AccessDenied()}
	default:
		w.Sim.Cover("expired iterator")
		return kinesistest.Fault{Err: kinesistest.ExpiredIterator()}
	}
}

// blank draws an answer that says nothing.
func (w *service) blank(c kinesistest.Call) kinesistest.Fault {
	if c.Action == "SubscribeToShard" {
		return kinesistest.Fault{Cut: kinesistest.CutBefore}
	}
	if c.Action == "GetRecords" && !w.reshards && w.Random.IntN(2) == 0 {
		w.Sim.Cover("null iterator")
		return kinesistest.Fault{Answer: new(`{"Records":[]}`)} // of a shard that is open, and stays so
	}
	w.Sim.Cover("blank answer")
	return kinesistest.Fault{Answer: new([]string{"", "{}"}[w.Random.IntN(2)])}
}

// oddity draws how an answer is as it seldom is.
func (w *service) oddity(f *kinesistest.Fault) {
	switch w.Random.IntN(3) {
	case 0:
		f.AtMost = 1 + w.Random.IntN(3)
		w.Sim.Cover("short answer")
	case 1:
		f.Empty = true
		w.Sim.Cover("empty answer")
	default:
		f.LateEnd = true
		w.Sim.Cover("late end")
	}
}

// broken draws how a subscription ends early.
func (w *service) broken() *kinesistest.Break {
	b := &kinesistest.Break{After: w.Random.IntN(4)}
	switch w.Random.IntN(4) {
	case 3:
		b.Event = new("{}")
	case 0:
		b.Err = kinesistest.InternalFailure()
		w.Sim.Cover("exception in the stream")
	case 1:
		b.Err = kinesistest.ResourceInUse()
		w.Sim.Cover("taken over")
	default:
		w.Sim.Cover("cut stream")
	}
	return b
}
