// Package batchinfo writes what failure records tell of the batch that was given
// up: one member of a JSON object for each kind of source, byte for byte as AWS
// does (DST-10..24, DST-40).
package batchinfo

import (
	"strconv"
	"time"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

const (
	// millis is how Kinesis and Kafka tell times, seconds how DynamoDB Streams
	// does (DST-10, DST-11).
	millis  = `"2006-01-02T15:04:05.000Z"`
	seconds = `"2006-01-02T15:04:05Z"`
)

// Stream is the batch of a shard.
type Stream struct {
	// ShardID and StreamARN say where the records are.
	ShardID, StreamARN string
	// First and Last are the ends of the batch.
	First, Last StreamRecord
	// Size is how many records it has.
	Size int
}

// StreamRecord is a record of a [Stream].
type StreamRecord struct {
	// SequenceNumber within the shard.
	SequenceNumber string
	// Arrival is when it came into the stream.
	Arrival time.Time
}

// AppendKinesis appends the member KinesisBatchInfo (DST-10, DST-19a).
func AppendKinesis(dst []byte, b *Stream) []byte {
	return b.append(append(dst, `"KinesisBatchInfo"`...), millis)
}

// AppendDynamoDB appends the member DDBStreamBatchInfo (DST-11, DST-85).
func AppendDynamoDB(dst []byte, b *Stream) []byte {
	return b.append(append(dst, `"DDBStreamBatchInfo"`...), seconds)
}

func (b *Stream) append(dst []byte, layout string) []byte {
	const decimal = 10
	dst = eventjson.AppendString(append(dst, `:{"shardId":`...), b.ShardID)
	dst = eventjson.AppendString(append(dst, `,"startSequenceNumber":`...), b.First.SequenceNumber)
	dst = eventjson.AppendString(append(dst, `,"endSequenceNumber":`...), b.Last.SequenceNumber)
	dst = appendTime(append(dst, `,"approximateArrivalOfFirstRecord":`...), b.First.Arrival, layout)
	dst = appendTime(append(dst, `,"approximateArrivalOfLastRecord":`...), b.Last.Arrival, layout)
	dst = strconv.AppendInt(append(dst, `,"batchSize":`...), int64(b.Size), decimal)
	dst = eventjson.AppendString(append(dst, `,"streamArn":`...), b.StreamARN)
	return append(dst, '}')
}

func appendTime(dst []byte, t time.Time, layout string) []byte {
	return t.UTC().AppendFormat(dst, layout)
}
