package retry_test

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/retry"
)

// span is records of a batch that are tried together, by index, with what
// counts for them.
type span struct {
	records   []int
	retries   int // that count
	invokes   int
	delays    int // failures in a row
	exhausted bool
}

// planModel is the rules of a plan in the order in which they are written: a
// list of spans, of which the first is worked on.
type planModel struct {
	rules   retry.Rules
	arrival []time.Time
	expires []time.Time
	spans   []span
}

func newPlanModel(rules retry.Rules, arrival, expires []time.Time) *planModel {
	m := &planModel{rules: rules, arrival: arrival, expires: expires}
	all := make([]int, len(arrival))
	for i := range all {
		all[i] = i
	}
	m.spans = []span{{records: all}}
	m.tidy()
	return m
}

func (m *planModel) tidy() {
	m.spans = slices.DeleteFunc(m.spans, func(s span) bool { return len(s.records) == 0 })
}

func (m *planModel) tooOld(i int, now time.Time) bool {
	if !m.expires[i].IsZero() && !now.Before(m.expires[i]) {
		return true
	}
	return m.rules.MaximumRecordAge >= 0 && !m.arrival[i].IsZero() && now.Sub(m.arrival[i]) > m.rules.MaximumRecordAge
}

func (m *planModel) next(now time.Time) retry.Step {
	if len(m.spans) == 0 {
		return retry.Step{Action: retry.Done, From: len(m.arrival), To: len(m.arrival)}
	}
	s := &m.spans[0]
	step := retry.Step{Action: retry.Invoke, From: s.records[0], To: s.records[len(s.records)-1] + 1, Failures: s.delays}
	giveUp := func(to int, reason retry.Reason) retry.Step {
		return retry.Step{Action: retry.GiveUp, From: step.From, To: to, Reason: reason, Invokes: max(s.invokes, 1)}
	}
	if s.exhausted {
		return giveUp(step.To, retry.RetryAttemptsExhausted)
	}
	aged := 0
	for aged < len(s.records) && m.tooOld(s.records[aged], now) {
		aged++
	}
	if aged > 0 {
		return giveUp(step.From+aged, retry.RecordAgeExceeded)
	}
	return step
}

// finish takes the first n records out of the first span. What is left of it
// counts on if they were given up for their age, and anew after progress.
func (m *planModel) finish(n int) {
	m.spans[0].records = m.spans[0].records[n:]
	m.tidy()
}

func (m *planModel) failed() {
	s := &m.spans[0]
	s.invokes++
	if n := len(s.records); m.rules.Bisect && n > 1 {
		first, second := span{records: s.records[:n/2], delays: 1}, span{records: s.records[n/2:]}
		m.spans = append([]span{first, second}, m.spans[1:]...)
		return
	}
	s.delays++
	if m.rules.MaximumRetryAttempts >= 0 && s.retries == m.rules.MaximumRetryAttempts {
		s.exhausted = true
		return
	}
	s.retries++
}

func (m *planModel) failedFrom(i int) {
	done := slices.IndexFunc(m.spans[0].records, func(r int) bool { return r >= i })
	switch done {
	case 0:
		m.failed()
	case -1:
		m.finish(len(m.spans[0].records))
	default:
		m.spans[0] = span{records: m.spans[0].records[done:], delays: 1}
	}
}

// limit is the last moment at which the first record is not too old.
func (m *planModel) limit() time.Time {
	if len(m.spans) == 0 {
		return time.Time{}
	}
	var limits []time.Time
	first := m.spans[0].records[0]
	if m.rules.MaximumRecordAge >= 0 && !m.arrival[first].IsZero() {
		limits = append(limits, m.arrival[first].Add(m.rules.MaximumRecordAge))
	}
	if !m.expires[first].IsZero() {
		limits = append(limits, m.expires[first].Add(-time.Nanosecond))
	}
	if len(limits) == 0 {
		return time.Time{}
	}
	return slices.MinFunc(limits, time.Time.Compare)
}

// noise is n bytes, the same for each seed.
func noise(seed byte, n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(data) // never fails
	return data
}

