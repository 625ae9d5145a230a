package memory

import (
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

const streamEventSource = "aws:kinesis"

// kinesis is the kind of streams that are as those of Kinesis.
type kinesis struct{ encoder *eventjson.Kinesis }

// traits are the bounds of Kinesis (KIN-04, KIN-05, KIN-11).
func (kinesis) traits() sources.Traits {
	return sources.Traits{
		EventSource:    streamEventSource,
		Ordered:        true,
		BatchSize:      sources.Bounds[int]{Default: 100, Max: 10_000},
		Window:         sources.Bounds[time.Duration]{Max: maxWindow},
		TumblingWindow: maxTimeout,
		MaxTimeout:     maxTimeout,
		EventOverhead:  eventjson.Bound,
	}
}

// filtering tells that data is JSON, and that what stands beside it is at the top
// level (FILT-51, FILT-57).
func (k kinesis) filtering() sources.Filtering {
	return sources.Filtering{Key: "data", Members: eventjson.KinesisMembers(), AppendMetadata: k.appendMetadata}
}

func (k kinesis) appendMetadata(dst []byte, partition string, r *sources.Record, _ []sources.AskedMember) []byte {
	event := streamRecordOf(r).event()
	return k.encoder.AppendMetadata(dst, partition, &event)
}

func (k kinesis) size(shard string, r *StreamRecord) int {
	event := r.event()
	return k.encoder.Size(shard, &event)
}

// append appends a record of the document of KIN-190..197.
func (k kinesis) append(dst []byte, shard string, r *StreamRecord) []byte {
	event := r.event()
	return k.encoder.Append(dst, shard, &event)
}

// appendBatchInfo appends the KinesisBatchInfo of DST-10.
func (kinesis) appendBatchInfo(dst []byte, info *batchinfo.Stream) []byte {
	return batchinfo.AppendKinesis(dst, info)
}

func (r *StreamRecord) event() eventjson.KinesisRecord {
	return eventjson.KinesisRecord{
		PartitionKey:                r.Key,
		SequenceNumber:              r.SequenceNumber,
		Data:                        r.Data,
		ApproximateArrivalTimestamp: r.Arrived,
	}
}
