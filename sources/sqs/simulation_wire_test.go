package sqs_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/openesm/openesm/sources/internal/simulation"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// Pass lets a call through in its turn.
func (w *service) Pass(ctx context.Context, c sqstest.Call, do func(sqstest.Fault)) {
	p := w.process(c.Host)
	if p == nil { // the operator's
		do(sqstest.Fault{})
		return
	}
	if d := w.underway(c); d > 0 {
		p.life.Hold(ctx, d, w.label(c))
	}
	hung, late := false, time.Duration(0)

	// What is not let through is cut off.
	_ = p.life.Call(ctx, w.label(c), func() error {
		w.cover(c)
		hung = w.hangs(c)
		if hung {
			w.failing(p, c)
		}
		if hung && w.random.IntN(2) == 0 {
			return nil
		}
		f := w.fault(c)
		if !hung && (f.Err != nil || f.Cut != sqstest.CutNone || len(f.Entries) > 0) {
			w.failing(p, c)
		}
		if hung && f.Err == nil && f.Cut == sqstest.CutNone {
			f.Cut = sqstest.CutAfter
		}
		do(f)
		if operation(c) == simulation.OpFetch {
			late = w.sim.Late()
		}
		return nil
	})
	if hung {
		p.life.Hang(ctx, c.Action)
	} else if late > 0 {
		p.life.Hold(ctx, late, c.Action)
	}
}

// underway is how long a delete takes to reach the service where messages are started
// late, or settlements slow: up to most of a call's time. That is no fault.
func (w *service) underway(c sqstest.Call) time.Duration {
	const longest = 10 * time.Second
	if c.Action != "DeleteMessageBatch" || !w.hiding.late && w.sim.Scenario.Settles == 0 {
		return 0
	}
	source := rand.NewPCG(w.sim.Scenario.Seed, uint64(w.named(c)[0]+1))
	return time.Duration(rand.New(source).Int64N(int64(longest)))
}

func (w *service) process(host string) *process {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lives[host]
}

// After has the server do something by itself in its turn.
func (w *service) After(d time.Duration, what string, run func()) { w.sim.After(d, what, run) }

// cover counts what this source does beyond receiving and deleting.
func (w *service) cover(c sqstest.Call) {
	switch op := operation(c); {
	case op == simulation.OpRelease:
		w.sim.Cover("released")
	case op == simulation.OpFail && !w.options.Heartbeat:
		w.sim.Cover("backed off")
	case op == simulation.OpFail && w.options.FailureBackoff.Initial == 0:
		w.sim.Cover("extended")
	}
}

// label names a call.
func (w *service) label(c sqstest.Call) string {
	switch c.Action {
	case "ReceiveMessage":
		return fmt.Sprintf("receive %d within %ds", c.Max, c.Wait)
	case "DeleteMessageBatch":
		return fmt.Sprint("ack ", w.named(c))
	case "ChangeMessageVisibilityBatch":
		hidden := make([]int, len(c.Entries))
		for i := range c.Entries {
			hidden[i] = c.Entries[i].Visibility
		}
		return fmt.Sprint("hide ", w.named(c), " for ", hidden)
	default:
		return "start " + c.Action
	}
}

// named are the numbers of a call's messages, -1 for what is gone.
func (w *service) named(c sqstest.Call) []int {
	numbers := make([]int, len(c.Entries))
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range c.Entries {
		n, ok := w.numbers[c.Entries[i].MessageID]
		if !ok {
			n = -1
		}
		numbers[i] = n
	}
	return numbers
}

// operation is the scenario's name for a call.
func operation(c sqstest.Call) simulation.Op {
	switch {
	case c.Action == "ReceiveMessage":
		return simulation.OpFetch
	case c.Action == "DeleteMessageBatch":
		return simulation.OpAck
	case c.Action == "ChangeMessageVisibilityBatch" && c.Entries[0].Visibility == 0:
		return simulation.OpRelease
	case c.Action == "ChangeMessageVisibilityBatch":
		return simulation.OpFail
	default:
		return simulation.OpStart
	}
}

// fault draws what goes wrong with a call.
func (w *service) fault(c sqstest.Call) sqstest.Fault {
	op := simulation.Fault(operation(c))
	if w.sim.Chance(op + " before") {
		return w.failure()
	}
	var f sqstest.Fault
	switch c.Action {
	case "ReceiveMessage":
		if !w.fifo && w.sim.Chance(simulation.FaultDuplicate) {
			f.Duplicates = 1 + w.random.IntN(3)
		}
	case "DeleteMessageBatch", "ChangeMessageVisibilityBatch":
		w.partly(c, &f)
	}
	if w.sim.Chance(op + " after") {
		f.Cut = sqstest.CutAfter
		w.sim.Cover("cut after")
	}
	return f
}

// failure draws how a call fails that has no effect.
func (w *service) failure() sqstest.Fault {
	switch w.random.IntN(5) {
	case 0:
		w.sim.Cover("throttle")
		return sqstest.Fault{Err: sqstest.RequestThrottled()}
	case 1:
		w.sim.Cover("over limit")
		return sqstest.Fault{Err: sqstest.OverLimit()}
	case 2:
		w.sim.Cover("5xx")
		return sqstest.Fault{Err: sqstest.InternalFailure()}
	case 3:
		w.sim.Cover("5xx")
		return sqstest.Fault{Err: sqstest.ServiceUnavailable()}
	default:
		w.sim.Cover("cut before")
		return sqstest.Fault{Cut: sqstest.CutBefore}
	}
}

// partly draws which entries of a batch fail.
func (w *service) partly(c sqstest.Call, f *sqstest.Fault) {
	fails := simulation.FaultPartialAck
	if c.Action != "DeleteMessageBatch" {
		fails = simulation.Fault(operation(c)) + " before"
	}
	f.Entries = make(map[string]*sqstest.Error)
	for _, e := range c.Entries {
		stale := c.Action == "DeleteMessageBatch" && e.Stale
		if stale {
			w.sim.Cover("stale receipt")
		}
		switch {
		case w.sim.Chance(fails):
			f.Entries[e.ID] = sqstest.InternalFailure()
		case !stale || w.fifo:
			// The server decides.
		case w.sim.Chance(simulation.FaultStaleTaken):
			f.Stale = true
		case w.random.IntN(2) == 0:
			f.Entries[e.ID] = sqstest.ReceiptHandleIsInvalid()
		}
	}
}
