package kinesis

import (
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
	"github.com/openesm/openesm/sources/internal/shard"
)

// partition is a shard while this worker has its lease.
type partition struct {
	*shard.Partition[types.Record]

	source *Source
}

var (
	_ sources.Partition      = (*partition)(nil)
	_ sources.Revocable      = (*partition)(nil)
	_ sources.WindowKeeper   = (*partition)(nil)
	_ sources.BatchDescriber = (*partition)(nil)
)

// AppendBatchInfo appends the KinesisBatchInfo of DST-10.
func (p *partition) AppendBatchInfo(dst []byte, records []sources.Record) []byte {
	info := batchinfo.Stream{ShardID: p.ID(), StreamARN: p.source.stream.arn, Size: len(records)}
	if len(records) > 0 {
		info.First = end(&records[0])
		info.Last = end(&records[len(records)-1])
	}
	return batchinfo.AppendKinesis(dst, &info)
}

func end(r *sources.Record) batchinfo.StreamRecord {
	return batchinfo.StreamRecord{SequenceNumber: r.ID, Arrival: r.Time}
}
