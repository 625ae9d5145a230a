package esm

import (
	"cmp"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/openesm/openesm/batch"
	"github.com/openesm/openesm/esm/filter"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
)

// What the fields of a Config may be beside their ranges. 0 or nil is always the
// default, and these two ideas have a name each: none, and no limit.
const (
	// NoBatchingWindow as MaximumBatchingWindow sends what there is at once, also
	// on sources whose default window is longer (Kafka and MQ, ESM-33).
	NoBatchingWindow = time.Duration(-1)
	// NoDrainTimeout as DrainTimeout cancels running invocations at once when the
	// mapping is stopped.
	NoDrainTimeout = time.Duration(-1)
	// NoLimit as MaximumRetryAttempts, MaximumRecordAge or OnFailureTimeout is no
	// limit.
	NoLimit = retry.NoLimit
)

// Defaults of what AWS does not configure on an event source mapping.
const (
	// DefaultTimeout is Config.Timeout: SQS's default visibility timeout.
	DefaultTimeout = 30 * time.Second
	// DefaultDrainTimeout is Config.DrainTimeout.
	DefaultDrainTimeout = 30 * time.Second
	// DefaultBufferedBytes is Config.MaximumBufferedBytes of one ordered partition.
	DefaultBufferedBytes = 16 << 20
	// DefaultQueueBufferedBytes is Config.MaximumBufferedBytes of an unordered
	// source.
	DefaultQueueBufferedBytes = 256 << 20
)

// shortest is the shortest window and time limit: below it the number was meant to
// be of another unit, for a bare 30 is 30 nanoseconds.
const shortest = time.Millisecond

