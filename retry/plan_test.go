package retry_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/retry"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// unlimited retries for ever, AWS's default (KIN-124).
var unlimited = retry.Rules{MaximumRetryAttempts: retry.NoLimit, MaximumRecordAge: retry.NoLimit}

// arrivals is of records that never expire.
func arrivals(of func(i int) time.Time) func(i int) (arrived, expires time.Time) {
	return func(i int) (arrived, expires time.Time) { return of(i), time.Time{} }
}

func planOf(rules retry.Rules, n int) *retry.Plan {
	var p retry.Plan
	p.Reset(rules, n, arrivals(func(int) time.Time { return start }))
	return &p
}

// play runs a plan with a handler that answers like AWS's, and returns what
// was invoked and given up, in order.
func play(p *retry.Plan, handle func(from, to int) int) []string {
	var history []string
	for {
		step := p.Next(start)
		switch step.Action {
		case retry.Done:
			return history
		case retry.GiveUp:
			history = append(history, fmt.Sprintf("give up %d-%d after %d", step.From, step.To, step.Invokes))
			p.GaveUp(step.To)
		case retry.Invoke:
			history = append(history, fmt.Sprintf("invoke %d-%d", step.From, step.To))
			if failedFrom := handle(step.From, step.To); failedFrom == step.To {
				p.Succeeded()
			} else {
				p.FailedFrom(failedFrom)
			}
		}
	}
}

func expect(t *testing.T, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}

func allFail(from, _ int) int { return from }

// poison fails whole batches that contain record i.
func poison(i int) func(from, to int) int {
	return func(from, to int) int {
		if from <= i && i < to {
			return from
		}
		return to
	}
}

func TestSuccessIsOneInvoke(t *testing.T) {
	t.Parallel()
	expect(t, play(planOf(unlimited, 5), func(_, to int) int { return to }), "invoke 0-5")
}

func TestEmptyBatchIsDone(t *testing.T) {
	t.Parallel()
	expect(t, play(planOf(unlimited, 0), allFail))
	var zero retry.Plan
	if step := zero.Next(start); step.Action != retry.Done {
		t.Errorf("the zero plan wants %v", step)
	}
}

func TestRetryLimit_KIN121(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.MaximumRetryAttempts = 2
	expect(t, play(planOf(rules, 4), allFail), "invoke 0-4", "invoke 0-4", "invoke 0-4", "give up 0-4 after 3")
}

func TestNoRetry_KIN122(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.MaximumRetryAttempts = 0
	expect(t, play(planOf(rules, 4), allFail), "invoke 0-4", "give up 0-4 after 1")
}

func TestUnlimitedRetries_KIN124(t *testing.T) {
	t.Parallel()
	tries := 0
	history := play(planOf(unlimited, 1), func(_, to int) int {
		if tries++; tries == 20_000 {
			return to
		}
		return 0
	})
	if len(history) != 20_000 {
		t.Errorf("%d invokes", len(history))
	}
}

func TestThrottleIsNotCounted_KIN123(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.MaximumRetryAttempts = 1
	rules.Bisect = true
	p := planOf(rules, 3)
	for i := range 10 {
		step := p.Next(start)
		if step.Action != retry.Invoke || step.From != 0 || step.To != 3 || step.Failures != i {
			t.Fatalf("after %d throttles: %+v", i, step)
		}
		p.Throttled()
	}
}

// Bisect (KIN-140, KIN-141, KIN-146, KIN-148).
func TestBisect(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.MaximumRetryAttempts = 0
	rules.Bisect = true
	expect(t, play(planOf(rules, 5), poison(3)),
		"invoke 0-5", "invoke 0-2", "invoke 2-5", "invoke 2-3", "invoke 3-5",
		"invoke 3-4", "give up 3-4 after 1", "invoke 4-5")
}

func TestBisectThenRetry_KIN147(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.MaximumRetryAttempts = 2
	rules.Bisect = true
	expect(t, play(planOf(rules, 2), poison(0)),
		"invoke 0-2", "invoke 0-1", "invoke 0-1", "invoke 0-1", "give up 0-1 after 3", "invoke 1-2")
}

