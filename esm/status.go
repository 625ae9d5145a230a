package esm

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// problemLife is how long after its last failure a problem counts as one of now, if
// nothing shows that it has passed.
const problemLife = 5 * time.Minute

// State is what a mapping is doing. The values are AWS's (ESM-02).
type State string

const (
	// StateCreating: Run has not been called yet.
	StateCreating State = "Creating"
	// StateEnabling: the on-failure destination is checked, the source starts.
	StateEnabling State = "Enabling"
	// StateEnabled: the source is read.
	StateEnabled State = "Enabled"
	// StateDisabling: the mapping was stopped, and what runs ends.
	StateDisabling State = "Disabling"
	// StateDisabled: Run has returned.
	StateDisabled State = "Disabled"
)

// Status is what a mapping is doing, and what is wrong with it.
type Status struct {
	// State is what it is doing.
	State State
	// Err is what Run returned.
	Err error
	// LastProcessingResult is AWS's summary (ESM-19..23): "No records processed", "OK",
	// or "PROBLEM: " and what failed last.
	LastProcessingResult string
	// Problems are what fails now, what began first before the others.
	Problems []Problem
}

// Problem is something that fails. It is over when the same thing succeeds for the same
// partition, when the partition is closed, or five minutes after the last failure.
type Problem struct {
	// Metric counts the failures: PollingErrorCount, InvokeErrorCount, CommitErrorCount
	// or OnFailureDestinationDeliveryErrorCount.
	Metric Metric
	// Partition is what it is about; "" for the whole source.
	Partition string
	// Since is the first failure, Last the last one of so many.
	Since, Last time.Time
	Count       int
	// Err is the last failure.
	Err error
}

// Status tells what the mapping is doing, and what is wrong with it. It may be called
// at any time, concurrently with Run and after it.
func (m *Mapping) Status() Status { return m.health.status(time.Now()) }

// symptom tells one problem from another.
type symptom struct {
	metric    Metric
	partition string
}

// health is the status as it is made of what is observed.
type health struct {
	processed atomic.Bool
	ailing    atomic.Bool // there are problems

	mu       sync.Mutex
	state    State
	err      error
	problems map[symptom]Problem
}

// note takes note of an observation. Where nothing is wrong it takes no lock.
func (h *health) note(o *Observation) {
	switch o.Metric {
	case PollingErrorCount, InvokeErrorCount, CommitErrorCount, OnFailureDestinationDeliveryErrorCount:
		h.fail(o)
	case PolledEventCount:
		h.heal(o.Partition, PollingErrorCount)
	case OnFailureDestinationDeliveredEventCount, DroppedEventCount:
		h.heal(o.Partition, OnFailureDestinationDeliveryErrorCount)
	case DeletedEventCount, CommittedEventCount:
		if o.Count == 0 {
			return // a failed settlement
		}
		if !h.processed.Load() {
			h.processed.Store(true)
		}
		h.heal(o.Partition, InvokeErrorCount, CommitErrorCount)
	}
}

func (h *health) fail(o *Observation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.problems == nil {
		h.problems = map[symptom]Problem{}
	}
	h.ailing.Store(true)
	of, now := symptom{o.Metric, o.Partition}, time.Now()
	p, known := h.problems[of]
	if !known || p.lapsed(now) {
		p = Problem{Metric: o.Metric, Partition: o.Partition, Since: now}
	}
	p.Last, p.Err = now, o.Err
	p.Count += o.Count
	h.problems[of] = p
}

// heal ends problems of a partition.
func (h *health) heal(partition string, metrics ...Metric) {
	if !h.ailing.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, metric := range metrics {
		delete(h.problems, symptom{metric, partition})
	}
	h.ailing.Store(len(h.problems) > 0)
}

// forget ends all problems of a partition that is closed.
func (h *health) forget(partition string) {
	h.heal(partition, PollingErrorCount, InvokeErrorCount, CommitErrorCount, OnFailureDestinationDeliveryErrorCount)
}

func (p Problem) lapsed(now time.Time) bool { return now.Sub(p.Last) > problemLife }

// become has the state change, unless it has come further already.
func (h *health) become(state State, err error) {
	order := []State{"", StateEnabling, StateEnabled, StateDisabling, StateDisabled}
	h.mu.Lock()
	defer h.mu.Unlock()
	if slices.Index(order, state) > slices.Index(order, h.state) {
		h.state, h.err = state, err
	}
}

func (h *health) status(now time.Time) Status {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := Status{State: cmp.Or(h.state, StateCreating), Err: h.err}
	for _, p := range h.problems {
		if !p.lapsed(now) {
			s.Problems = append(s.Problems, p)
		}
	}
	slices.SortFunc(s.Problems, func(a, b Problem) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Partition, b.Partition), cmp.Compare(a.Metric, b.Metric))
	})
	s.LastProcessingResult = h.result(s.Problems)
	return s
}

// result is AWS's summary.
func (h *health) result(problems []Problem) string {
	switch {
	case len(problems) > 0:
		last := slices.MaxFunc(problems, func(a, b Problem) int { return a.Last.Compare(b.Last) })
		return "PROBLEM: " + last.text()
	case h.processed.Load():
		return "OK"
	default:
		return "No records processed"
	}
}

// text is what failed; that of the handler is AWS's (ESM-21).
func (p Problem) text() string {
	switch p.Metric {
	case PollingErrorCount:
		return "Reading the source failed"
	case CommitErrorCount:
		return "Settling records failed"
	case OnFailureDestinationDeliveryErrorCount:
		return "Delivery to the on-failure destination failed"
	default:
		return "Function call failed"
	}
}
