// Package retry holds the rules of trying again, as values without goroutine,
// timer or clock: [Backoff] says how long to wait, [Plan] what to do next with
// a batch that failed.
package retry

import "time"

// Backoff is an exponential delay with full jitter: a random share of Initial,
// twice Initial, four times Initial … never more than Max. It keeps no state,
// so one value serves any number of users. The zero value never waits.
type Backoff struct {
	// Initial bounds the delay after the first failure.
	Initial time.Duration
	// Max bounds every delay. Below Initial it counts as Initial.
	Max time.Duration
}

// Delay is how long to wait after the given number of failures in a row, 1 for
// the first; 0 or less gives no delay. share is the jitter, from 0 up to but
// not including 1; a uniform random number spreads clients best.
func (b Backoff) Delay(failures int, share float64) time.Duration {
	return time.Duration(share * float64(b.Ceiling(failures)))
}

// Ceiling is the bound below which Delay stays.
func (b Backoff) Ceiling(failures int) time.Duration {
	if failures <= 0 || b.Initial <= 0 {
		return 0
	}
	ceiling := b.Initial
	for range failures - 1 {
		if ceiling >= b.Max/2 {
			return max(b.Initial, b.Max)
		}
		ceiling *= 2
	}
	return ceiling
}