func TestPartialProgressResetsCount_KIN156(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.MaximumRetryAttempts = 3
	expect(t, play(planOf(rules, 3), func(from, _ int) int { return max(from, 2) }),
		"invoke 0-3", "invoke 2-3", "invoke 2-3", "invoke 2-3", "invoke 2-3", "give up 2-3 after 4")
}

func TestPartialWithoutProgressGoesOnCounting_KIN158(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.MaximumRetryAttempts = 1
	expect(t, play(planOf(rules, 3), allFail), "invoke 0-3", "invoke 0-3", "give up 0-3 after 2")
}

func TestPartialSplitsAtFailedRecord_KIN143(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.MaximumRetryAttempts = 0
	rules.Bisect = true
	expect(t, play(planOf(rules, 4), func(from, to int) int {
		if from <= 2 && to > 2 {
			return 2
		}
		return to
	}), "invoke 0-4", "invoke 2-4", "invoke 2-3", "give up 2-3 after 1", "invoke 3-4")
}

// Only aged front is given up (KIN-126, KIN-129).
func TestOnlyAgedFrontIsGivenUp(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.MaximumRecordAge = time.Minute
	after := []time.Duration{-2 * time.Minute, -61 * time.Second, -time.Minute, -2 * time.Minute, 0}
	var p retry.Plan
	p.Reset(rules, len(after), arrivals(func(i int) time.Time { return start.Add(after[i]) }))
	step := p.Next(start)
	want := retry.Step{Action: retry.GiveUp, From: 0, To: 2, Reason: retry.RecordAgeExceeded, Invokes: 1}
	if step != want {
		t.Fatalf("got %+v, want %+v", step, want)
	}
	p.GaveUp(step.To)
	if step = p.Next(start); step.Action != retry.Invoke || step.From != 2 || step.To != 5 {
		t.Fatalf("then %+v, want the rest invoked, an old record behind a young one included", step)
	}
	if got, want := p.Limit(), start; !got.Equal(want) {
		t.Errorf("limit %v, want %v", got, want)
	}
}

// Age ends retries (RTY-06, RTY-11).
func TestAgeEndsRetries(t *testing.T) {
	t.Parallel()
	rules := retry.Rules{MaximumRetryAttempts: 100, MaximumRecordAge: time.Minute}
	p := planOf(rules, 2)
	p.Next(start)
	p.Failed()
	p.Throttled()
	step := p.Next(start.Add(time.Minute + 1))
	want := retry.Step{Action: retry.GiveUp, To: 2, Reason: retry.RecordAgeExceeded, Invokes: 1}
	if step != want {
		t.Fatalf("got %+v, want %+v", step, want)
	}
}

func TestRecordsWithoutTimeHaveNoAge(t *testing.T) {
	t.Parallel()
	var p retry.Plan
	p.Reset(retry.Rules{MaximumRetryAttempts: 0, MaximumRecordAge: time.Minute}, 1, arrivals(func(int) time.Time { return time.Time{} }))
	if step := p.Next(start); step.Action != retry.Invoke {
		t.Fatalf("got %+v", step)
	}
	if !p.Limit().IsZero() {
		t.Errorf("limit %v", p.Limit())
	}
}

// What has expired is given up without a try, and ends its retries. The earlier of age and
// expiry counts.
func TestExpiryEndsRecords_KIN124(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		age, expires, gone time.Duration
	}{
		"no age":           {retry.NoLimit, time.Minute, time.Minute},
		"expires before":   {2 * time.Minute, time.Minute, time.Minute},
		"too old before":   {time.Minute, time.Hour, time.Minute + 1},
		"expired at first": {retry.NoLimit, -time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p retry.Plan
			rules := retry.Rules{MaximumRetryAttempts: retry.NoLimit, MaximumRecordAge: c.age}
			p.Reset(rules, 3, func(i int) (arrived, expires time.Time) {
				if i < 2 {
					expires = start.Add(c.expires)
				}
				return start, expires
			})
			if c.gone > 0 {
				if step := p.Next(start.Add(c.gone - 1)); step.Action != retry.Invoke || step.To != 3 {
					t.Fatalf("just before %+v", step)
				}
				if !p.Limit().Equal(start.Add(min(c.expires-1, time.Minute))) {
					t.Errorf("limit %v", p.Limit())
				}
				p.Failed()
			}
			step := p.Next(start.Add(c.gone))
			want := retry.Step{Action: retry.GiveUp, To: 2, Reason: retry.RecordAgeExceeded, Invokes: 1}
			if c.age == time.Minute {
				want.To = 3 // all of them are as old
			}
			if step != want {
				t.Errorf("got %+v, want %+v", step, want)
			}
		})
	}
}

