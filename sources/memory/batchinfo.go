package memory

import (
	"strconv"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

const arrivalLayout = `"2006-01-02T15:04:05.000Z"`

// AppendBatchInfo appends the KinesisBatchInfo of DST-10, its seven members
// always (DST-19a).
func (p *streamPartition) AppendBatchInfo(dst []byte, records []sources.Record) []byte {
	var first, last StreamRecord

	if len(records) > 0 {
		first = *streamRecordOf(&records[0])
		last = *streamRecordOf(&records[len(records)-1])
	}

	dst = eventjson.AppendString(append(dst, `"KinesisBatchInfo":{"shardId":`...), p.shard.id)
	dst = eventjson.AppendString(append(dst, `,"startSequenceNumber":`...), first.SequenceNumber)
	dst = eventjson.AppendString(append(dst, `,"endSequenceNumber":`...), last.SequenceNumber)
	dst = append(dst, `,"approximateArrivalOfFirstRecord":`...)
	dst = first.Arrived.UTC().AppendFormat(dst, arrivalLayout)
	dst = append(dst, `,"approximateArrivalOfLastRecord":`...)
	dst = last.Arrived.UTC().AppendFormat(dst, arrivalLayout)
	dst = strconv.AppendInt(append(dst, `,"batchSize":`...), int64(len(records)), 10)
	dst = eventjson.AppendString(append(dst, `,"streamArn":`...), p.source.stream.arn)

	return append(dst, '}')
}
