package esm

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// lines gathers what was logged, and when.
type lines struct {
	mu    sync.Mutex
	began time.Time
	all   []string
}

func (l *lines) log(err error, times int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, fmt.Sprintf("%v: %v, %d times", time.Since(l.began), err, times))
}

func (l *lines) are(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.all, want) {
		t.Errorf("logged %q, want %q", l.all, want)
	}
}

func TestFirstIsLoggedAtOnceAndTheRestOnceAMinute_P14(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lines{began: time.Now()}
		o := newOccasionally(l.log)
		for i := range 600 { // for ten minutes
			o.tell(fmt.Errorf("failure %d", i))
			time.Sleep(time.Second)
		}
		o.close()
		if n := len(l.all); n < 10 || n > 11 {
			t.Errorf("%d lines in ten minutes: %q", n, l.all)
		}
		if l.all[0] != "0s: failure 0, 1 times" {
			t.Errorf("the first line is %q", l.all[0])
		}
	})
}

func TestWhatWasHeldBackIsLoggedWhenItsMinuteIsOver_P14(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lines{began: time.Now()}
		o := newOccasionally(l.log)
		defer o.close()
		a, b, c := errors.New("a"), errors.New("b"), errors.New("c")
		o.tell(a)
		o.tell(a)
		o.tell(b)
		l.are(t, "0s: a, 1 times")
		time.Sleep(time.Minute)
		l.are(t, "0s: a, 1 times", "1m0s: b, 2 times")
		time.Sleep(time.Minute) // in which nothing happens
		o.tell(c)
		l.are(t, "0s: a, 1 times", "1m0s: b, 2 times", "2m0s: c, 1 times")
	})
}

func TestCloseLogsWhatWasHeldBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l := &lines{began: time.Now()}
		o := newOccasionally(l.log)
		o.tell(errResponse)
		o.tell(errTooLarge)
		time.Sleep(time.Second)
		o.close()
		o.tell(errResponse)
		time.Sleep(time.Hour)
		l.are(t, fmt.Sprintf("0s: %v, 1 times", errResponse), fmt.Sprintf("1s: %v, 1 times", errTooLarge))
		o.close()
	})
}

func TestOccasionallyCountsEveryOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		told := 0
		o := newOccasionally(func(_ error, times int) {
			mu.Lock()
			defer mu.Unlock()
			told += times
		})
		var tellers sync.WaitGroup
		for range 10 {
			tellers.Go(func() {
				for range 300 {
					o.tell(errResponse)
					time.Sleep(time.Second)
				}
			})
		}
		tellers.Wait()
		o.close()
		if told != 3000 {
			t.Errorf("told of %d, want 3000", told)
		}
	})
}

func TestRetryAfterIsBounded(t *testing.T) {
	t.Parallel()
	for given, want := range map[time.Duration]time.Duration{
		0: 0, -1: 0, math.MinInt64: 0, time.Second: time.Second, 15 * time.Minute: 15 * time.Minute,
		15*time.Minute + 1: 15 * time.Minute, math.MaxInt64: 15 * time.Minute,
	} {
		if got := (&ThrottleError{RetryAfter: given}).after(); got != want {
			t.Errorf("RetryAfter %v waits %v, want %v", given, got, want)
		}
	}
	var none *ThrottleError
	if none.after() != 0 || none.Unwrap() != nil || none.Error() == "" {
		t.Errorf("a nil error: %v, %v, %q", none.after(), none.Unwrap(), none.Error())
	}
}

func TestJitterIsClamped(t *testing.T) {
	t.Parallel()
	for given, want := range map[float64]float64{
		0: 0, -1: 0, 0.5: 0.5, math.Inf(-1): 0, 1: math.Nextafter(1, 0), math.Inf(1): math.Nextafter(1, 0), 7: math.Nextafter(1, 0),
	} {
		if got := clamp(given); got != want {
			t.Errorf("%v counts as %v, want %v", given, got, want)
		}
	}
	if got := clamp(math.NaN()); got != 0 {
		t.Errorf("NaN counts as %v", got)
	}
}
