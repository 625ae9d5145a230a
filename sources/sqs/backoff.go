package sqs

import (
	"math/rand/v2"
	"time"

	"github.com/openesm/openesm/sources"
)

// ceiling is the upper end of the delay after the given number of receives.
func (b Backoff) ceiling(receives int) time.Duration {
	d := b.Initial
	for range receives - 1 {
		if d >= b.Max/2 {
			return b.Max
		}

		d *= 2
	}

	return min(d, b.Max)
}

// delays returns how many seconds each record of one failed batch is to stay
// away, never beyond limit. In a FIFO queue all of them share one throw, so that
// the messages of a group keep together.
func (b Backoff) delays(fifo bool, limit time.Duration) func(*sources.Record) int32 {
	return b.thrown(rand.Float64, fifo, limit)
}

// thrown is delays by the given throws.
func (b Backoff) thrown(throw func() float64, fifo bool, limit time.Duration) func(*sources.Record) int32 {
	shared := throw()

	return func(r *sources.Record) int32 {
		share := shared
		if !fifo {
			share = throw()
		}

		d := time.Duration(share * float64(b.ceiling(receives(message(r)))))

		return int32(min(d, limit).Round(time.Second) / time.Second) //nolint:gosec // at most 12 h
	}
}
