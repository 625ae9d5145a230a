package esm

import (
	"cmp"
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// problemLife is how long after its last failure a problem counts as one of now, if
	// nothing shows that it has passed.
	problemLife = 5 * time.Minute
	// calm is how long nothing must fail for a problem that has passed to be over.
	calm = time.Minute
)

// errNothingDone is the error of a batch of which nothing is done.
var errNothingDone = errors.New("esm: the handler's batchItemFailures leave nothing of the batch done")

// symptom tells one problem from another.
type symptom struct {
	metric    Metric
	partition string
}

// trouble is a problem, with what tells when it is over.
type trouble struct {
	Problem

	// passed says that the same thing has succeeded since.
	passed bool
	// wait is how long it takes until the next attempt can show anything.
	wait   time.Duration
	logged time.Time
}

// life is how long after the last failure it is a problem.
func (t *trouble) life() time.Duration {
	whole := t.Partition == ""
	switch {
	case t.passed, t.Metric == DroppedEventCount, t.Metric == PollingErrorCount && whole:
		return calm + t.wait
	case t.Metric == OnFailureDestinationDeliveryErrorCount && whole:
		return math.MaxInt64 // of the check, which is not repeated
	default:
		return problemLife + t.wait
	}
}

// over reports whether it is no problem of now.
func (t *trouble) over(now time.Time) bool { return now.Sub(t.Last) >= t.life() }

// forgotten reports whether it would not be the same problem any more.
func (t *trouble) forgotten(now time.Time) bool { return now.Sub(t.Last)-calm >= t.life() }

// counts reports whether it is bad enough to be a problem: a throttle alone is none.
func (t *trouble) counts() bool {
	return t.Metric != ThrottledEventCount || t.Last.Add(t.wait).Sub(t.Since) >= patience
}

// health is the status as it is made of what is observed.
type health struct {
	processed atomic.Bool
	ailing    atomic.Bool // there are problems

	mu       sync.Mutex
	state    State
	err      error
	problems map[symptom]*trouble
	pruned   time.Time
}

// note takes note of an observation. Where nothing is wrong it takes no lock.
func (h *health) note(o *Observation) {
	switch o.Metric {
	case PollingErrorCount, CommitErrorCount, OnFailureDestinationDeliveryErrorCount, DroppedEventCount, AbandonedInvokeCount:
		h.fail(symptom{o.Metric, o.Partition}, o.Count, o.Err, 0)
	case PolledEventCount:
		h.heal(o.Partition, PollingErrorCount)
	case OnFailureDestinationDeliveredEventCount:
		h.heal(o.Partition, OnFailureDestinationDeliveryErrorCount)
		h.heal("", OnFailureDestinationDeliveryErrorCount)
	case DeletedEventCount, CommittedEventCount:
		if o.Count > 0 { // not of a failed settlement
			h.heal(o.Partition, CommitErrorCount)
		}
	}
}

// invoked takes note of an invocation, and whether something of its batch was done. limit
// is the handler's time limit. It returns what is to be logged now: of problems that are
// not logged at each attempt.
func (h *health) invoked(partition string, o *outcome, progress bool, limit time.Duration) (p Problem, log bool) {
	wait := min(o.took, limit) + o.retryAfter
	switch {
	case o.verdict == failed:
		h.fail(symptom{InvokeErrorCount, partition}, 1, o.err, wait)
	case o.verdict == throttled:
		return h.fail(symptom{ThrottledEventCount, partition}, 1, o.err, wait)
	case !progress:
		return h.fail(symptom{FailedInvokeEventCount, partition}, 1, errNothingDone, wait)
	default:
		if !h.processed.Load() {
			h.processed.Store(true)
		}
		h.heal(partition, InvokeErrorCount, ThrottledEventCount, FailedInvokeEventCount, AbandonedInvokeCount)
	}
	return Problem{}, false
}

// fail takes note of a failure, and reports whether the last line about it, if each has
// one, is a minute old.
func (h *health) fail(of symptom, count int, err error, wait time.Duration) (p Problem, log bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.problems == nil {
		h.problems = map[symptom]*trouble{}
	}
	h.ailing.Store(true)
	now := time.Now()
	t := h.problems[of]
	if t == nil || t.forgotten(now) {
		t = &trouble{Problem: Problem{Metric: of.metric, Partition: of.partition, Since: now}}
		h.problems[of] = t
	}
	t.Last, t.Err, t.wait, t.passed = now, err, wait, false
	t.Count += count
	if log = t.counts() && now.Sub(t.logged) >= logInterval; log {
		t.logged = now
	}
	return t.Problem, log
}

// heal takes note that something succeeded in a partition.
func (h *health) heal(partition string, metrics ...Metric) {
	if !h.ailing.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, metric := range metrics {
		of := symptom{metric, partition}
		if t := h.problems[of]; t != nil {
			t.passed = true
			if !t.counts() {
				delete(h.problems, of)
			}
		}
	}
	h.prune(time.Now())
}

// prune forgets what is over, once a minute. The caller holds mu.
func (h *health) prune(now time.Time) {
	if now.Sub(h.pruned) >= calm {
		h.pruned = now
		for of, t := range h.problems {
			if t.forgotten(now) {
				delete(h.problems, of)
			}
		}
	}
	h.ailing.Store(len(h.problems) > 0)
}

// forget ends all problems of a partition that is closed.
func (h *health) forget(partition string) {
	if !h.ailing.Load() {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for of := range h.problems {
		if of.partition == partition {
			delete(h.problems, of)
		}
	}
	h.ailing.Store(len(h.problems) > 0)
}

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
	for _, t := range h.problems {
		if t.counts() && !t.over(now) {
			s.Problems = append(s.Problems, t.Problem)
		}
	}
	slices.SortFunc(s.Problems, func(a, b Problem) int {
		return cmp.Or(a.Since.Compare(b.Since), strings.Compare(a.Partition, b.Partition), cmp.Compare(a.Metric, b.Metric))
	})
	s.LastProcessingResult = h.result(s.Problems)
	return s
}
