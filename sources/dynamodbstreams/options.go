package dynamodbstreams

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/shard"
)

// StartingPosition is where a stream is begun that its store knows nothing of.
type StartingPosition int

const (
	// TrimHorizon begins with the oldest record, of the last 24 hours. It is the
	// default here; AWS wants one to be named.
	TrimHorizon StartingPosition = iota
	// Latest begins with what comes after the first look at the stream. That moment,
	// by the service's clock and two or three seconds early, is stored, so that a
	// restart before the first record loses nothing. Shards that come later are read
	// from their beginning (DDB-53).
	Latest
	// AtTimestamp begins with the first record that is not older than
	// Options.StartingPositionTimestamp, whose second counts as a whole. A mapping of
	// AWS has no such position (DDB-49).
	AtTimestamp
)

// Defaults of Options: four calls a second, as AWS makes them (DDB-40).
const (
	// DefaultIdleInterval is Options.IdleInterval.
	DefaultIdleInterval = 250 * time.Millisecond
	// DefaultCallInterval is Options.CallInterval.
	DefaultCallInterval = 250 * time.Millisecond
)

// Options vary a source. The zero value reads from the oldest record on.
type Options struct {
	// StartingPosition is where the stream is begun if the store has no positions
	// of it; stored ones win.
	StartingPosition StartingPosition

	// StartingPositionTimestamp belongs to AtTimestamp, and is not in the future
	// (DDB-48).
	StartingPositionTimestamp time.Time

	// Worker names this process among those that share the stream. Default: a
	// random one. A process that is started again under its name goes on with its
	// shards at once.
	Worker string

	// LeaseDuration is how long a shard belongs to a worker that does not renew
	// its lease, and so about how long the shards of one that died stay unread.
	// All workers have the same. Default 10 s, at least 100 ms.
	LeaseDuration time.Duration

	// HandoverTimeout is how long a worker that lives has to finish and store the batches
	// of a shard that another one asks for, as one that was started to share the load
	// does. What is running then is cut off, and comes again at the new worker, a
	// LeaseDuration or so later. All workers have the same. Default 30 s, or the mapping's
	// Timeout and 10 s if that is longer; up to an hour. One below Timeout is warned of.
	// Negative: shards are taken at once, and what is running comes again.
	HandoverTimeout time.Duration

	// MaxShards is the most shards that this process reads; 0 for no limit.
	MaxShards int

	// ListInterval is how often the stream's shards are listed, besides when one
	// ends. Default a minute, at least a second.
	ListInterval time.Duration

	// IdleInterval is how long after a GetRecords that brought nothing the next one is
	// made. Default DefaultIdleInterval.
	IdleInterval time.Duration

	// CallInterval is the least time between two GetRecords of one shard while
	// records are waiting. After a throttle it grows for a while. Default
	// DefaultCallInterval; negative for none, which suits only servers without limits.
	CallInterval time.Duration

	// Logger is told what no caller can be told. Default the mapping's.
	Logger *slog.Logger

	// Jitter is the source of randomness of waits: numbers from 0 up to but not
	// including 1, called concurrently. Default math/rand/v2.
	Jitter func() float64
}

func (o Options) validate() error {
	var errs []error
	require := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	require(o.StartingPosition >= TrimHorizon && o.StartingPosition <= AtTimestamp,
		"StartingPosition: %d is not TrimHorizon, Latest or AtTimestamp", o.StartingPosition)
	require(o.StartingPosition == AtTimestamp || o.StartingPositionTimestamp.IsZero(),
		"StartingPositionTimestamp: is set, which only AtTimestamp takes")
	require(o.StartingPosition != AtTimestamp || !o.StartingPositionTimestamp.IsZero(),
		"StartingPositionTimestamp: is not set, which AtTimestamp needs")
	require(!o.StartingPositionTimestamp.After(time.Now()),
		"StartingPositionTimestamp: %v is in the future", o.StartingPositionTimestamp)
	shared := o.shard()
	return errors.Join(append(errs, shared.Validate())...)
}

func (o Options) withDefaults() Options {
	if o.IdleInterval == 0 {
		o.IdleInterval = DefaultIdleInterval
	}
	if o.CallInterval == 0 {
		o.CallInterval = DefaultCallInterval
	}
	o.CallInterval = max(o.CallInterval, 0)
	if o.Jitter == nil {
		o.Jitter = rand.Float64
	}
	return o
}

// shard is what is the same for all sharded streams.
func (o Options) shard() shard.Options {
	return shard.Options{
		Start: o.start(), Worker: o.Worker, LeaseDuration: o.LeaseDuration, HandoverTimeout: o.HandoverTimeout,
		MaxShards: o.MaxShards, ListInterval: o.ListInterval,
		IdleInterval: o.IdleInterval, CallInterval: o.CallInterval, RestInterval: DefaultCallInterval,
		Logger: o.Logger, Jitter: o.Jitter,
	}
}

// start is the position of a shard that the store does not know.
func (o Options) start() checkpoint.Position {
	switch o.StartingPosition {
	case Latest:
		return checkpoint.Position{Sequence: checkpoint.Latest}
	case AtTimestamp:
		return checkpoint.Position{Sequence: checkpoint.AtTimestamp, Timestamp: o.StartingPositionTimestamp}
	default:
		return checkpoint.Position{Sequence: checkpoint.TrimHorizon}
	}
}
