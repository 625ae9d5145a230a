package esm

import (
	"cmp"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// scaler decides how many lanes an unordered partition has. Lanes come at a
// bounded rate while there is a backlog (SQS-20), and go one at a time: when
// nothing arrives (SQS-21), and when invocations fail (SQS-46; AWS publishes no
// amounts, here one lane for each failed batch).
type scaler struct {
	bounds sources.Scaling

	mu      sync.Mutex
	target  int
	running int
	// held is how many lanes are held up by a batch that is retried in place.
	held int
	// allowance is how many lanes may be added now; it grows with time up to a
	// minute's worth, and is lost when the traffic or the handler fails.
	allowance float64
	refilled  time.Time
}

func newScaler(bounds sources.Scaling, now time.Time) *scaler {
	return &scaler{bounds: bounds, target: bounds.Initial, running: bounds.Initial, refilled: now}
}

// backlog tells that a batch was full without waiting, and answers how many
// lanes to start. Each full batch brings one lane at most, so that slow
// handlers double their lanes with each round and a short burst starts few.
func (s *scaler) backlog(now time.Time) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	perSecond := float64(s.bounds.PerMinute) / 60
	s.allowance = min(s.allowance+now.Sub(s.refilled).Seconds()*perSecond, float64(s.bounds.PerMinute))
	s.refilled = now
	grow := min(int(s.allowance), s.bounds.Max-s.target, 1)
	if grow > 0 {
		s.allowance -= float64(grow)
		s.target += grow
	}
	start := max(s.target-s.running, 0)
	s.running += start
	return start
}

// hold tells that a lane is held up by a batch that it retries in place, and
// answers how many lanes to start in its stead, so that the others go on (P6).
func (s *scaler) hold() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held++
	if s.target >= s.bounds.Max {
		return 0
	}
	s.target++
	start := max(s.target-s.running, 0)
	s.running += start
	return start
}

// free tells that a lane is held up no longer.
func (s *scaler) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held--
}

// quiet tells that a whole long poll brought nothing.
func (s *scaler) quiet() { s.shrink(s.bounds.Idle) }

// failing tells that an invocation failed or was throttled.
func (s *scaler) failing() { s.shrink(min(s.bounds.Idle, cmp.Or(s.bounds.Failing, 2))) }

func (s *scaler) shrink(floor int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.target = max(s.target-1, min(floor+s.held, s.target))
	s.allowance, s.refilled = 0, time.Now()
}

// leave reports whether the asking lane is to end.
func (s *scaler) leave() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running <= s.target {
		return false
	}
	s.running--
	return true
}

// lanes is how many lanes are running.
func (s *scaler) lanes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running
}
