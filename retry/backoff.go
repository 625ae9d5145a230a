// Package retry holds the rules of trying again, as values without goroutine,
// timer or clock: [Backoff] says how long to wait, [Plan] what to do next with
// a batch that failed.
package retry

import "time"

// leastShare is the smallest share of its ceiling that a delay is.
const leastShare = 0.1

// Backoff is an exponential delay with jitter: a random share, a tenth at least, of
// Initial, twice Initial, four times Initial … never more than Max. It keeps no
// state, so one value serves any number of users. The zero value never waits.
type Backoff struct {
	// Initial bounds the delay after the first failure.
	Initial time.Duration
	// Max bounds every delay. Below Initial it counts as Initial.
	Max time.Duration
}

// Delay is how long to wait after the given number of failures in a row, 1 for
// the first; 0 or less gives no delay. share is the jitter, from 0 up to but
// not including 1; a uniform random number spreads clients best. A share below a
// tenth counts as a tenth, so that no jitter makes a hot loop, and so does NaN; one
// above 1 counts as 1.
func (b Backoff) Delay(failures int, share float64) time.Duration {
	ceiling := b.Ceiling(failures)
	switch {
	case share >= 1:
		return ceiling
	case !(share > leastShare): // NaN too
		share = leastShare
	}
	return time.Duration(share * float64(ceiling))
}

// Ceiling is the bound above which Delay never is.
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
