package esm

import (
	"cmp"
	"math/bits"
	"sync"
	"time"

	"github.com/openesm/openesm/sources"
)

// remembered is how many of the latest batches tell whether the function fails.
const remembered = 20

// scaler decides how many lanes an unordered partition has.
//
// Lanes come, at a bounded rate (SQS-20), for two reasons: a lane found a backlog,
// or all lanes run the handler and nobody polls. So growth never waits for a handler
// to return.
//
// Lanes go one at a time: when a long poll brings nothing (SQS-21), when the handler
// is throttled, and when a batch fails while the function fails (SQS-46). AWS
// publishes no rule for the latter. Here a function fails when more than half of the
// last twenty batches failed: a poison record now and then costs no concurrency.
type scaler struct {
	bounds sources.Scaling
	// starved has a token when the last lane that polled went to run the handler.
	starved chan struct{}

	mu sync.Mutex
	// lanes is how many there are, target how many there should be, polling how many
	// do not run the handler.
	lanes, target, polling int
	// allowance is how many lanes may be added now. It grows with time up to a
	// minute's worth, but for one it is lost when the traffic or the function fails.
	allowance float64
	refilled  time.Time
	// failures has a bit for each of the latest batches, 1 for one that failed.
	failures uint32
	batches  int // up to remembered
}

func newScaler(bounds sources.Scaling, now time.Time) *scaler {
	return &scaler{
		bounds: bounds, starved: make(chan struct{}, 1),
		lanes: bounds.Initial, target: bounds.Initial, polling: bounds.Initial, refilled: now,
	}
}

// count is how many lanes there are.
func (s *scaler) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lanes
}

// backlog says that a lane found more records than it could take, and reports whether
// to start a lane. Each backlog brings one lane at most, so that a short burst starts
// few.
func (s *scaler) backlog(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refill(now)
	if s.target >= s.bounds.Max || s.allowance < 1 {
		return false
	}
	s.allowance--
	s.target++
	if s.lanes >= s.target {
		return false // one that was to leave stays
	}
	s.add()
	return true
}

// add counts a lane that is started.
func (s *scaler) add() {
	s.lanes++
	s.polling++
	s.target = max(s.target, s.lanes)
}

// busy says that a lane that polled runs the handler from now on.
func (s *scaler) busy() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pause()
}

// pause counts a lane off that polled.
func (s *scaler) pause() {
	s.polling--
	if s.polling > 0 || s.lanes >= s.bounds.Max {
		return
	}
	select {
	case s.starved <- struct{}{}:
	default:
	}
}

// free says that a lane that ran the handler polls again.
func (s *scaler) free() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.polling++
}

// relieve reports whether to start a lane because nobody polls. Otherwise it returns
// after how long to ask again; 0 for not at all.
func (s *scaler) relieve(now time.Time) (bool, time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.polling > 0 || s.lanes >= s.bounds.Max || s.bounds.PerMinute <= 0 {
		return false, 0
	}
	if rate := s.refill(now); s.allowance < 1 {
		return false, time.Duration((1-s.allowance)/rate*float64(time.Second)) + time.Millisecond
	}
	s.allowance--
	s.add()
	return true, 0
}

// refill adds to the allowance, and returns by how much a second it grows: a tenth
// of the rate while the function fails.
func (s *scaler) refill(now time.Time) float64 {
	rate := float64(s.bounds.PerMinute) / 60
	if s.failing() {
		rate /= 10
	}
	s.allowance = min(s.allowance+now.Sub(s.refilled).Seconds()*rate, float64(s.bounds.PerMinute))
	s.refilled = now
	return rate
}

// quiet says that a whole long poll brought nothing.
func (s *scaler) quiet() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shrink(s.bounds.Idle)
}

// throttled says that the handler was throttled.
func (s *scaler) throttled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(true)
	s.shrink(s.failingFloor())
}

// outcome says whether a batch failed.
func (s *scaler) outcome(failed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(failed)
	if failed && s.failing() {
		s.shrink(s.failingFloor())
	}
}

func (s *scaler) note(failed bool) {
	s.failures <<= 1
	if failed {
		s.failures |= 1
	}
	s.failures &= 1<<remembered - 1
	s.batches = min(s.batches+1, remembered)
}

// failing reports whether most of the latest batches failed.
func (s *scaler) failing() bool { return 2*bits.OnesCount32(s.failures) > s.batches }

func (s *scaler) failingFloor() int { return min(s.bounds.Idle, cmp.Or(s.bounds.Failing, 2)) }

func (s *scaler) shrink(floor int) {
	s.target = max(s.target-1, min(floor, s.target))
	s.refill(time.Now())
	s.allowance = min(s.allowance, 1)
}

// leave reports whether the asking lane, which polls, is to end. An idle one stays if
// it is the last that polls.
func (s *scaler) leave(idle bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lanes <= s.target || idle && s.polling <= 1 {
		return false
	}
	s.lanes--
	s.pause()
	return true
}
