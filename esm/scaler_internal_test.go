package esm

import (
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
)

var sqsScaling = sources.Scaling{Initial: 5, Idle: 2, Max: 1250, PerMinute: 300}

func TestScalerAddsAtARate_SQS20(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newScaler(sqsScaling, now)
	started := 0
	for range 60 * 10 { // ten backlogs a second, for a minute
		now = now.Add(100 * time.Millisecond)
		started += s.backlog(now)
	}
	if started < 299 || started > 300 {
		t.Errorf("%d lanes added in a minute", started)
	}
	if got := s.lanes(); got != 5+started {
		t.Errorf("%d lanes", got)
	}
	for range 10 * 60 * 10 {
		now = now.Add(100 * time.Millisecond)
		s.backlog(now)
	}
	if got := s.lanes(); got != 1250 {
		t.Errorf("%d lanes in the end, want the maximum", got)
	}
}

func TestScalerAddsOneLaneForAFullBatch(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newScaler(sqsScaling, now)
	if got := s.backlog(now.Add(time.Hour)); got != 1 {
		t.Errorf("%d lanes at once after an hour, want 1", got)
	}
}

func TestScalerKeepsItsRateWithSlowHandlers_SQS20(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newScaler(sqsScaling, now)
	for range 12 { // two minutes, with a handler that takes ten seconds
		now = now.Add(10 * time.Second)
		for range s.lanes() {
			s.backlog(now)
		}
	}
	if got := s.lanes(); got < 550 || got > 605 {
		t.Errorf("%d lanes after two minutes, want about 605", got)
	}
}

func TestScalerSavesNoAllowanceOverQuietTimesOrFailures(t *testing.T) {
	t.Parallel()
	for name, tell := range map[string]func(*scaler){"quiet": (*scaler).quiet, "failing": (*scaler).failing} {
		s := newScaler(sqsScaling, time.Now().Add(-time.Hour))
		tell(s)
		if got := s.backlog(time.Now()); got != 0 {
			t.Errorf("%s: %d lanes at once", name, got)
		}
	}
}

func TestScalerShrinks_SQS21_SQS46(t *testing.T) {
	t.Parallel()
	s := newScaler(sqsScaling, time.Now())
	for range 10 {
		s.quiet()
	}
	left := 0
	for s.leave() {
		left++
	}
	if left != 3 || s.lanes() != 2 {
		t.Errorf("%d lanes left, %d remain", left, s.lanes())
	}
	s.failing()
	if s.leave() {
		t.Error("failures went below two lanes")
	}
	// A backlog brings them back.
	if got := s.backlog(time.Now().Add(time.Minute)); got == 0 {
		t.Error("no lane after a backlog")
	}
}

func TestScalerWithOneLane(t *testing.T) {
	t.Parallel()
	config := Config{MaximumConcurrency: 1}
	s := newScaler(config.scaling(sources.Traits{Scaling: sqsScaling}), time.Now())
	s.quiet()
	s.failing()
	if s.leave() || s.backlog(time.Now().Add(time.Hour)) != 0 || s.lanes() != 1 {
		t.Errorf("%d lanes", s.lanes())
	}
}

func TestMaximumConcurrencyKeepsTheInitialLanes_SQS21(t *testing.T) {
	t.Parallel()
	config := Config{MaximumConcurrency: 100}
	s := newScaler(config.scaling(sources.Traits{Scaling: sqsScaling}), time.Now())
	for range 10 {
		s.quiet()
	}
	if s.leave() {
		t.Error("the step to two lanes is off with a MaximumConcurrency")
	}
}
