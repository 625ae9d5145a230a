package pool_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/internal/pool"
)

func TestEachTaskIsDoneAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var done, workers atomic.Int64
		p := pool.New(func() func(time.Duration) {
			workers.Add(1)
			return func(d time.Duration) {
				time.Sleep(d)
				done.Add(1)
			}
		}, 30*time.Second)
		for range 555 {
			p.Do(time.Second)
		}
		began := time.Now()
		p.Close()
		if done.Load() != 555 || workers.Load() != 555 || time.Since(began) != time.Second {
			t.Errorf("%d tasks done by %d workers in %v, want 555 by 555 in 1s", done.Load(), workers.Load(), time.Since(began))
		}
	})
}

// A burst leaves goroutines; those that are not needed any more end although some
// work goes on.
func TestIdleGoroutinesEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var workers atomic.Int64
		p := pool.New(func() func(time.Duration) {
			workers.Add(1)
			return func(d time.Duration) { time.Sleep(d) }
		}, 30*time.Second)
		for range 100 {
			p.Do(time.Second)
		}
		time.Sleep(2 * time.Second)
		if got := p.Idle(); got != 100 {
			t.Errorf("%d idle after the burst, want 100", got)
		}
		for range 60 { // twenty tasks a second for a minute
			for range 20 {
				p.Do(100 * time.Millisecond)
			}
			time.Sleep(time.Second)
		}
		if got := p.Idle(); got != 20 || workers.Load() != 100 {
			t.Errorf("%d idle and %d made, want 20 of 100", got, workers.Load())
		}
		time.Sleep(31 * time.Second)
		if got := p.Idle(); got != 0 {
			t.Errorf("%d idle after a rest, want 0", got)
		}
		p.Do(0)
		p.Close()
	})
}
