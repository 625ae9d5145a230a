package sources

import "time"

// Traits is what the engine must know of a kind of source: how it settles, and
// the bounds and defaults of the configuration. All of it is known before the
// first call to the service.
type Traits struct {
	// EventSource is the kind's name in event documents, such as "aws:sqs".
	EventSource string

	// ARN names the source in event documents and logs. Sources outside AWS
	// give what identifies them best.
	ARN string

	// Ordered sources settle by position and retry a failed batch in place;
	// unordered ones settle any subset.
	Ordered bool

	// Redelivers says that the service itself hands an unsettled record out
	// again, so that a failed batch is let go instead of being retried
	// (SQS-44). Only for unordered sources; without it a failed batch is
	// retried in place until it succeeds or its records expire.
	Redelivers bool

	// Rejects says that the service has a place for dead letters, where a partition,
	// which is a [Rejecter], can put what is given up. Only for unordered sources that
	// do not redeliver.
	Rejects bool

	// Grouped says that records with one Key must be handled in order although
	// the source is unordered (SQS FIFO, SQS-30). After a failed batch the
	// records of its groups that the engine holds are let go too.
	Grouped bool

	// RetryNamed says that after a partial failure only the records that the
	// response names are tried again (KAF-67); otherwise everything from the first
	// of them on (KIN-151). Only for ordered sources without tumbling windows.
	RetryNamed bool

	// RetriesWithDestination is how often a failed batch is retried if there is an
	// on-failure destination and no limit was set (KAF-61); 0 means that there is
	// no such rule. Only for ordered sources.
	RetriesWithDestination int

	// ReadsAhead says that partitions read ahead by themselves, as much as they
	// may: the engine then fetches no sooner than a batch wants to be filled.
	// Otherwise it reads on while the handler runs, which an ordered source may
	// need in order to be as fast as it could be. Not with tumbling windows.
	ReadsAhead bool

	// BatchSize is the default and the largest BatchSize. The smallest is 1.
	BatchSize Bounds[int]

	// UnwindowedBatchSize is the largest BatchSize without a batching window
	// (SQS-07); 0 if there is no such rule.
	UnwindowedBatchSize int

	// Window is the default and the longest batching window.
	Window Bounds[time.Duration]

	// WindowFromRecord lets a window start with the first record (ESM-36);
	// otherwise it starts when the previous invocation completes (ESM-35).
	WindowFromRecord bool

	// TumblingWindow is the longest tumbling window (KIN-11); 0 if there are none.
	// Partitions of a source that has them are [WindowKeeper]s.
	TumblingWindow time.Duration

	// MaxTimeout is the longest time limit of the handler.
	MaxTimeout time.Duration

	// EventOverhead is how many bytes an event document that has records takes
	// besides their Size: one less than an empty one, if each Size counts a comma.
	EventOverhead int

	// RecordBytes is how much memory a record takes besides its Size: what the
	// client library and the engine keep of it. It counts toward
	// MaximumBufferedBytes.
	RecordBytes int

	// MaxRecordBytes is the most memory that one record may take, RecordBytes
	// included; 0 if the service sets no limit. Of an unordered source the engine
	// asks for no more records than it has room for at this size.
	MaxRecordBytes int

	// Scaling is how the number of lanes of an unordered source moves.
	Scaling Scaling

	// Provisioned is what the source offers in provisioned mode. The zero value
	// means that it has no such mode (ESM-110).
	Provisioned Provisioned

	// AckBatch is how many records the service settles in one request; the
	// engine gathers that many across invocations. 0 or 1: no gathering.
	AckBatch int

	// AckLinger is how long a record may wait for others to be settled with.
	AckLinger time.Duration
}

// Bounds is a default and a largest value.
type Bounds[T int | time.Duration] struct {
	Default, Max T
}

// Scaling says between which bounds, and how fast, the number of lanes of an
// unordered source moves.
type Scaling struct {
	// Initial lanes at the start, and again when traffic is low.
	Initial int
	// Idle is how many lanes remain when nothing arrives, unless a
	// MaximumConcurrency is set (SQS-21).
	Idle int
	// Failing is how many lanes remain when invocations fail, unless Idle is
	// less; 0 means two (SQS-46).
	Failing int
	// Max is the most lanes without a MaximumConcurrency.
	Max int
	// PerMinute is how many lanes may be added in a minute.
	PerMinute int
}

// Provisioned says how many pollers a mapping in provisioned mode may have, and
// what one of them is in lanes.
type Provisioned struct {
	// MinimumPollers and MaximumPollers are the defaults and largest values of
	// the two settings. The default of MinimumPollers is also the smallest
	// value of both (ESM-111, ESM-112).
	MinimumPollers, MaximumPollers Bounds[int]
	// Lanes is how many lanes of an unordered source one poller has, at least
	// 1: as many as it makes concurrent invokes (ESM-113).
	Lanes int
	// PerMinute is how many lanes may be added in a minute (SQS-25).
	PerMinute int
}
