package batchinfo

import (
	"strconv"
	"time"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// Kafka is the batch of one or more partitions of a topic.
type Kafka struct {
	// Size is how many records it has.
	Size int
	// EventSourceARN is the cluster's; "" and left out if it is no MSK cluster
	// (DST-22).
	EventSourceARN string
	// BootstrapServers is host:port, separated by commas (KAF-82).
	BootstrapServers string
	// PayloadSize is the bytes of the event document (DST-21).
	PayloadSize int
	// Partitions are the batch's, in the order of the event document.
	Partitions []KafkaPartition
}

// KafkaPartition is the part of a [Kafka] batch that one partition has.
type KafkaPartition struct {
	// Name is topic, hyphen, number.
	Name string
	// First and Last are its ends.
	First, Last KafkaRecord
}

// KafkaRecord is a record of a [KafkaPartition].
type KafkaRecord struct {
	// Offset of the record in its partition.
	Offset int64
	// Timestamp is what the producer or the broker set.
	Timestamp time.Time
}

// AppendKafka appends the member KafkaBatchInfo of a batch (DST-20..22).
func AppendKafka(dst []byte, b *Kafka) []byte {
	dst = append(b.open(dst), `,"recordsInfo":{`...)
	for i := range b.Partitions {
		if i > 0 {
			dst = append(dst, ',')
		}
		p := &b.Partitions[i]
		dst = eventjson.AppendString(dst, p.Name)
		dst = appendOffset(append(dst, `:{"firstRecordOffset":`...), p.First.Offset)
		dst = appendOffset(append(dst, `,"lastRecordOffset":`...), p.Last.Offset)
		dst = appendTime(append(dst, `,"firstRecordTimestamp":`...), p.First.Timestamp, millis)
		dst = appendTime(append(dst, `,"lastRecordTimestamp":`...), p.Last.Timestamp, millis)
		dst = append(dst, '}')
	}
	return append(dst, `}}`...)
}

// AppendKafkaRecord appends the member KafkaBatchInfo of one record, as Kafka topics
// get it: of b's Partitions only the first record of the first (DST-40, DST-49).
func AppendKafkaRecord(dst []byte, b *Kafka) []byte {
	var r KafkaRecord
	if len(b.Partitions) > 0 {
		r = b.Partitions[0].First
	}
	dst = appendOffset(append(b.open(dst), `,"recordInfo":{"offset":`...), r.Offset)
	dst = appendTime(append(dst, `,"timestamp":`...), r.Timestamp, millis)
	return append(dst, `}}`...)
}

// open appends what both forms begin with.
func (b *Kafka) open(dst []byte) []byte {
	const decimal = 10
	dst = strconv.AppendInt(append(dst, `"KafkaBatchInfo":{"batchSize":`...), int64(b.Size), decimal)
	if b.EventSourceARN != "" {
		dst = eventjson.AppendString(append(dst, `,"eventSourceArn":`...), b.EventSourceARN)
	}
	dst = eventjson.AppendString(append(dst, `,"bootstrapServers":`...), b.BootstrapServers)
	return strconv.AppendInt(append(dst, `,"payloadSize":`...), int64(b.PayloadSize), decimal)
}

// appendOffset appends an offset as a string (DST-21).
func appendOffset(dst []byte, offset int64) []byte {
	const decimal = 10
	return append(strconv.AppendInt(append(dst, '"'), offset, decimal), '"')
}
