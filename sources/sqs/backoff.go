package sqs

import (
	"time"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// delays returns how many seconds each record of one failed batch is to stay away, never
// beyond limit. jitter gives the share of the back-off. In a FIFO queue all of them get
// the same, so that the messages of a group keep together.
func delays(b retry.Backoff, jitter func() float64, fifo bool, limit time.Duration) func(*sources.Record) int32 {
	shared := jitter()
	return func(r *sources.Record) int32 {
		share := shared
		if !fifo {
			share = jitter()
		}
		d := b.Delay(receives(message(r)), share)
		return int32(min(d, limit).Round(time.Second) / time.Second) //nolint:gosec // at most 12 h
	}
}
