package retry

import "time"

// NoLimit as MaximumRetryAttempts or MaximumRecordAge means that the record's
// life in its source is the only limit (RTY-03, RTY-04).
const NoLimit = -1

// Rules say when a failed batch is given up.
type Rules struct {
	// MaximumRetryAttempts is how often a batch is retried after its first
	// try (KIN-121); 0 for never, NoLimit for ever.
	MaximumRetryAttempts int
	// MaximumRecordAge is how old the first record of a batch may be when it
	// is tried; NoLimit for any age.
	MaximumRecordAge time.Duration
	// Bisect splits a failed batch in two (KIN-140).
	Bisect bool
}

// Action is what to do next.
type Action int

const (
	// Done: every record is finished or given up.
	Done Action = iota
	// Invoke the records and answer with Succeeded, Failed, FailedFrom or
	// Throttled.
	Invoke
	// GiveUp the records (deliver them to the on-failure destination) and
	// answer with GaveUp.
	GiveUp
)

// Step is the next step of a plan, for the records From up to but not including
// To of the batch.
type Step struct {
	Action   Action
	From, To int
	// Reason is set with GiveUp.
	Reason Reason
	// Invokes is how often these records were invoked as one batch, at least
	// 1 for those that never were (KIN-129). Set with GiveUp.
	Invokes int
	// Failures is how many failures in a row lie before this step, the
	// number that a Backoff takes. Set with Invoke; 0 means at once.
	Failures int
}

// Plan is the plan of one ordered batch: outcomes in, next step out. Spans are
// taken strictly in order, and every record ends in exactly one span that
// succeeded or was given up. The same step is given until it is answered.
//
// The rules are those of stream sources: the whole batch is retried (KIN-120);
// a throttle does not count (KIN-123); before each try the too old records at
// the front are given up by themselves (KIN-126, RTY-07); a bisected batch goes
// on with its first half, floor(n/2) records, and each half starts counting
// anew (KIN-146, KIN-147: UNSURE on AWS); partial progress resets the count
// (KIN-156).
//
// The zero value is done. Reset starts a batch. Not safe for concurrent use.
type Plan struct {
	rules    Rules
	arrival  func(i int) time.Time
	from, to int
	// rest holds the ends of the spans behind [from, to), the nearest last.
	rest      []int
	retries   int
	invokes   int
	failures  int
	exhausted bool
}

// Reset starts the plan of a batch of n records. arrival tells when record i
// arrived; it may be nil when the rules have no MaximumRecordAge. A zero time
// is of no age.
func (p *Plan) Reset(rules Rules, n int, arrival func(i int) time.Time) {
	*p = Plan{rules: rules, arrival: arrival, to: n, rest: p.rest[:0]}
}

// Next tells what to do now.
func (p *Plan) Next(now time.Time) Step {
	if p.from == p.to {
		return Step{Action: Done, From: p.from, To: p.to}
	}
	if p.exhausted {
		return p.giveUp(p.to, RetryAttemptsExhausted)
	}
	if aged := p.aged(now); aged > p.from {
		return p.giveUp(aged, RecordAgeExceeded)
	}
	return Step{Action: Invoke, From: p.from, To: p.to, Failures: p.failures}
}

func (p *Plan) giveUp(to int, reason Reason) Step {
	return Step{Action: GiveUp, From: p.from, To: to, Reason: reason, Invokes: max(p.invokes, 1)}
}

// aged is the end of the run of too old records at the front.
func (p *Plan) aged(now time.Time) int {
	i := p.from
	for i < p.to && p.tooOld(i, now) {
		i++
	}
	return i
}

func (p *Plan) tooOld(i int, now time.Time) bool {
	limit := p.limit(i)
	return !limit.IsZero() && now.After(limit)
}

// limit is the moment up to which record i may be tried; zero for ever.
func (p *Plan) limit(i int) time.Time {
	if p.rules.MaximumRecordAge < 0 || p.arrival == nil {
		return time.Time{}
	}
	arrived := p.arrival(i)
	if arrived.IsZero() {
		return time.Time{}
	}
	return arrived.Add(p.rules.MaximumRecordAge)
}

// Limit is the moment after which the first open record is too old, so that no
// wait need be longer (RTY-12); zero if it never is.
func (p *Plan) Limit() time.Time {
	if p.from == p.to {
		return time.Time{}
	}
	return p.limit(p.from)
}

// Succeeded answers Invoke: all records of the step are finished.
func (p *Plan) Succeeded() { p.advance(p.to) }

// GaveUp answers GiveUp: its records, up to to, reached the destination or are
// discarded.
func (p *Plan) GaveUp(to int) { p.advance(to) }

// advance moves the front to i, and to the next span when this one is done.
func (p *Plan) advance(i int) {
	p.from = i
	if p.from < p.to {
		return
	}
	p.restart(0)
	if last := len(p.rest) - 1; last >= 0 {
		p.to = p.rest[last]
		p.rest = p.rest[:last]
	}
}

// restart counts anew, after the given number of failures in a row.
func (p *Plan) restart(failures int) {
	p.retries, p.invokes, p.failures, p.exhausted = 0, 0, failures, false
}

// Failed answers Invoke: the handler failed the records as a whole.
func (p *Plan) Failed() {
	p.invokes++
	if p.rules.Bisect && p.to-p.from > 1 {
		p.split()
		return
	}
	p.failures++
	if p.rules.MaximumRetryAttempts >= 0 && p.retries >= p.rules.MaximumRetryAttempts {
		p.exhausted = true
		return
	}
	p.retries++
}

func (p *Plan) split() {
	p.rest = append(p.rest, p.to)
	p.to = p.from + (p.to-p.from)/2
	p.restart(1)
}

// FailedFrom answers Invoke: the records before i, an index into the batch, are
// finished, those from i on are not (KIN-151). If i is the first record of the
// step there is no progress and it counts as Failed (KIN-158). An i outside the
// step counts as its nearest end.
func (p *Plan) FailedFrom(i int) {
	switch {
	case i <= p.from:
		p.Failed()
	case i >= p.to:
		p.Succeeded()
	default:
		p.from = i
		p.restart(1)
	}
}

// Throttled answers Invoke: the records were not handled at all. They are tried
// again, and nothing is counted but the delay (KIN-123, KIN-142).
func (p *Plan) Throttled() { p.failures++ }
