package simulation

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// Scenario is everything that a seed decides before a simulation starts. Zero
// values are the simplest ones, so that a scenario can be minimised.
type Scenario struct {
	Seed uint64

	// Calm has no faults, no failures and no kills: records are handled once.
	Calm bool

	// The records: how many, with how many keys, the largest size, and how
	// long it takes to send them.
	Records, Keys, Size int
	Spread              time.Duration

	// The source, and how many processes read it at once.
	Members    int
	Partitions int
	Named      bool // as sources.Traits.RetryNamed
	Ahead      bool // as sources.Traits.ReadsAhead
	Visibility time.Duration
	Redrive    int // receives before a message moves to the dead-letter queue
	AckBatch   int
	AckLinger  time.Duration
	Scaling    *sources.Scaling // nil for the model's own

	// Config holds the plain fields of the mapping's configuration.
	Config esm.Config
	// Bytes says that the handler takes event documents and not records.
	Bytes bool
	// Reject is the divisor of the numbers that the filter rejects.
	Reject int
	// Destination says that there is an on-failure destination.
	Destination bool

	// The handler: its longest run, how likely it misbehaves in which way, and
	// the divisor of the numbers that it always fails until all is healed.
	Slowest   time.Duration
	Behaviors map[behavior]float64
	Poison    int

	// Faults are those that happen, and how likely.
	Faults map[Fault]float64
	// How often the mapping is stopped, killed and disturbed, and a partition is
	// revoked.
	Stops, Kills, Disturbances, Revocations int

	// Long says that handlers take up to their time limit although the run is calm.
	Long bool
	// Stuck is how long a handler ignores the end of its context.
	Stuck time.Duration
	// Hanging is how many handlers, the first ones, hang until their context ends.
	Hanging int
	// Jitter is what an odd Config.Jitter gives, a name of shares; "" for none.
	Jitter string
	// Throttles says that the handler throttles poison, and does not fail it.
	Throttles bool
	// Polls says that a poll takes messages although nobody waits for it any more.
	Polls bool
	// Busy is how long at most a lane is kept from running the handler.
	Busy time.Duration
	// Settles is how long at most a settlement takes; 0 for as long as any call.
	Settles time.Duration
	// Backlog says that there are more records than lanes for them.
	Backlog bool
	// Mixed says that batches have records of several partitions, which hold each other up.
	Mixed bool

	// KillAt kills the process just before the step of this number, and
	// KillAfter just after it, when what the step did is done and nobody has
	// heard of it. 0 for neither.
	KillAt, KillAfter int
}

// dice draws the parts of scenarios.
type dice struct{ *rand.Rand }

func (d dice) chance(p float64) bool { return d.Float64() < p }

// number is from 1 to most, often one of them.
func (d dice) number(most int) int {
	switch d.IntN(4) {
	case 0:
		return 1
	case 1:
		return most
	default:
		return 1 + d.IntN(most)
	}
}

func pick[T any](d dice, values ...T) T { return values[d.IntN(len(values))] }

// draw returns the scenario of a seed.
func draw(kind Kind, seed uint64) Scenario {
	d := dice{rand.New(rand.NewPCG(seed, 1))}
	s := Scenario{
		Seed:       seed,
		Calm:       d.chance(0.2),
		Records:    d.number(60),
		Keys:       d.number(8),
		Size:       pick(d, 30, 30, 200, 3000),
		Spread:     pick(d, 0, time.Second, time.Minute, 10*time.Minute),
		Partitions: 1,
		Visibility: pick(d, 10*time.Second, 30*time.Second, 2*time.Minute, time.Hour),
		AckBatch:   pick(d, 1, 3, 10),
		AckLinger:  pick(d, 0, 20*time.Millisecond),
		Bytes:      d.chance(0.5),
		Slowest:    pick(d, 0, 100*time.Millisecond, 3*time.Second),
		Stops:      pick(d, 0, 0, 1, 2),
	}
	if kind.Ordered {
		s.Partitions = d.number(4)
	}
	s.config(d, kind)
	if d.chance(0.2) {
		s.Reject = 2 + d.IntN(4)
	}
	if s.Calm {
		// Nothing ends before it is done.
		s.Visibility = time.Hour
		s.Config.Timeout = time.Minute
		s.Config.DrainTimeout = 0
	} else {
		s.misfortune(d, kind)
	}
	if kind.Ordered {
		s.Named = d.chance(0.4)
		s.Revocations = pick(d, 0, 0, 1, 4)
		s.Ahead = d.chance(0.4)
	}
	s.trouble(kind)
	if kind.Members > 1 {
		s.Members = dice{rand.New(rand.NewPCG(seed, hash("members")))}.number(kind.Members)
	}
	return s
}

