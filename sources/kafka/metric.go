package kafka

import "github.com/openesm/openesm/sources"

// The metrics of topics, which the observer of the mapping is told of every ten
// seconds, beside those of package esm.
const (
	// OffsetLag: how many offsets a partition's settled position is behind its newest
	// one (KAF-170). A gauge. One that is not known is not told.
	OffsetLag sources.Metric = "OffsetLag"
	// MaxOffsetLag and SumOffsetLag: the largest and the sum of OffsetLag over the
	// partitions of this process (KAF-171). Gauges.
	MaxOffsetLag sources.Metric = "MaxOffsetLag"
	SumOffsetLag sources.Metric = "SumOffsetLag"
	// OffsetsLost: how many offsets were deleted before they were read (KAF-37). A
	// counter. Ours.
	OffsetsLost sources.Metric = "OffsetsLost"
)