// FuzzPlanModel holds every step of a plan to the model's. Two bytes are one
// answer: which, and how long it took.
func FuzzPlanModel(f *testing.F) {
	f.Add(6, 1, 60, true, []byte{1, 1, 1, 1, 0, 1, 2, 3, 1, 250, 1, 250})
	f.Add(3, 3, -1, false, []byte{2, 2, 1, 0, 3, 0, 1, 0, 1, 0}) // KIN-156
	f.Add(9, 0, 20, true, []byte{1, 200, 3, 200, 2, 9, 0, 0, 1, 250})
	for seed := range byte(16) {
		f.Add(3*int(seed), int(seed)%4-1, 10*int(seed)-10, seed%2 == 0, noise(seed, 100))
	}
	f.Fuzz(func(t *testing.T, n, retries, age int, bisect bool, answers []byte) {
		rules := retry.Rules{
			MaximumRetryAttempts: min(max(retries, -1), 5),
			MaximumRecordAge:     time.Duration(min(age, 300)) * time.Second, Bisect: bisect,
		}
		if age < 0 {
			rules.MaximumRecordAge = retry.NoLimit
		}
		arrival := make([]time.Time, min(max(n, 0), 40))
		expires := make([]time.Time, len(arrival))
		for i := range arrival {
			if i%4 == 3 { // few expire
				expires[i] = start.Add(time.Duration(i*3%11) * 2 * time.Second)
			}
			if i%6 != 5 { // some have no time, and the times are not in order
				arrival[i] = start.Add(time.Duration(i*5%7) * time.Second)
			}
		}
		m, now := newPlanModel(rules, arrival, expires), start
		var p retry.Plan
		p.Reset(rules, len(arrival), func(i int) (arrived, expired time.Time) { return arrival[i], expires[i] })
		for i := 0; ; i += 2 {
			step, want := p.Next(now), m.next(now)
			if step != want || !p.Limit().Equal(m.limit()) {
				t.Fatalf("answer %d: %+v until %v, want %+v until %v", i/2, step, p.Limit(), want, m.limit())
			}
			if step.Action == retry.Done {
				return
			}
			if step.Action == retry.GiveUp {
				p.GaveUp(step.To)
				m.finish(step.To - step.From)
				continue
			}
			kind, value := byte(0), byte(0) // in the end everything succeeds
			if i+1 < len(answers) {
				kind, value = answers[i], answers[i+1]
			}
			now = now.Add(time.Duration(value) * 100 * time.Millisecond)
			switch kind % 4 {
			case 0:
				p.Succeeded()
				m.finish(step.To - step.From)
			case 1:
				p.Failed()
				m.failed()
			case 2:
				from := int(value) % (len(arrival) + 1) // also outside of the step
				p.FailedFrom(from)
				m.failedFrom(from)
			case 3:
				p.Throttled()
				m.spans[0].delays++
			}
		}
	})
}

// FuzzCeiling holds the ceiling to big numbers: Initial doubled so many times,
// between Initial and Max. Just below Max it may be off by one: a nanosecond.
func FuzzCeiling(f *testing.F) {
	f.Add(int64(time.Second), int64(time.Minute), 7)
	f.Add(int64(1), int64(math.MaxInt64), 200)
	f.Add(int64(3), int64(5), 2)
	f.Add(int64(time.Second), int64(time.Hour), 4)
	f.Add(int64(-1), int64(math.MinInt64), math.MinInt)
	f.Fuzz(func(t *testing.T, initial, limit int64, failures int) {
		got := retry.Backoff{Initial: time.Duration(initial), Max: time.Duration(limit)}.Ceiling(failures)
		if failures <= 0 || initial <= 0 {
			if got != 0 {
				t.Fatalf("ceiling %v, want none", got)
			}
			return
		}
		highest := big.NewInt(max(initial, limit))
		want := new(big.Int).Lsh(big.NewInt(initial), uint(min(failures-1, 64)))
		if want.Cmp(highest) > 0 {
			want = highest
		}
		if off := new(big.Int).Sub(big.NewInt(int64(got)), want); off.CmpAbs(big.NewInt(1)) > 0 {
			t.Fatalf("{%d %d} after %d failures: %d, want %v", initial, limit, failures, got, want)
		}
	})
}
