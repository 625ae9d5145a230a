package dynamodbstreams

import (
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/shard"
)

// The metrics of a stream, which the observer of the mapping is told of every ten
// seconds, beside those of package esm.
const (
	// MillisBehindLatest: Duration is how far the reading of a shard is behind its
	// newest record, as far as that can be known (DDB-51). A gauge.
	MillisBehindLatest sources.Metric = shard.MillisBehindLatest
	// LeasesHeld: the shards that this process reads. A gauge. Ours.
	LeasesHeld sources.Metric = shard.LeasesHeld
	// ShardsWaiting: the shards whose parents are not settled. A gauge. Ours.
	ShardsWaiting sources.Metric = shard.ShardsWaiting
	// LeasesLost: the shards that this process lost since the last time, to others
	// or because it could not renew its lease. A counter. Ours.
	LeasesLost sources.Metric = shard.LeasesLost
	// PositionsTrimmed: how often records of a shard may have been lost, of which a
	// [LossError] tells. How many records is not known. A counter. Ours.
	PositionsTrimmed sources.Metric = shard.PositionsTrimmed
)
