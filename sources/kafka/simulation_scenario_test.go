//go:build synctests

package kafka_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources/kafka"
)

// scenario is everything that a seed decides before a simulation starts.
type scenario struct {
	seed uint64
	// calm has no faults, no failures and no kills: records are handled once.
	calm bool

	// The topic, and what comes into it: how many records, with how many keys, the
	// largest size, how many of them before the first mapping starts, and how long it
	// takes to send the rest.
	brokers, partitions, records, keys, size, backlog int
	spread                                            time.Duration
	transactions                                      bool // some of which are aborted

	// The group, and its clients.
	members                                                int
	serverSide, mixed, static, readCommitted               bool
	position                                               kafka.StartingPosition
	revokeTimeout, sessionTimeout, heartbeat, fetchMaxWait time.Duration

	// config holds the plain fields of the configuration.
	config      esm.Config
	bytes       bool // the handler takes event documents
	reject      int  // the divisor of the numbers that the filter rejects
	destination bool

	// The handler: its longest run, how likely it misbehaves in which way, and the
	// divisor of the numbers that it never gets done while the weather is bad.
	slowest time.Duration
	moods   map[mood]float64
	poison  int
	stuck   bool // poison hangs, and does not fail

	// How often members are stopped and killed, and then started again; what else
	// strikes, and how often; and how likely a single request or answer has a fault
	// of the network.
	stops, kills, strikes int
	faults                []string
	wires                 map[string]float64
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

func (d dice) upTo(limit time.Duration) time.Duration {
	return time.Duration(d.Int64N(int64(max(limit, 1))))
}

func pick[T any](d dice, values ...T) T { return values[d.IntN(len(values))] }

// draw returns the scenario of a seed.
func draw(seed uint64) scenario {
	d := dice{rand.New(rand.NewPCG(seed, 1))}

	s := scenario{
		seed:          seed,
		calm:          d.chance(0.2),
		brokers:       pick(d, 1, 2, 3),
		partitions:    d.number(4),
		records:       d.number(80),
		keys:          d.number(8),
		size:          pick(d, 30, 30, 200, 3000),
		spread:        pick(d, 0, 5*time.Second, 30*time.Second, 90*time.Second),
		transactions:  d.chance(0.15),
		members:       d.number(3),
		serverSide:    d.chance(0.4),
		mixed:         d.chance(0.3),
		static:        d.chance(0.15),
		readCommitted: d.chance(0.2),
		position:      pick(d, kafka.TrimHorizon, kafka.TrimHorizon, kafka.Latest, kafka.AtTimestamp),
		revokeTimeout: pick(d, 0, 500*time.Millisecond, 3*time.Second, 10*time.Second),
		fetchMaxWait:  pick(d, 100*time.Millisecond, 500*time.Millisecond, 500*time.Millisecond, 5*time.Second),
		bytes:         d.chance(0.5),
		slowest:       pick(d, 0, 100*time.Millisecond, 3*time.Second),
		destination:   d.chance(0.5),
		stops:         pick(d, 0, 1, 2, 4),
	}

	s.backlog = pick(d, 0, s.records/2, s.records)
	s.sessionTimeout = pick(d, 6*time.Second, 10*time.Second, 45*time.Second)
	s.heartbeat = min(s.sessionTimeout/5, 3*time.Second)

	if d.chance(0.05) { // so that the adapter has enough of it
		s.size, s.slowest = 250_000, 3*time.Second
	}

	if d.chance(0.2) {
		s.reject = 2 + d.IntN(4)
	}

	s.draw(d)

	if s.calm {
		// Nothing ends before it is done.
		s.revokeTimeout = max(s.revokeTimeout, 10*time.Second)
		s.config.Timeout = time.Minute
		s.config.DrainTimeout = 0
	} else {
		s.misfortune(d)
	}

	return s
}

// draw draws the configuration of the mappings.
func (s *scenario) draw(d dice) {
	c := &s.config
	c.BatchSize = pick(d, 0, 1, 2, d.number(20), d.number(200))
	c.MaximumBatchingWindow = pick(d, 0, esm.NoBatchingWindow, esm.NoBatchingWindow, 50*time.Millisecond, time.Second, 10*time.Second)
	c.ReportBatchItemFailures = d.chance(0.5)
	c.Timeout = pick(d, 0, time.Second, 5*time.Second, time.Minute)
	c.DrainTimeout = pick(d, 0, time.Nanosecond, time.Second, time.Minute)
	c.ParallelizationFactor = pick(d, 0, 1, 2, 3)
	c.BisectBatchOnFunctionError = d.chance(0.4)

	if d.chance(0.2) {
		c.MaximumBatchBytes = pick(d, 600, 2*s.size+1000, 10*s.size+1000)
	}

	if d.chance(0.5) {
		c.MaximumRetryAttempts = new(pick(d, -1, 0, 1, 3, 10_000))
	}

	if d.chance(0.2) {
		c.MaximumRecordAge = pick(d, -1, time.Minute, time.Hour)
	}

	if d.chance(0.3) {
		c.MaximumBufferedBytes = pick(d, 1, 1000, 100_000)
	}

	if d.chance(0.3) {
		c.RetryBackoff = retry.Backoff{Initial: time.Millisecond, Max: time.Second}
	}
}

// misfortune draws what goes wrong.
func (s *scenario) misfortune(d dice) {
	s.kills = pick(d, 0, 0, 1, 3)
	s.strikes = pick(d, 0, 4, 15, 40)
	s.moods = make(map[mood]float64)
	s.wires = make(map[string]float64)

	for _, m := range moods() {
		if d.chance(0.25) {
			s.moods[m] = pick(d, 0.02, 0.1, 0.3)
		}
	}

	if d.chance(0.25) {
		s.poison = 1 + d.IntN(20)
		s.stuck = d.chance(0.5)
	}

	for _, f := range slices.Sorted(maps.Keys(strikes())) {
		if d.chance(0.3) {
			s.faults = append(s.faults, f)
		}
	}

	if len(s.faults) == 0 {
		s.strikes = 0
	}

	for _, f := range []string{cutBefore, cutAfter, slowAnswer} {
		if d.chance(0.25) {
			s.wires[f] = pick(d, 0.002, 0.01, 0.05)
		}
	}

	for _, f := range []string{deliverBefore, deliverAfter} {
		if d.chance(0.5) {
			s.wires[f] = pick(d, 0.1, 0.5)
		}
	}
}

// timeout is the handler's time limit.
func (s *scenario) timeout() time.Duration { return cmp.Or(s.config.Timeout, esm.DefaultTimeout) }

// attempts is how often a failed batch is retried, -1 for no limit.
func (s *scenario) attempts() int {
	const withDestination = 10 // KAF-61

	n := -1
	if s.config.MaximumRetryAttempts != nil {
		n = *s.config.MaximumRetryAttempts
	}

	if n < 0 && s.destination {
		return withDestination
	}

	return n
}

// patience is how long a partition that is asked back may be kept.
func (s *scenario) patience() time.Duration {
	return cmp.Or(s.revokeTimeout, kafka.DefaultRevokeTimeout)
}

// stopLimit is how long a stop may take.
func (s *scenario) stopLimit() time.Duration {
	const (
		settling = 5 * time.Second
		calls    = 10 * time.Second // those under way, and a handler's grace
	)

	return cmp.Or(s.config.DrainTimeout, esm.DefaultDrainTimeout) + settling + calls
}

// String prints the scenario, a field a line, without what is zero.
func (s *scenario) String() string {
	var b strings.Builder

	line := func(name string, value any, zero bool) {
		if !zero {
			fmt.Fprintf(&b, "  %s: %v\n", name, value)
		}
	}

	line("calm", s.calm, !s.calm)
	line("topic", fmt.Sprintf("%d partitions on %d brokers, transactions %v", s.partitions, s.brokers, s.transactions), false)
	line("records", fmt.Sprintf("%d, %d of them at once, %d keys, up to %d bytes, within %v", s.records, s.backlog, s.keys, s.size, s.spread), false)
	line("group", fmt.Sprintf("%d members, server-side %v, mixed %v, static %v, read-committed %v, from %d",
		s.members, s.serverSide, s.mixed, s.static, s.readCommitted, s.position), false)
	line("times", fmt.Sprintf("revoke %v, session %v, heartbeat %v, fetch %v", s.patience(), s.sessionTimeout, s.heartbeat, s.fetchMaxWait), false)
	line("handler", fmt.Sprintf("bytes %v, slowest %v, poison %d, stuck %v", s.bytes, s.slowest, s.poison, s.stuck), false)
	line("moods", rates(s.moods), len(s.moods) == 0)
	line("reject", s.reject, s.reject == 0)
	line("destination", s.destination, !s.destination)
	line("stops, kills", fmt.Sprint(s.stops, s.kills), s.stops+s.kills == 0)
	line("strikes", fmt.Sprintf("%d of %s", s.strikes, strings.Join(s.faults, ", ")), s.strikes == 0)
	line("wires", rates(s.wires), len(s.wires) == 0)

	c := s.config
	line("BatchSize", c.BatchSize, c.BatchSize == 0)
	line("MaximumBatchingWindow", c.MaximumBatchingWindow, c.MaximumBatchingWindow == 0)
	line("MaximumBatchBytes", c.MaximumBatchBytes, c.MaximumBatchBytes == 0)
	line("ReportBatchItemFailures", c.ReportBatchItemFailures, !c.ReportBatchItemFailures)
	line("ParallelizationFactor", c.ParallelizationFactor, c.ParallelizationFactor == 0)
	line("BisectBatchOnFunctionError", c.BisectBatchOnFunctionError, !c.BisectBatchOnFunctionError)
	line("MaximumRetryAttempts", s.attempts(), c.MaximumRetryAttempts == nil)
	line("MaximumRecordAge", c.MaximumRecordAge, c.MaximumRecordAge == 0)
	line("Timeout", c.Timeout, c.Timeout == 0)
	line("DrainTimeout", c.DrainTimeout, c.DrainTimeout == 0)
	line("MaximumBufferedBytes", c.MaximumBufferedBytes, c.MaximumBufferedBytes == 0)
	line("RetryBackoff", c.RetryBackoff, c.RetryBackoff == retry.Backoff{})

	return b.String()
}

func rates[K ~string](of map[K]float64) string {
	var texts []string
	for _, name := range slices.Sorted(maps.Keys(of)) {
		texts = append(texts, fmt.Sprintf("%s %g", name, of[name]))
	}

	return strings.Join(texts, ", ")
}
