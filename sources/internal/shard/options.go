package shard

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"
	"unicode/utf8"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/lease"
)

// Options of a stream, as users give them to its adapter.
type Options struct {
	// Start is where a stream is begun that its store knows nothing of: TrimHorizon, Latest,
	// or AtTimestamp with the time.
	Start checkpoint.Position
	// Worker names this process among those that share the stream; "" for a random name.
	Worker string
	// LeaseDuration is how long a shard belongs to a worker that does not renew its lease; 0
	// for the default of package lease.
	LeaseDuration time.Duration
	// HandoverTimeout is how long a worker has to finish the batches of a shard that
	// another one asks for; 0 for the mapping's Timeout and some, negative for none.
	HandoverTimeout time.Duration
	// MaxShards is the most shards that this process reads; 0 for no limit.
	MaxShards int
	// ListInterval is how often shards are listed; 0 for the default of package lease.
	ListInterval time.Duration
	// IdleInterval is how long after a call that brought a shard up to date the next one is
	// made.
	IdleInterval time.Duration
	// CallInterval is the least time between two calls while records are waiting, and
	// RestInterval what a reader that was throttled doubles if that is more.
	CallInterval, RestInterval time.Duration
	// BytesPerSecond bounds what is read of one shard on average; 0 or less for no bound.
	BytesPerSecond int
	// Logger is told what no caller can be told; nil for the mapping's.
	Logger *slog.Logger
	// Jitter is the source of randomness of waits; nil for math/rand/v2.
	Jitter func() float64
}

// Validate names every violation.
func (o *Options) Validate() error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(o.MaxShards >= 0, "MaxShards: %d is negative", o.MaxShards)
	require(o.IdleInterval >= 0, "IdleInterval: %v is negative", o.IdleInterval)
	require(utf8.ValidString(o.Worker), "Worker: %q is no valid UTF-8", o.Worker)
	require(o.LeaseDuration == 0 || o.LeaseDuration >= lease.ShortestDuration,
		"LeaseDuration: %v is shorter than %v", o.LeaseDuration, lease.ShortestDuration)
	require(o.HandoverTimeout <= time.Hour,
		"HandoverTimeout: %v is longer than an hour", o.HandoverTimeout)
	require(o.ListInterval == 0 || o.ListInterval >= lease.ShortestList,
		"ListInterval: %v is shorter than %v", o.ListInterval, lease.ShortestList)
	return errors.Join(errs...)
}

func (o Options) withDefaults() Options {
	o.CallInterval = max(o.CallInterval, 0)
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return o
}

// handover is HandoverTimeout, or a time in which a handler may take all of its limit and
// what it has done be stored. It warns of one that is too short for that.
func (o *Options) handover(timeout time.Duration) time.Duration {
	const (
		least  = 30 * time.Second
		settle = 10 * time.Second
	)
	switch {
	case o.HandoverTimeout == 0:
		return max(least, timeout+settle)
	case o.HandoverTimeout > 0 && o.HandoverTimeout < timeout:
		o.Logger.Warn("Options.HandoverTimeout is shorter than Config.Timeout: a handler that takes longer is cut off when "+
			"another worker asks for its shard, and its records are handled again",
			"HandoverTimeout", o.HandoverTimeout, "Timeout", timeout)
	}
	return o.HandoverTimeout
}