// config draws the configuration of the mapping.
func (s *Scenario) config(d dice, kind Kind) {
	c := &s.Config
	c.BatchSize = pick(d, 0, 1, 2, d.number(20), d.number(200))
	c.MaximumBatchingWindow = pick(d, 0, 0, esm.NoBatchingWindow, 50*time.Millisecond, time.Second, 20*time.Second, 300*time.Second)
	c.ReportBatchItemFailures = d.chance(0.5)
	c.Timeout = pick(d, 0, time.Second, 5*time.Second, time.Minute)
	c.DrainTimeout = pick(d, 0, time.Nanosecond, time.Second, time.Minute)
	if d.chance(0.3) {
		c.MaximumBatchBytes = pick(d, 100, s.Size+overhead+1, 2*s.Size+overhead+2, 10*s.Size)
	}
	if d.chance(0.3) {
		c.RetryBackoff = pick(d, retry.Backoff{Initial: time.Millisecond, Max: time.Second}, retry.Backoff{Initial: time.Minute, Max: time.Hour})
	}
	switch {
	case kind.Ordered:
		s.orderedConfig(d)
	case d.chance(0.5):
		c.MaximumConcurrency = pick(d, 1, 2, 5)
	case d.chance(0.4):
		s.Scaling = &sources.Scaling{Initial: 1, Idle: 1, Max: d.number(8), PerMinute: pick(d, 60, 60, 6000)}
	}
	if kind.Redelivers {
		// As SQS demands of every mapping (SQS-41).
		c.Timeout = min(max(c.Timeout, time.Second), s.Visibility)
		s.Redrive = pick(d, 0, 0, 3, 10)
	}
	if kind.Grouped {
		c.MaximumBatchingWindow = 0
	}
}

func (s *Scenario) orderedConfig(d dice) {
	c := &s.Config
	c.ParallelizationFactor = pick(d, 0, 1, 2, 10)
	c.BisectBatchOnFunctionError = d.chance(0.4)
	s.Destination = d.chance(0.5)
	if d.chance(0.5) {
		c.MaximumRetryAttempts = new(pick(d, -1, 0, 1, 3, 10_000))
	}
	if d.chance(0.3) {
		c.MaximumRecordAge = pick(d, -1, time.Minute, time.Hour)
	}
	if d.chance(0.3) {
		c.MaximumBufferedBytes = pick(d, 1, 1000, 100_000)
	}
	if s.Destination && d.chance(0.3) {
		c.OnFailureTimeout = pick(d, time.Millisecond, 5*time.Second, 5*time.Minute)
	}
}

// misfortune draws what goes wrong.
func (s *Scenario) misfortune(d dice, kind Kind) {
	s.Kills = pick(d, 0, 0, 1, 3)
	s.Disturbances = pick(d, 0, 0, 2, 6)
	s.Behaviors = make(map[behavior]float64)
	s.Faults = make(map[Fault]float64)
	for _, m := range behaviors() {
		if d.chance(0.25) {
			s.Behaviors[m] = pick(d, 0.02, 0.1, 0.3)
		}
	}
	if d.chance(0.2) {
		s.Poison = 1 + d.IntN(20)
	}
	for _, f := range faults() {
		if d.chance(0.3) {
			s.Faults[f] = pick(d, 0.02, 0.1, 0.3)
		}
	}
	if !kind.Ordered {
		delete(s.Faults, FaultLost)
		delete(s.Faults, FaultReshard)
	}
}

