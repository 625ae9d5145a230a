package esm

import (
	"testing"
	"testing/synctest"
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
		started += one(s.backlog(now))
	}
	if started < 299 || started > 300 {
		t.Errorf("%d lanes added in a minute", started)
	}
	if got := s.count(); got != 5+started {
		t.Errorf("%d lanes", got)
	}
	for range 10 * 60 * 10 {
		now = now.Add(100 * time.Millisecond)
		s.backlog(now)
	}
	if got := s.count(); got != 1250 {
		t.Errorf("%d lanes in the end, want the maximum", got)
	}
}

func TestScalerAddsOneLaneForAFullBatch(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newScaler(sqsScaling, now)
	if !s.backlog(now.Add(time.Hour)) || s.count() != sqsScaling.Initial+1 {
		t.Errorf("%d lanes at once after an hour, want one more", s.count())
	}
}

func TestScalerKeepsItsRateWithSlowHandlers_SQS20(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newScaler(sqsScaling, now)
	for range 12 { // two minutes, with a handler that takes ten seconds
		now = now.Add(10 * time.Second)
		for range s.count() {
			s.backlog(now)
		}
	}
	if got := s.count(); got < 550 || got > 605 {
		t.Errorf("%d lanes after two minutes, want about 605", got)
	}
}

func TestScalerSavesNoAllowanceOverQuietTimesOrFailures(t *testing.T) {
	t.Parallel()
	fail := func(s *scaler) { s.outcome(true) }
	for name, tell := range map[string]func(*scaler){"quiet": (*scaler).quiet, "failing": fail, "throttled": (*scaler).throttled} {
		s := newScaler(sqsScaling, time.Now().Add(-time.Hour))
		tell(s)
		now := time.Now()
		if s.backlog(now); s.backlog(now) {
			t.Errorf("%s: more than one lane at once", name)
		}
	}
}

// Scaler shrinks (SQS-21, SQS-46).
func TestScalerShrinks(t *testing.T) {
	t.Parallel()
	s := newScaler(sqsScaling, time.Now())
	for range 10 {
		s.quiet()
	}
	left := 0
	for s.leave(true) {
		left++
	}
	if left != 3 || s.count() != 2 {
		t.Errorf("%d lanes left, %d remain", left, s.count())
	}
	s.outcome(true)
	if s.leave(true) {
		t.Error("failures went below two lanes")
	}
	// A backlog brings them back.
	s.outcome(false)
	if !s.backlog(time.Now().Add(time.Minute)) {
		t.Error("no lane after a backlog")
	}
}

func TestScalerWithOneLane(t *testing.T) {
	t.Parallel()
	config := Config{MaximumConcurrency: 1}
	s := newScaler(config.scaling(sources.Traits{Scaling: sqsScaling}), time.Now())
	s.quiet()
	s.outcome(true)
	if s.leave(true) || s.backlog(time.Now().Add(time.Hour)) || s.count() != 1 {
		t.Errorf("%d lanes", s.count())
	}
}

func TestMaximumConcurrencyKeepsTheInitialLanes_SQS21(t *testing.T) {
	t.Parallel()
	config := Config{MaximumConcurrency: 100}
	s := newScaler(config.scaling(sources.Traits{Scaling: sqsScaling}), time.Now())
	for range 10 {
		s.quiet()
	}
	if s.leave(true) {
		t.Error("the step to two lanes is off with a MaximumConcurrency")
	}
}

func one(started bool) int {
	if started {
		return 1
	}
	return 0
}

// A poison record now and then is no function that fails: one failed batch in ten costs
// no lane, and the lanes come as fast as without it.
func TestScalerTellsAFailingFunctionFromPoison(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := newScaler(sqsScaling, now)
	for i := range 60 * 10 {
		now = now.Add(100 * time.Millisecond)
		s.outcome(i%10 == 9)
		s.backlog(now)
	}
	if got := s.count(); got < 304 {
		t.Errorf("%d lanes after a minute with a tenth of the batches failing, want 305", got)
	}
	for range 2 * sqsScaling.Max {
		s.outcome(true)
	}
	for s.leave(true) {
	}
	for s.leave(false) {
	}
	if got := s.count(); got != 2 {
		t.Errorf("%d lanes while the function fails, want 2", got)
	}
}

// Somebody polls again as soon as the rate allows, whatever the handlers do (SQS-20);
// while the function fails ten times later, and never above the maximum.
func TestScalerRelievesWhoPolls(t *testing.T) {
	t.Parallel()
	now := time.Now()
	bounds := sqsScaling
	bounds.Max = 7
	s := newScaler(bounds, now)
	for range bounds.Initial - 1 {
		s.busy()
	}
	if start, wait := s.relieve(now.Add(time.Hour)); start || wait != 0 {
		t.Errorf("a lane polls, and another is started: %v, %v", start, wait)
	}
	s = newScaler(bounds, now)
	for range bounds.Initial {
		s.busy()
	}
	select {
	case <-s.starved:
	default:
		t.Error("nobody polls, and nobody is told")
	}
	if start, wait := s.relieve(now); start || wait < 190*time.Millisecond || wait > 210*time.Millisecond {
		t.Errorf("a lane at once %v, or after %v; want one after 0.2 s", start, wait)
	}
	if start, _ := s.relieve(now.Add(201 * time.Millisecond)); !start {
		t.Error("no lane after 0.2 s")
	}
	s.busy()
	s.outcome(true)
	if start, wait := s.relieve(time.Now()); start || wait < 1900*time.Millisecond {
		t.Errorf("a lane at once %v, or after %v, though the function fails; want one after 2 s", start, wait)
	}
	s.outcome(false)
	if start, _ := s.relieve(time.Now().Add(time.Second)); !start {
		t.Error("no lane though the function works")
	}
	s.busy()
	if start, wait := s.relieve(now.Add(time.Hour)); start || wait != 0 {
		t.Errorf("a lane above the maximum: %v, %v", start, wait)
	}
}

// The last lane that polls stays, however quiet it is: the others run the handler.
func TestScalerKeepsWhoPolls(t *testing.T) {
	t.Parallel()
	s := newScaler(sqsScaling, time.Now())
	for range sqsScaling.Initial - 1 {
		s.busy()
	}
	for range 10 {
		s.quiet()
	}
	if s.leave(true) {
		t.Error("the only lane that polls left")
	}
	s.free()
	if !s.leave(true) || s.leave(true) {
		t.Error("of two lanes that poll one is to leave")
	}
}

// Failures that come faster than lanes may be added do not keep a lane from coming for
// ever: nobody would poll.
func TestScalerRelievesThoughBatchesFail(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		bounds := sqsScaling
		bounds.PerMinute = 6
		s := newScaler(bounds, time.Now())
		for range bounds.Initial {
			s.busy()
		}
		for range 200 { // seconds; while the function fails a lane may come each 100
			time.Sleep(time.Second)
			s.outcome(true)
			if start, _ := s.relieve(time.Now()); start {
				return
			}
		}
		t.Error("no lane in 200 s")
	})
}
