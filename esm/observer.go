package esm

import (
	"fmt"
	"time"

	"github.com/openesm/openesm/sources"
)

// Metric names what an observation counts. The names are those of AWS's event
// source mapping metrics (ESM-80..98), so that dashboards carry over. This is what
// Kind says of them, and what of the observation has the value:
//
//	Counter    Count     PolledEventCount, FilteredOutEventCount,
//	                     FailedInvokeEventCount, DroppedEventCount,
//	                     OnFailureDestinationDeliveredEventCount,
//	                     DeletedEventCount, CommittedEventCount,
//	                     ThrottledEventCount, StaleEventCount, RejectedEventCount,
//	                     PollingErrorCount, InvokeErrorCount, CommitErrorCount,
//	                     OnFailureDestinationDeliveryErrorCount,
//	                     AbandonedInvokeCount, AbandonedDeliveryCount
//	Counter    Count     InvokedEventCount; its Duration is one value of a
//	                     histogram beside that
//	Histogram  Duration  IteratorAge; Count is the records that it is about
//	Gauge      Count     ConcurrentLanes, ProvisionedPollers
//
// A source has metrics of its own, such as kafka.OffsetLag: their names are constants
// of its package, and their Kind says how to read them.
type Metric = sources.Metric

// Kind says how the observations of a metric go together.
type Kind int

const (
	// Counter: Count is what came since the last observation; the sum counts.
	Counter Kind = iota
	// Gauge: the value now, in the place of the one that was observed before for the
	// same mapping and partition.
	Gauge
	// Histogram: Duration is one value of many, whose distribution counts.
	Histogram
)

// String is the kind's name in lower case.
func (k Kind) String() string {
	switch k {
	case Counter:
		return "counter"
	case Gauge:
		return "gauge"
	case Histogram:
		return "histogram"
	default:
		return fmt.Sprintf("kind %d", int(k))
	}
}

// kindOf is the kind of the engine's own metrics.
func kindOf(m Metric) Kind {
	switch m {
	case ConcurrentLanes, ProvisionedPollers:
		return Gauge
	case IteratorAge:
		return Histogram
	default:
		return Counter
	}
}

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
	// position passed (ESM-87). A source whose positions are paced, as by a
	// checkpoint.Paced store, takes a position at once and stores it within its
	// interval: if it cannot, a CommitErrorCount names the position when the partition is
	// let go of, and the records are handled again.
	CommittedEventCount Metric = "CommittedEventCount"
	// PollingErrorCount: failed reads (ESM-88).
	PollingErrorCount Metric = "PollingErrorCount"
	// InvokeErrorCount: failed invocations, per batch (ESM-89).
	InvokeErrorCount Metric = "InvokeErrorCount"
	// CommitErrorCount: failed settlements, per call (ESM-91), and failed calls that give
	// records back, keep them longer or let them go, or let a partition go.
	CommitErrorCount Metric = "CommitErrorCount"
	// OnFailureDestinationDeliveryErrorCount: failed deliveries (ESM-92), and a check
	// of the destination that came to no result.
	OnFailureDestinationDeliveryErrorCount Metric = "OnFailureDestinationDeliveryErrorCount"
	// IteratorAge: Duration is the age of the last record of a batch of an
	// ordered source when it is invoked (ESM-98).
	IteratorAge Metric = "IteratorAge"

	// ThrottledEventCount: records whose handler was throttled. Not a metric of
	// the mapping on AWS, where the function counts its throttles.
	ThrottledEventCount Metric = "ThrottledEventCount"
	// StaleEventCount: records that could not be settled any more because the
	// source had taken them back (SQS-63), or that expired while they were held. Ours.
	StaleEventCount Metric = "StaleEventCount"
	// RejectedEventCount: records given up that the source keeps as dead letters. Ours.
	RejectedEventCount Metric = "RejectedEventCount"
	// AbandonedInvokeCount: handlers that did not return after their time
	// limit; again each minute for one that its lane waits for. Ours.
	AbandonedInvokeCount Metric = "AbandonedInvokeCount"
	// AbandonedDeliveryCount: deliveries to the on-failure destination that did not
	// return after their time limit. Ours.
	AbandonedDeliveryCount Metric = "AbandonedDeliveryCount"
	// ConcurrentLanes: the number of lanes of an unordered source, after each
	// change. Ours.
	ConcurrentLanes Metric = "ConcurrentLanes"

	// ProvisionedPollers: the number of pollers in use in provisioned mode, that
	// is lanes by the lanes of a poller, rounded up; after each change of the
	// lanes. AWS shows its maximum (ESM-97).
	ProvisionedPollers Metric = "ProvisionedPollers"
)

// Observation is one event behind a metric. It holds no payload and no secret.
type Observation struct {
	// Metric is what is counted.
	Metric Metric
	// Kind says how the observations of the metric go together.
	Kind Kind
	// Mapping is Config.Name.
	Mapping string
	// Partition is the ID of the partition.
	Partition string
	// Count is how many: since the last observation, or now, as Kind says.
	Count int
	// Duration is set where the metric says so.
	Duration time.Duration
	// Err is the error behind the metrics that count errors, abandoned handlers and
	// dropped records.
	Err error
}

// Observer is told of observations: once for each batch or call, never for each
// record. It is called concurrently, on the path of the records, and must not
// block, nor end its goroutine by runtime.Goexit, as t.FailNow does.
type Observer func(Observation)

// meter turns what a source measures into observations.
type meter struct {
	source sources.Meter
	all    []sources.Measure
	totals map[measured]int // as they were told last
}

// measured is what a total is of.
type measured struct {
	name      Metric
	partition string
}

// read measures, and tells each value.
func (m *meter) read(tell Observer) {
	m.all = m.source.Measure(m.all[:0])
	for _, v := range m.all {
		o := Observation{Metric: v.Name, Kind: Gauge, Partition: v.Partition, Count: v.Count, Duration: v.Duration}
		if v.Total {
			o.Kind = Counter
			o.Count = m.rise(v)
		}
		tell(o)
	}
}

// rise is by how much a total rose since it was told.
func (m *meter) rise(v sources.Measure) int {
	if m.totals == nil {
		m.totals = map[measured]int{}
	}
	of := measured{v.Name, v.Partition}
	rise := v.Count - m.totals[of]
	m.totals[of] = v.Count
	return max(rise, 0)
}