// Config is the configuration of a mapping. Its fields bear AWS's names and
// have AWS's ranges and defaults; the zero value is every default. A field that
// the source cannot honour is refused, as AWS does (API-85).
//
// One rule holds for all fields: 0 or nil is the default, and -1, by the name of
// NoBatchingWindow, NoDrainTimeout or NoLimit, is none or no limit where there may
// be none. Other negative values are refused. MaximumRetryAttempts alone is a
// pointer, since AWS's 0 means no retry.
//
// New copies what the fields point at, so that later changes have no effect. The
// user's code in them, that is OnFailure, Filter, Observer, Logger and Jitter, may
// panic: that ends neither the mapping nor the process.
type Config struct {
	// Name names the mapping in logs, observations and failure records.
	// Default: the source's ARN.
	Name string

	// UUID is the mapping's ID on AWS, which is part of the keys of objects in an
	// on-failure S3 bucket (DST-32). Any text of 1 to 128 letters, digits, "-", "_"
	// and "." will do. Default: a UUID made of Name and FunctionARN, always the same.
	UUID string

	// FunctionARN is what failure records name as functionArn, and [InvocationOf]
	// tells the handler. Default: Name.
	FunctionARN string

	// BatchSize is the most records of one invocation. Default and maximum
	// are the source's (ESM-50..56): SQS 10 and 10,000, FIFO 10 and 10,
	// streams 100 and 10,000. SQS above 10 needs a window (SQS-07).
	BatchSize int

	// MaximumBatchingWindow is the longest time a batch may gather: 0 to
	// 300 s. 0 means the source's default, which is no window on SQS and
	// streams; NoBatchingWindow means none anywhere. SQS FIFO has none
	// (SQS-08). AWS takes whole seconds; here any duration from a millisecond on
	// will do.
	MaximumBatchingWindow time.Duration

	// MaximumBatchBytes bounds the event document of one invocation, also for
	// handlers that take records. Default and maximum 6,291,456 (ESM-38).
	MaximumBatchBytes int

	// TumblingWindow aggregates: all records of a shard that arrived within a
	// window of this length are handed to invocations which pass a state on to
	// each other, and end with one that has no records (KIN-170..174). Whole
	// seconds, up to 900; 0 for none. [Window] says what a handler sees. Only with
	// ParallelizationFactor 1 (KIN-109).
	TumblingWindow time.Duration

	// ReportBatchItemFailures is the only value of AWS's FunctionResponseTypes:
	// the handler's response names the records that failed. A queue hands those out
	// again, a stream is retried from the first of them on (KIN-151), and Kafka
	// retries just those (KAF-67). Without it responses are ignored (SQS-86, KIN-159).
	ReportBatchItemFailures bool

	// MaximumConcurrency caps the concurrent invocations of an unordered
	// source: 1 to 1,000 (AWS: from 2; SQS-22). 0 means the source's own cap.
	// Below the cap lanes come and go with the traffic (SQS-20, SQS-21). Not with
	// ProvisionedPollerConfig (ESM-114).
	MaximumConcurrency int

	// ProvisionedPollerConfig is AWS's provisioned mode: capacity that is always
	// there, and grows faster. nil means not provisioned. Of the sources that
	// there are only SQS has it (ESM-110).
	ProvisionedPollerConfig *ProvisionedPollerConfig

	// ParallelizationFactor is how many batches of one ordered partition may
	// be in flight: 1 to 10, default 1. Records of one key stay in order
	// (KIN-100, KIN-101).
	ParallelizationFactor int

	// MaximumRetryAttempts is how often a failed batch is retried, of an ordered source
	// or one that does not redeliver (MQ): 0 to 10,000; nil or NoLimit means without limit (RTY-03), but 10 times on
	// Kafka if OnFailure is set (KAF-61). For more than that, up to 10,000, say how
	// many. On MQ, where AWS knows no limit, what is given up goes to OnFailure, or else
	// where the source keeps its dead letters; one of them must be there.
	MaximumRetryAttempts *int

	// MaximumRecordAge gives records of an ordered source up once they are
	// older: 60 s to 604,800 s; 0 or NoLimit means no limit (RTY-04).
	MaximumRecordAge time.Duration

	// BisectBatchOnFunctionError splits a failed batch of an ordered source
	// in two (KIN-140).
	BisectBatchOnFunctionError bool

	// OnFailure takes the failure record of what an ordered source, or one that does not
	// redeliver (MQ, where AWS has none), gives up; the packages in esm/destination have
	// those of AWS. nil discards it, which is counted and logged (DST-66), and never
	// happens on MQ.
	OnFailure Destination

	// OnFailureTimeout bounds how long the delivery of a failure record is tried.
	// Past it the records are dropped, which is counted as DroppedEventCount and
	// logged as an error. From a millisecond on; 0, the default, and NoLimit are no
	// bound: the lane waits and its position stays until the destination takes them,
	// so that nothing is lost.
	// What AWS does is not documented; it seems to drop (DST-61..63).
	OnFailureTimeout time.Duration

	// FilterCriteria says by AWS's patterns which records reach the handler; the
	// zero value passes all. What does not pass is settled at once (SQS-61,
	// KIN-206) and counts for no batch (ESM-42): SQS deletes it.
	FilterCriteria FilterCriteria

	// Filter says the same by a function; nil passes all. With FilterCriteria a
	// record must pass both, and the function sees what passed the patterns. It
	// is called once for a record, concurrently, must not keep the record, and
	// must not block. A record for which it panics passes, which is logged with
	// the panic's value.
	Filter func(*sources.Record) bool

	// Timeout is the handler's time limit, Lambda's function timeout. Default
	// DefaultTimeout, a millisecond at least and the source's limit at most
	// (ESM-50..56). On SQS it must
	// not exceed the queue's visibility timeout (SQS-41); a batch that starts
	// late has what is left of that, so that nobody else has its messages
	// while it runs.
	Timeout time.Duration

	// DrainTimeout is how long a stopped mapping lets running invocations go
	// on before it cancels them. Default DefaultDrainTimeout; NoDrainTimeout cancels
	// them at once. What succeeds in the last moment is settled after it: that takes as
	// long as a call to the source, which is 20 seconds as a rule if it does not answer.
	DrainTimeout time.Duration

	// MaximumBufferedBytes bounds what is fetched and not yet settled: of one
	// ordered partition, or of the whole unordered source. It counts the Size and
	// the Traits.RecordBytes of each record; a single record may exceed it. Default
	// DefaultBufferedBytes for an ordered source, DefaultQueueBufferedBytes for an
	// unordered one.
	MaximumBufferedBytes int

	// RetryBackoff is the wait before a failed batch is retried in place. AWS
	// documents none (RTY-01); the default of 1 s doubling up to 30 s, with
	// full jitter, agrees with what was observed (RTY-02).
	RetryBackoff retry.Backoff

	// Observer is told of everything that AWS's metrics count. nil tells
	// nobody. If it panics, that is logged and the observation is lost.
	Observer Observer

	// Logger takes the mapping's log. Default slog.Default. Record payloads
	// and response bodies are never logged; the text of errors and panics of
	// the handler is, so keep payloads out of it. What its handler panics over is
	// not logged.
	Logger *slog.Logger

	// Jitter is the source of randomness for all waits: numbers from 0 up to
	// but not including 1. It is called concurrently. Default math/rand/v2;
	// tests that must replay give their own. A number out of that range counts as
	// the nearest one in it, NaN as 0, and a panic as a number of math/rand/v2.
	Jitter func() float64
}

// ProvisionedPollerConfig says how many pollers a mapping in provisioned mode
// has. Ranges and defaults are the source's; 0 means the default, but one of the
// two must be set (API-82).
//
// A poller of SQS is ten lanes, each for one concurrent invoke (SQS-25). There
// are MinimumPollers x 10 lanes at the start, and MaximumPollers x 10 at most;
// they come, up to 1,000 in a minute, and go as without this mode. But neither low
// traffic nor failures take them below the minimum: what is provisioned is always there.
//
// AWS's pollers make up to 10 receives a second (SQS-26) and take up to 1 MB a
// second (ESM-113). Here that is no limit. Lanes make one receive at a time, and
// on an idle queue it is a long poll of at least a second, so ten of them keep
// within AWS's number; on a busy one each receive brings messages, and fewer
// would only leave them waiting.
type ProvisionedPollerConfig struct {
	// MinimumPollers is how many there always are: SQS 2 to 200, default 2
	// (ESM-111).
	MinimumPollers int

	// MaximumPollers is how many there are at most: SQS 2 to 10,000, default
	// 200, not below MinimumPollers (ESM-111, API-81).
	MaximumPollers int
}

