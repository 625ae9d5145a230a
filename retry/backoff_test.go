package retry_test

import (
	"math"
	"testing"
	"time"

	"github.com/openesm/openesm/retry"
)

func TestBackoffDoublesUpToMax(t *testing.T) {
	t.Parallel()
	b := retry.Backoff{Initial: time.Second, Max: 5 * time.Second}
	for failures, seconds := range []int{0, 1, 2, 4, 5, 5, 5} {
		if got, want := b.Ceiling(failures), time.Duration(seconds)*time.Second; got != want {
			t.Errorf("after %d failures at most %v, want %v", failures, got, want)
		}
	}
	if got := b.Ceiling(math.MaxInt); got != 5*time.Second {
		t.Errorf("after very many failures at most %v", got)
	}
	if got := b.Ceiling(-1); got != 0 {
		t.Errorf("after -1 failures at most %v", got)
	}
}

func TestBackoffFullJitter(t *testing.T) {
	t.Parallel()
	b := retry.Backoff{Initial: time.Second, Max: time.Minute}
	for share, want := range map[float64]time.Duration{0.1: 400 * time.Millisecond, 0.25: time.Second, 0.5: 2 * time.Second} {
		if got := b.Delay(3, share); got != want {
			t.Errorf("share %v of the third delay is %v, want %v", share, got, want)
		}
	}
}

func TestBackoffHasAFloor(t *testing.T) {
	t.Parallel()
	b := retry.Backoff{Initial: time.Second, Max: time.Minute}
	for _, share := range []float64{0, 0.05, -1, math.Inf(-1), math.NaN()} {
		if got := b.Delay(3, share); got != 400*time.Millisecond {
			t.Errorf("share %v of the third delay is %v, want a tenth of 4s", share, got)
		}
	}
	for _, share := range []float64{1, 7, math.Inf(1)} {
		if got := b.Delay(3, share); got != 4*time.Second {
			t.Errorf("share %v of the third delay is %v, want all of 4s", share, got)
		}
	}
}

func TestBackoffEdges(t *testing.T) {
	t.Parallel()
	if got := (retry.Backoff{}).Delay(10, 0.9); got != 0 {
		t.Errorf("the zero value waits %v", got)
	}
	if got := (retry.Backoff{Initial: time.Minute, Max: time.Second}).Ceiling(4); got != time.Minute {
		t.Errorf("Max below Initial: at most %v", got)
	}
	huge := retry.Backoff{Initial: 1, Max: math.MaxInt64}
	if got := huge.Ceiling(1000); got != math.MaxInt64 {
		t.Errorf("overflow: %v", got)
	}
}

func FuzzBackoff(f *testing.F) {
	f.Add(int64(time.Second), int64(time.Minute), 5, 0.5)
	f.Add(int64(1), int64(math.MaxInt64), 70, 0.0)
	f.Add(int64(1), int64(math.MaxInt64), 70, 1.0)
	f.Fuzz(func(t *testing.T, initial, limit int64, failures int, share float64) {
		b := retry.Backoff{Initial: time.Duration(initial), Max: time.Duration(limit)}
		delay := b.Delay(failures, share)
		if delay < 0 || delay > max(b.Initial, b.Max, 0) {
			t.Fatalf("%+v waits %v after %d failures", b, delay, failures)
		}
		if least := b.Ceiling(failures) / 10; delay < least-least/1000 {
			t.Fatalf("%+v waits %v after %d failures, less than a tenth of its ceiling", b, delay, failures)
		}
		if b.Ceiling(failures) > b.Ceiling(max(failures, 0)+1) {
			t.Fatal("delays shrink")
		}
	})
}
