package memory

import (
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
)

// AppendBatchInfo appends what the service that the stream is as tells of a batch.
func (p *streamPartition) AppendBatchInfo(dst []byte, records []sources.Record) []byte {
	info := batchinfo.Stream{ShardID: p.shard.id, StreamARN: p.source.stream.arn, Size: len(records)}
	if len(records) > 0 {
		info.First = ends(&records[0])
		info.Last = ends(&records[len(records)-1])
	}
	return p.source.stream.kind.appendBatchInfo(dst, &info)
}

func ends(record *sources.Record) batchinfo.StreamRecord {
	r := streamRecordOf(record)
	return batchinfo.StreamRecord{SequenceNumber: r.SequenceNumber, Arrival: r.Arrived}
}
