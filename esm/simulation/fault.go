package simulation

import "errors"

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
)

// before and after are the faults of a call: it has no effect, or it has and the
// answer is lost.
func before(op Op) Fault { return Fault(op) + " before" }
func after(op Op) Fault  { return Fault(op) + " after" }

// faults are all there are.
func faults() []Fault {
	ops := []Op{OpStart, OpAccept, OpFetch, OpAck, OpRelease, OpFail, OpClose, OpDeliver}
	all := make([]Fault, 0, 5+2*len(ops))
	all = append(all, FaultDuplicate, FaultPartialAck, FaultStaleTaken, FaultReshard, FaultLost)

	for _, op := range ops {
		all = append(all, before(op), after(op))
	}

	return all
}

// errWeather is what a call that fails returns.
var errWeather = errors.New("simulation: service unavailable")

// Enabled reports whether a fault belongs to the scenario and the weather is
// still bad.
func (s *Sim) Enabled(f Fault) bool { return s.weather && s.Scenario.Faults[f] > 0 }

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
		return errWeather
	}

	err := effect()

	if s.Chance(after(op)) {
		return errWeather
	}

	return err
}

// Cover counts that a world reached a rare branch. Only for the simulation's
// goroutine.
func (s *Sim) Cover(what string) { s.cover(what) }

// cover counts that a fault or a rare branch was reached.
func (s *Sim) cover(what string) { s.coverage[what]++ }
