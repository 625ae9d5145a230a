package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Op is a kind of call whose failure is simulated.
type Op string

// The calls that may fail.
const (
	OpStart   Op = "start"
	OpAccept  Op = "accept"
	OpFetch   Op = "fetch"
	OpAck     Op = "ack"
	OpRelease Op = "release"
	OpFail    Op = "fail"
	OpClose   Op = "close"
	OpDeliver Op = "deliver"
	OpExtend  Op = "extend"
)

// Fault is something that can go wrong in a simulation.
type Fault string

// Faults other than failing calls.
const (
	FaultDuplicate  Fault = "duplicate"   // a queue hands a message out twice
	FaultPartialAck Fault = "partial ack" // some records of an Ack are not settled
	FaultStaleTaken Fault = "stale taken" // a queue takes an old receipt
	FaultReshard    Fault = "reshard"     // shards are split and merged
	FaultLost       Fault = "lost"        // a partition gets another owner

	FaultLate     Fault = "late"            // a receive is answered seconds later
	FaultDenied   Fault = "extend denied"   // no record may be extended
	FaultDeaf     Fault = "deliver deaf"    // the destination ignores its context
	FaultObserver Fault = "observer panics" // the user's own functions do
	FaultLogger   Fault = "logger panics"
	FaultJitter   Fault = "jitter panics"
)

// before and after are the faults of a call: it has no effect, or it has and the
// answer is lost.
func before(op Op) Fault { return Fault(op) + " before" }
func after(op Op) Fault  { return Fault(op) + " after" }

// hung is the fault of a call that does not return before its deadline.
func hung(op Op) Fault { return Fault(op) + " hung" }

// hanging are the calls that may hang.
func hanging() []Op {
	return []Op{OpStart, OpAccept, OpFetch, OpAck, OpRelease, OpFail, OpClose, OpDeliver, OpExtend}
}

// isFault reports whether a name is a fault's.
func isFault(name string) bool {
	all := append(faults(), before(OpExtend), after(OpExtend), FaultLate, FaultDenied, FaultDeaf,
		FaultObserver, FaultLogger, FaultJitter)
	for _, op := range hanging() {
		all = append(all, hung(op))
	}
	return slices.Contains(all, Fault(name))
}

// faults are those that are drawn together; troubles draw the others.
func faults() []Fault {
	ops := []Op{OpStart, OpAccept, OpFetch, OpAck, OpRelease, OpFail, OpClose, OpDeliver}
	all := make([]Fault, 0, 5+2*len(ops))
	all = append(all, FaultDuplicate, FaultPartialAck, FaultStaleTaken, FaultReshard, FaultLost)
	for _, op := range ops {
		all = append(all, before(op), after(op))
	}
	return all
}

// Errors of calls: one that fails, and one that hung until its deadline.
var (
	errFault = errors.New("simulation: service unavailable")
	errHung  = fmt.Errorf("simulation: no answer: %w", context.DeadlineExceeded)
)

// Enabled reports whether a fault belongs to the scenario and faults have not
// ended.
func (s *Sim) Enabled(f Fault) bool { return s.failing && s.Scenario.Faults[f] > 0 }

// Chance decides whether a fault happens now. Only for the simulation's
// goroutine.
func (s *Sim) Chance(f Fault) bool {
	if !s.Enabled(f) || s.rng.Float64() >= s.Scenario.Faults[f] {
		return false
	}
	s.cover(string(f))
	return true
}

// Faulty does a call's effect, or fails it before or after.
func (s *Sim) Faulty(op Op, effect func() error) error {
	if s.Chance(before(op)) {
		return errFault
	}
	err := effect()
	if s.Chance(after(op)) {
		return errFault
	}
	return err
}

// Hung draws whether a call hangs, and if so for how long: its caller sets it a
// deadline. Only for the simulation's goroutine.
func (s *Sim) Hung(op Op) (time.Duration, bool) {
	const shortest, longest = 10 * time.Second, 30 * time.Second
	if !s.Chance(hung(op)) {
		return 0, false
	}
	return shortest + time.Duration(s.rng.Int64N(int64(longest-shortest))), true
}

// Late draws how late the answer of a receive is, 0 for in time. Only for the
// simulation's goroutine.
func (s *Sim) Late() time.Duration {
	const latest = 8 * time.Second
	s.late = s.late || s.Scenario.Faults[FaultLate] > 0
	if !s.Chance(FaultLate) {
		return 0
	}
	return 1 + time.Duration(s.rng.Int64N(int64(latest)))
}

// Cover counts that a world reached a rare branch. Only for the simulation's
// goroutine.
func (s *Sim) Cover(what string) { s.cover(what) }

// cover counts that a fault or a rare branch was reached.
func (s *Sim) cover(what string) { s.coverage[what]++ }
