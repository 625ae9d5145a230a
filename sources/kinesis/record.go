package kinesis

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// Record is what [sources.Record.Native] points at. It must not be modified.
type Record struct {
	// Record is the SDK's. With Options.Deaggregate that of an aggregated record
	// has the key and the data of its own, and the rest of the one it came in.
	types.Record

	// SubSequence counts the records that came in one, from 0 (KIN-213).
	SubSequence int64

	// Last says that no further record came with it in one. Always so without
	// aggregation.
	Last bool
}

// native is the record that Fetch returned as r.
func native(r *sources.Record) *Record {
	if n, ok := r.Native.(*Record); ok && n != nil {
		return n
	}
	return new(Record)
}

// position is the place right behind a record. It bears the time of the record if
// more came with it in one: that tells it from the place behind a whole record, which
// the first one's SubSequence of 0 does not.
func (r *Record) position() checkpoint.Position {
	at := checkpoint.Position{Sequence: aws.ToString(r.SequenceNumber), SubSequence: r.SubSequence}
	if !r.Last {
		at.Timestamp = aws.ToTime(r.ApproximateArrivalTimestamp)
	}
	return at
}

// event is what the event document tells of the record (KIN-190..197).
func (r *Record) event() eventjson.KinesisRecord {
	return eventjson.KinesisRecord{
		PartitionKey:                aws.ToString(r.PartitionKey),
		SequenceNumber:              aws.ToString(r.SequenceNumber),
		Data:                        r.Data,
		ApproximateArrivalTimestamp: aws.ToTime(r.ApproximateArrivalTimestamp),
	}
}
