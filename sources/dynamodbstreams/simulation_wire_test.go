package dynamodbstreams_test

import (
	"context"
	"fmt"
	"time"

	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
	"github.com/openesm/openesm/sources/internal/shard/shardsim"
	"github.com/openesm/openesm/sources/internal/simulation"
)

// Pass lets a call through in its turn.
func (w *simulatedService) Pass(ctx context.Context, c dynamodbstreamstest.Call, do func(fault)) {
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

// After has the server do something by itself, which it never does.
func (w *simulatedService) After(d time.Duration, what string, run func()) { w.Sim.After(d, what, run) }

// label names a call. The second is what the simulation goes by when it looks for
// fetches without a wait.
func label(c dynamodbstreamstest.Call) string {
	switch {
	case c.Action == "GetRecords":
		return fmt.Sprintf("fetch %s 1s", c.Shard)
	case c.Action == "GetShardIterator":
		return fmt.Sprintf("iterator %s %s %s", c.Shard, c.Type, c.After)
	case c.Children:
		return "children " + c.Shard
	case c.Limit == 1:
		return "start " + c.Action
	default:
		return "list"
	}
}

// operation is the scenario's name for a call.
func operation(c dynamodbstreamstest.Call) simulation.Op {
	switch {
	case c.Action == "GetRecords", c.Action == "GetShardIterator":
		return simulation.OpFetch
	case c.Limit == 1:
		return simulation.OpStart
	default:
		return simulation.OpAccept
	}
}

// fault draws what goes wrong with a call, or is odd and right.
func (w *simulatedService) fault(p *shardsim.Process, c dynamodbstreamstest.Call) fault {
	op := simulation.Fault(operation(c))
	if w.Sim.Chance(op + " before") {
		return w.failure(p, c)
	}
	var f fault
	if w.Random.Float64() < w.odd {
		w.oddity(c, &f)
	}
	if w.Sim.Chance(op + " after") {
		f.Cut = dynamodbstreamstest.CutAfter
		w.Sim.Cover("cut after")
		if w.Random.IntN(3) == 0 {
			f.Delay = never
			w.Sim.Cover("hung after")
		}
	}
	return f
}

// failure draws how a call fails that has no effect.
func (w *simulatedService) failure(p *shardsim.Process, c dynamodbstreamstest.Call) fault {
	kinds := 8
	if c.Action == "GetRecords" {
		kinds = 9
	}
	switch w.Random.IntN(kinds) {
	case 0:
		w.Sim.Cover("throttle")
		return fault{Err: dynamodbstreamstest.LimitExceeded()}
	case 1:
		w.Sim.Cover("throttle")
		return fault{Err: dynamodbstreamstest.ThrottlingException()}
	case 2:
		w.Sim.Cover("5xx")
		return fault{Err: dynamodbstreamstest.InternalServerError()}
	case 3:
		w.Sim.Cover("5xx")
		return fault{Err: dynamodbstreamstest.ServiceUnavailable()}
	case 4:
		w.Sim.Cover("cut before")
		return fault{Cut: dynamodbstreamstest.CutBefore}
	case 5:
		w.Sim.Cover("hung")
		return fault{Cut: dynamodbstreamstest.CutBefore, Delay: never}
	case 6:
		w.Sim.Cover("blank answer")
		return fault{Answer: new([]string{"", "{}"}[w.Random.IntN(2)])}
	case 7:
		if !p.WasAllowed(c.Action) { // which would end the mapping
			return fault{Cut: dynamodbstreamstest.CutBefore}
		}
		w.Sim.Cover("denied")
		return fault{Err: dynamodbstreamstest.AccessDenied()}
	default:
		w.Sim.Cover("expired iterator")
		return fault{Err: dynamodbstreamstest.ExpiredIterator()}
	}
}

// oddity draws how an answer is as it seldom is.
func (w *simulatedService) oddity(c dynamodbstreamstest.Call, f *fault) {
	if c.Action == "DescribeStream" {
		w.oddList(f)
		return
	}
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

// oddList draws how a list of shards is as it seldom is.
func (w *simulatedService) oddList(f *fault) {
	switch w.Random.IntN(4) {
	case 0:
		f.AtMost = 1 + w.Random.IntN(3)
		w.Sim.Cover("short page")
	case 1:
		f.Empty = true
		w.Sim.Cover("empty page")
	case 2:
		f.Unfiltered = true
		w.Sim.Cover("filter ignored")
	default:
		f.Unended = true
		w.Sim.Cover("open parent")
	}
}
