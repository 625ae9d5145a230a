package esm

import "time"

// Metric names what an observation counts. The names are those of AWS's event
// source mapping metrics (ESM-80..98), so that dashboards carry over.
type Metric string

// The metrics. Every count may count a record twice (ESM-68).
const (
	// PolledEventCount: records read; an empty poll counts 0 (ESM-80).
	PolledEventCount Metric = "PolledEventCount"
	// FilteredOutEventCount: records rejected by the filter (ESM-81).
	FilteredOutEventCount Metric = "FilteredOutEventCount"
	// InvokedEventCount: records handed to the handler; retries count again
	// (ESM-82). Duration is how long the handler took.
	InvokedEventCount Metric = "InvokedEventCount"
	// FailedInvokeEventCount: records whose invocation failed, and only the
	// named ones of a partial failure (ESM-83, ESM-100).
	FailedInvokeEventCount Metric = "FailedInvokeEventCount"
	// DroppedEventCount: records given up and delivered nowhere, and records
	// too large for any event document (ESM-84).
	DroppedEventCount Metric = "DroppedEventCount"
	// OnFailureDestinationDeliveredEventCount: records covered by a delivered
	// failure record (ESM-85).
	OnFailureDestinationDeliveredEventCount Metric = "OnFailureDestinationDeliveredEventCount"
	// DeletedEventCount: records of unordered sources settled; a failed
	// delete counts 0 (ESM-86).
	DeletedEventCount Metric = "DeletedEventCount"
	// CommittedEventCount: records of ordered sources that the stored
	// position passed (ESM-87).
	CommittedEventCount Metric = "CommittedEventCount"
	// PollingErrorCount: failed reads (ESM-88).
	PollingErrorCount Metric = "PollingErrorCount"
	// InvokeErrorCount: failed invocations, per batch (ESM-89).
	InvokeErrorCount Metric = "InvokeErrorCount"
	// CommitErrorCount: failed settlements, per call (ESM-91).
	CommitErrorCount Metric = "CommitErrorCount"
	// OnFailureDestinationDeliveryErrorCount: failed deliveries (ESM-92).
	OnFailureDestinationDeliveryErrorCount Metric = "OnFailureDestinationDeliveryErrorCount"
	// IteratorAge: Duration is the age of the last record of a batch of an
	// ordered source when it is invoked (ESM-98).
	IteratorAge Metric = "IteratorAge"

	// MillisBehindLatest: Duration is how far the reading of a shard is behind its
	// newest record (KIN-29). Every ten seconds; a gauge.
	MillisBehindLatest Metric = "MillisBehindLatest"
	// LeasesHeld: the shards that this process reads of a stream. Every ten
	// seconds; a gauge. Ours.
	LeasesHeld Metric = "LeasesHeld"
	// ShardsWaiting: the shards of a stream whose parents are not settled. Every
	// ten seconds; a gauge. Ours.
	ShardsWaiting Metric = "ShardsWaiting"
	// LeasesLost: the shards that this process lost ever, to others or because it
	// could not renew its lease. Every ten seconds. Ours.
	LeasesLost Metric = "LeasesLost"

	// ThrottledEventCount: records whose handler was throttled. Not a metric of
	// the mapping on AWS, where the function counts its throttles.
	ThrottledEventCount Metric = "ThrottledEventCount"
	// StaleEventCount: records that could not be settled any more because the
	// source had taken them back (SQS-63). Ours.
	StaleEventCount Metric = "StaleEventCount"
	// AbandonedInvokeCount: handlers that did not return after their time
	// limit. Ours.
	AbandonedInvokeCount Metric = "AbandonedInvokeCount"
	// ConcurrentLanes: the number of lanes of an unordered source, after each
	// change. Ours.
	ConcurrentLanes Metric = "ConcurrentLanes"

	// ProvisionedPollers: the number of pollers in use in provisioned mode, that
	// is lanes by the lanes of a poller, rounded up; after each change of the
	// lanes. A gauge: AWS shows its maximum (ESM-97).
	ProvisionedPollers Metric = "ProvisionedPollers"
)

// Observation is one event behind a metric. It holds no payload and no secret.
type Observation struct {
	// Metric is what is counted.
	Metric Metric
	// Mapping is Config.Name.
	Mapping string
	// Partition is the ID of the partition.
	Partition string
	// Count is how many.
	Count int
	// Duration is set where the metric says so.
	Duration time.Duration
	// Err is the error behind the metrics that count errors.
	Err error
}

// Observer is told of observations: once for each batch or call, never for each
// record. It is called concurrently, on the path of the records, and must not
// block.
type Observer func(Observation)