// withDefaults returns a copy with every default filled in.
func (c Config) withDefaults(traits sources.Traits) Config {
	c.Name = cmp.Or(c.Name, traits.ARN)
	c.FunctionARN = cmp.Or(c.FunctionARN, c.Name)
	c.UUID = cmp.Or(c.UUID, nameUUID(c.Name, c.FunctionARN))
	c.BatchSize = cmp.Or(c.BatchSize, traits.BatchSize.Default)
	switch c.MaximumBatchingWindow {
	case 0:
		c.MaximumBatchingWindow = traits.Window.Default
	case NoBatchingWindow:
		c.MaximumBatchingWindow = 0
	}
	c.MaximumBatchBytes = cmp.Or(c.MaximumBatchBytes, batch.MaxEventBytes)
	c.ParallelizationFactor = cmp.Or(c.ParallelizationFactor, 1)
	c.MaximumRetryAttempts = new(c.retryAttempts(traits))
	if c.MaximumRecordAge == 0 {
		c.MaximumRecordAge = NoLimit
	}
	if c.OnFailureTimeout == NoLimit {
		c.OnFailureTimeout = 0
	}
	if c.Timeout == 0 {
		c.Timeout = min(DefaultTimeout, traits.MaxTimeout)
	}
	switch c.DrainTimeout {
	case 0:
		c.DrainTimeout = DefaultDrainTimeout
	case NoDrainTimeout:
		c.DrainTimeout = 0
	}
	c.MaximumBufferedBytes = cmp.Or(c.MaximumBufferedBytes, bufferedBytes(traits))
	c.FilterCriteria.Filters = slices.Clone(c.FilterCriteria.Filters)
	c.FilterCriteria.MaximumFilters = cmp.Or(c.FilterCriteria.MaximumFilters, filter.DefaultFilters)
	if c.RetryBackoff == (retry.Backoff{}) {
		c.RetryBackoff = retry.Backoff{Initial: time.Second, Max: 30 * time.Second}
	}
	if c.Observer == nil {
		c.Observer = func(Observation) {}
	}
	c.Logger = cmp.Or(c.Logger, slog.Default())
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.ProvisionedPollerConfig != nil {
		c.ProvisionedPollerConfig = c.ProvisionedPollerConfig.withDefaults(traits.Provisioned)
	}
	return c
}

// retryAttempts is MaximumRetryAttempts with its default.
func (c Config) retryAttempts(traits sources.Traits) int {
	attempts := NoLimit
	if c.MaximumRetryAttempts != nil {
		attempts = *c.MaximumRetryAttempts
	}
	if limit := traits.RetriesWithDestination; limit > 0 && c.OnFailure != nil && attempts == NoLimit {
		return limit
	}
	return attempts
}

// bufferedBytes is the default of MaximumBufferedBytes.
func bufferedBytes(traits sources.Traits) int {
	if traits.Ordered {
		return DefaultBufferedBytes
	}
	return DefaultQueueBufferedBytes
}

// scaling is how the number of lanes moves under this configuration.
func (c Config) scaling(traits sources.Traits) sources.Scaling {
	if c.ProvisionedPollerConfig != nil {
		return c.ProvisionedPollerConfig.scaling(traits.Provisioned)
	}
	s := traits.Scaling
	if c.MaximumConcurrency > 0 {
		s.Max = c.MaximumConcurrency
		s.Idle = s.Initial
	}
	s.Initial = min(s.Initial, s.Max)
	s.Idle = min(s.Idle, s.Initial)
	return s
}

// withDefaults returns a copy with the defaults filled in. That of an empty one
// is empty: it is refused.
func (p ProvisionedPollerConfig) withDefaults(bounds sources.Provisioned) *ProvisionedPollerConfig {
	if p != (ProvisionedPollerConfig{}) {
		p.MinimumPollers = cmp.Or(p.MinimumPollers, bounds.MinimumPollers.Default)
		p.MaximumPollers = cmp.Or(p.MaximumPollers, bounds.MaximumPollers.Default)
	}
	return &p
}

// scaling is how the number of lanes moves in provisioned mode (SQS-25).
func (p ProvisionedPollerConfig) scaling(poller sources.Provisioned) sources.Scaling {
	least := p.MinimumPollers * poller.Lanes
	return sources.Scaling{
		Initial: least, Idle: least, Failing: least,
		Max: p.MaximumPollers * poller.Lanes, PerMinute: poller.PerMinute,
	}
}

// countPollers returns an observer that tells next also how many pollers of so
// many lanes are in use, after each change of the lanes (ESM-97).
func countPollers(next Observer, lanes int) Observer {
	return func(o Observation) {
		next(o)
		if o.Metric == ConcurrentLanes {
			o.Metric = ProvisionedPollers
			o.Count = (o.Count + lanes - 1) / lanes
			next(o)
		}
	}
}
