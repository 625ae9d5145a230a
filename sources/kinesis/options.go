package kinesis

import (
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/shard"
)

// StartingPosition is where a stream is begun that its store knows nothing of
// (KIN-02).
type StartingPosition int

const (
	// TrimHorizon begins with the oldest record. It is the default here; AWS wants
	// one to be named.
	TrimHorizon StartingPosition = iota
	// Latest begins with what comes after the first look at the stream. That moment,
	// by the service's clock and a second or two early, is stored, so that a restart
	// before the first record loses nothing (KIN-50).
	Latest
	// AtTimestamp begins with the first record that is not older than
	// Options.StartingPositionTimestamp.
	AtTimestamp
)

// Defaults of Options.
const (
	// DefaultIdleInterval is Options.IdleInterval (KIN-20).
	DefaultIdleInterval = time.Second
	// DefaultCallInterval is Options.CallInterval: four of the five calls a second
	// that a shard takes (KIN-24).
	DefaultCallInterval = 250 * time.Millisecond
	// DefaultBytesPerSecond is Options.BytesPerSecond (KIN-24).
	DefaultBytesPerSecond = 2 << 20
)

// Options vary a source. The zero value reads with shared throughput from the
// oldest record on.
type Options struct {
	// StartingPosition is where the stream is begun if the store has no positions
	// of it; stored ones win (KIN-47).
	StartingPosition StartingPosition

	// StartingPositionTimestamp belongs to AtTimestamp, and is not in the future
	// (KIN-03).
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
	// ends (KIN-76). Default a minute, at least a second.
	ListInterval time.Duration

	// IdleInterval is how long after a GetRecords that brought a shard up to date
	// the next one is made. Default DefaultIdleInterval.
	IdleInterval time.Duration

	// CallInterval is the least time between two GetRecords of one shard while
	// records are waiting. After a throttle it grows for a while, so that readers
	// of one shard share its five calls a second. Default DefaultCallInterval;
	// negative for none, which suits only servers without limits.
	CallInterval time.Duration

	// BytesPerSecond bounds what is read of one shard on average. Default
	// DefaultBytesPerSecond, which is all that a shard gives to its standard
	// consumers together; negative for no bound.
	BytesPerSecond int

	// ConsumerName is the name of a consumer with enhanced fan-out, which Start
	// registers if it does not exist, and nobody deregisters: shards are read by
	// SubscribeToShard then (KIN-80), and the intervals above do not count. A
	// source that is made of a consumer's ARN does so without it; both is refused.
	// A consumer feeds one mapping only (KIN-19), however many workers share it.
	//
	// The client must be a FanOutClient. Of its HTTP client nothing is to be
	// configured; FanOutClient says what one made by hand needs. While a handler
	// is slow a shard takes up to four events, of about 1 MiB, and what the HTTP
	// client buffers, which is 4 MiB by default.
	ConsumerName string

	// Deaggregate hands out the records inside of aggregated records, as the
	// Kinesis Producer Library writes them, one by one (KIN-210). AWS does so with
	// enhanced fan-out only (KIN-211, KIN-212). A record that is not aggregated, or
	// not wholly as that library writes it, is handed out as it is.
	//
	// Each has the partition key and the data of its own, and the sequence number,
	// and so the event ID, and the arrival time of the record that it came in.
	// Order by key, and ParallelizationFactor, go by its own key. A sequence number
	// in batchItemFailures stands for the first of the batch that bears it: that
	// one and all behind it are tried again (KIN-151), also those from the same
	// record that did not fail. Filters see each by itself.
	//
	// None is dropped. AWS drops those whose keys belong to another shard, which
	// writers with an old picture of the stream make (KIN-212); they are handed out
	// here, by the shard that they are in.
	//
	// Positions lie within aggregated records too, so that what was settled of one
	// is not repeated after a restart; the Kinesis Client Library reads and writes
	// them as well (KIN-213). When the option is switched on for a store that has
	// positions already, the record that a shard was settled up to is taken for one
	// whose first inside is settled: if it is aggregated, those behind that one come
	// again. When it is switched off, a record of which a part was settled, or the
	// last inside of it, comes again as a whole.
	Deaggregate bool

	// RoleARN is what event documents name as invokeIdentityArn (KIN-195).
	RoleARN string

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
	if o.BytesPerSecond == 0 {
		o.BytesPerSecond = DefaultBytesPerSecond
	}
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
		BytesPerSecond: o.BytesPerSecond, Logger: o.Logger, Jitter: o.Jitter,
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
