package esm

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
)

// lanesModel is what may be said of a scaler without its sums.
type lanesModel struct {
	bounds  sources.Scaling
	floor   int // of failures
	running int
	grown   int       // since then
	since   time.Time // nothing is saved up from before
}

// FuzzScaler lets traffic and handlers come and go in any order under any
// configuration that is accepted. The lanes stay within the bounds, come no
// faster than they may (SQS-20), and go as SQS-21 and SQS-46 say. Two bytes are
// one step.
func FuzzScaler(f *testing.F) {
	f.Add(5, 2, 1250, 300, 0, 0, []byte{0, 20, 0, 20, 1, 0, 2, 0, 3, 0, 0, 255, 0, 1})
	f.Add(1, 1, 1, 0, 0, 1, []byte{0, 255, 1, 0, 2, 0, 3, 0, 0, 255})
	f.Add(5, 2, 1250, 300, 0, 1000, []byte{2, 0, 2, 0, 3, 0, 3, 0, 0, 3, 0, 250, 0, 0})
	f.Add(20, 20, 40, 1000, 20, 0, []byte{2, 0, 3, 0, 1, 0, 3, 0, 0, 100, 0, 0})
	for seed := range byte(16) {
		f.Add(5, 2, 40, 100*int(seed), int(seed), 10*int(seed), noise(seed, 200))
	}
	f.Fuzz(func(t *testing.T, initial, idle, most, perMinute, failing, concurrency int, steps []byte) {
		given := sources.Scaling{Initial: initial, Idle: idle, Max: most, PerMinute: perMinute, Failing: failing}
		traits := sources.Traits{
			BatchSize: sources.Bounds[int]{Default: 1, Max: 1}, MaxTimeout: time.Minute, Scaling: given,
		}
		if idle < 1 || initial < idle || most < initial || failing < 0 || perMinute < 0 {
			return // package sourcetest refuses such a source
		}
		config := Config{MaximumConcurrency: concurrency}.withDefaults(traits)
		var to checker
		if config.check(&to, traits); to.err() != nil {
			return
		}
		bounds := config.scaling(traits)
		if bounds.Idle < 1 || bounds.Initial < bounds.Idle || bounds.Max < bounds.Initial ||
			concurrency > 0 && bounds.Max > concurrency {
			t.Fatalf("%+v and a MaximumConcurrency of %d were accepted and make %+v", given, concurrency, bounds)
		}
		m := &lanesModel{bounds: bounds, floor: min(bounds.Idle, 2), running: bounds.Initial}
		if bounds.Failing > 0 {
			m.floor = min(bounds.Idle, bounds.Failing)
		}
		synctest.Test(t, func(t *testing.T) { m.drive(t, steps) })
	})
}

// drive plays the steps.
func (m *lanesModel) drive(t *testing.T, steps []byte) {
	t.Helper()
	m.since = time.Now()
	s := newScaler(m.bounds, m.since)
	for i := 0; i+1 < min(len(steps), 200); i += 2 {
		before := s.target
		switch steps[i] % 5 {
		case 0: // a batch that was full at once, some time later
			time.Sleep(time.Duration(steps[i+1]) * 25 * time.Millisecond)
			m.running += one(s.backlog(time.Now()))
			m.grown += s.target - before
			s.outcome(false)
			if fair := float64(m.bounds.PerMinute) * time.Since(m.since).Minutes(); s.target < before || float64(m.grown) > fair+1+1e-6 {
				t.Fatalf("step %d: %d lanes more, %v are fair after %v", i, m.grown, fair, time.Since(m.since))
			}
		case 1:
			s.throttled()
			m.shrank(t, s, before, m.floor)
		case 2:
			s.quiet()
			m.shrank(t, s, before, m.bounds.Idle)
		default: // a lane asks
			left := s.leave(true)
			if left != (m.running > before) || s.target != before {
				t.Fatalf("step %d: leaves %v, %d lanes of %d wanted", i, left, m.running, before)
			}
			if left {
				m.running--
			}
		}
		if s.count() != m.running || m.running < 1 || m.running > m.bounds.Max ||
			s.target < min(m.floor, m.bounds.Idle) || s.target > m.bounds.Max {
			t.Fatalf("step %d: %d lanes, %d counted, %d wanted, of %+v", i, s.count(), m.running, s.target, m.bounds)
		}
	}
	if m.bounds.PerMinute < 1 || m.bounds.PerMinute > 1<<30 || s.target == m.bounds.Max {
		return
	}
	before := s.target
	time.Sleep(time.Minute + time.Second)
	for range remembered {
		s.outcome(false)
	}
	if s.backlog(time.Now()); s.target == before {
		t.Fatalf("no lane came in a minute of backlog, %d of %+v", before, m.bounds)
	}
}

// shrank looks that one lane less is wanted, down to the floor, and that
// nothing is saved up.
func (m *lanesModel) shrank(t *testing.T, s *scaler, before, floor int) {
	t.Helper()
	want := before
	if before > floor {
		want--
	}
	if s.target != want {
		t.Fatalf("%d lanes wanted, before %d, want %d", s.target, before, want)
	}
	m.grown, m.since = 0, time.Now()
}