func TestPlanIsReusable(t *testing.T) {
	t.Parallel()
	rules := unlimited
	rules.Bisect = true
	rules.MaximumRetryAttempts = 0
	p := planOf(rules, 8)
	play(p, allFail)
	p.Reset(rules, 2, nil)
	expect(t, play(p, func(_, to int) int { return to }), "invoke 0-2")
}

func TestPlanDoesNotAllocate(t *testing.T) { //nolint:paralleltest // AllocsPerRun forbids it
	rules := unlimited
	p := planOf(rules, 8)
	if allocs := testing.AllocsPerRun(100, func() {
		p.Reset(rules, 8, nil)
		for p.Next(start).Action == retry.Invoke {
			p.Succeeded()
		}
	}); allocs != 0 {
		t.Errorf("%v allocations a batch", allocs)
	}
}

// FuzzPlan proves that, whatever the outcomes, the spans that were done or
// given up cover the batch exactly once and in order, and that no span is
// retried more often than the rules allow.
func FuzzPlan(f *testing.F) {
	f.Add(5, 2, 60, true, []byte{1, 1, 2, 3, 0, 250})
	f.Add(1, -1, -1, false, []byte{3, 3, 3})
	f.Add(100, 0, 90, true, []byte{1})
	f.Fuzz(func(t *testing.T, n, retries, age int, bisect bool, outcomes []byte) {
		n = min(max(n, 0), 300)
		rules := retry.Rules{
			MaximumRetryAttempts: min(max(retries, -1), 5), MaximumRecordAge: time.Duration(age) * time.Second, Bisect: bisect,
		}
		if age < 0 {
			rules.MaximumRecordAge = retry.NoLimit
		}
		var p retry.Plan
		p.Reset(rules, n, arrivals(func(i int) time.Time { return start.Add(time.Duration(i%7) * time.Second) }))
		now, covered, tried := start, 0, 0
		for i := 0; ; i++ {
			step := p.Next(now)
			if again := p.Next(now); again != step {
				t.Fatalf("asked twice: %+v, then %+v", step, again)
			}
			if step.Action == retry.Done {
				break
			}
			if step.From != covered || step.To <= step.From || step.To > n {
				t.Fatalf("step %+v, but %d of %d are covered", step, covered, n)
			}
			if step.Action == retry.GiveUp {
				covered, tried = step.To, 0
				p.GaveUp(step.To)
				continue
			}
			if tried++; rules.MaximumRetryAttempts >= 0 && !bisect && tried > rules.MaximumRetryAttempts+1 {
				t.Fatalf("invoke number %d with %d retries", tried, rules.MaximumRetryAttempts)
			}
			outcome := byte(0) // in the end everything succeeds
			if i < len(outcomes) {
				outcome = outcomes[i]
			}
			now = now.Add(time.Duration(outcome) * 10 * time.Millisecond)
			switch outcome % 4 {
			case 0:
				covered, tried = step.To, 0
				p.Succeeded()
			case 1:
				p.Failed()
			case 2:
				from := step.From + int(outcome)%(step.To-step.From+1)
				if from > step.From {
					covered, tried = from, 0
				}
				p.FailedFrom(from)
			case 3:
				tried--
				p.Throttled()
			}
		}
		if covered != n {
			t.Fatalf("%d of %d records covered", covered, n)
		}
	})
}