// String prints the scenario, a field a line, without what is zero.
func (s *Scenario) String() string {
	var b strings.Builder
	line := func(name string, value any, zero bool) {
		if !zero {
			fmt.Fprintf(&b, "  %s: %v\n", name, value)
		}
	}
	line("Calm", s.Calm, !s.Calm)
	line("Records", fmt.Sprintf("%d, %d keys, up to %d bytes, within %v", s.Records, s.Keys, s.Size, s.Spread), false)
	line("Partitions", s.Partitions, s.Partitions < 2)
	line("Members", s.Members, s.Members < 2)
	line("Named", s.Named, !s.Named)
	line("Ahead", s.Ahead, !s.Ahead)
	line("Visibility", s.Visibility, s.Visibility == 0)
	line("Redrive", s.Redrive, s.Redrive == 0)
	line("AckBatch", fmt.Sprintf("%d, %v", s.AckBatch, s.AckLinger), s.AckBatch < 2)
	line("Handler", fmt.Sprintf("bytes %v, slowest %v, poison %d", s.Bytes, s.Slowest, s.Poison), false)
	line("Behaviors", sorted(s.Behaviors), len(s.Behaviors) == 0)
	line("Faults", sorted(s.Faults), len(s.Faults) == 0)
	line("Reject", s.Reject, s.Reject == 0)
	line("Destination", s.Destination, !s.Destination)
	line("Stops", s.Stops, s.Stops == 0)
	line("Kills", s.Kills, s.Kills == 0)
	line("KillAt", s.KillAt, s.KillAt == 0)
	line("KillAfter", s.KillAfter, s.KillAfter == 0)
	line("Disturbances", s.Disturbances, s.Disturbances == 0)
	line("Revocations", s.Revocations, s.Revocations == 0)
	line("Long", s.Long, !s.Long)
	line("Stuck", s.Stuck, s.Stuck == 0)
	line("Hanging", s.Hanging, s.Hanging == 0)
	line("Jitter", s.Jitter, s.Jitter == "")
	line("Throttles", s.Throttles, !s.Throttles)
	line("Polls", s.Polls, !s.Polls)
	line("Busy", s.Busy, s.Busy == 0)
	line("Settles", s.Settles, s.Settles == 0)
	line("Backlog", s.Backlog, !s.Backlog)
	c := s.Config
	line("BatchSize", c.BatchSize, c.BatchSize == 0)
	line("MaximumBatchingWindow", c.MaximumBatchingWindow, c.MaximumBatchingWindow == 0)
	line("MaximumBatchBytes", c.MaximumBatchBytes, c.MaximumBatchBytes == 0)
	line("ReportBatchItemFailures", c.ReportBatchItemFailures, !c.ReportBatchItemFailures)
	line("MaximumConcurrency", c.MaximumConcurrency, c.MaximumConcurrency == 0)
	line("ParallelizationFactor", c.ParallelizationFactor, c.ParallelizationFactor == 0)
	line("BisectBatchOnFunctionError", c.BisectBatchOnFunctionError, !c.BisectBatchOnFunctionError)
	line("MaximumRecordAge", c.MaximumRecordAge, c.MaximumRecordAge == 0)
	line("OnFailureTimeout", c.OnFailureTimeout, c.OnFailureTimeout == 0)
	line("Timeout", c.Timeout, c.Timeout == 0)
	line("DrainTimeout", c.DrainTimeout, c.DrainTimeout == 0)
	line("MaximumBufferedBytes", c.MaximumBufferedBytes, c.MaximumBufferedBytes == 0)
	line("RetryBackoff", fmt.Sprint(c.RetryBackoff.Initial, " to ", c.RetryBackoff.Max), c.RetryBackoff == retry.Backoff{})
	if c.MaximumRetryAttempts != nil {
		line("MaximumRetryAttempts", *c.MaximumRetryAttempts, false)
	}
	if s.Scaling != nil {
		line("Scaling", fmt.Sprintf("%+v", *s.Scaling), false)
	}
	return b.String()
}

func sorted[K ~string](rates map[K]float64) string {
	texts := make([]string, 0, len(rates))
	for name, rate := range rates {
		texts = append(texts, fmt.Sprintf("%s %g", name, rate))
	}
	slices.Sort(texts)
	return strings.Join(texts, ", ")
}
