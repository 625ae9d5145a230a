package eventjson

import (
	"strconv"
	"unsafe"
)

// KafkaRecord is what the event document tells of one record of a topic
// (KAF-84..91).
type KafkaRecord struct {
	// Topic and Partition that the record is of.
	Topic     string
	Partition int32

	// TimestampType says whose clock Timestamp is of (KAF-85).
	TimestampType KafkaTimestampType

	// Timestamp in milliseconds since 1970 (KAF-84). Of no account with
	// [KafkaNoTimestamp].
	Timestamp int64

	// Offset within the partition.
	Offset int64

	// Key is written in base64 (KAF-86); nil, no key, leaves the member out
	// (KAF-87), an empty one is an empty string.
	Key []byte

	// Value is written in base64; nil, a tombstone, leaves the member out, an
	// empty one is an empty string. AWS documents neither (KAF-88); its type
	// events.KafkaRecord cannot tell the two apart, and makes "" of both.
	Value []byte

	// Headers in the record's order; names may repeat (KAF-89).
	Headers []KafkaHeader
}

// KafkaHeader is one header of a record. What AWS writes for a value of nil is
// not described; here it is as good as empty (KAF-91).
type KafkaHeader struct {
	Key   string
	Value []byte
}

// KafkaHeaders returns the headers of a client whose type for them differs in
// nothing but its name. They are not copied.
func KafkaHeaders[H ~struct {
	Key   string
	Value []byte
}](headers []H) []KafkaHeader {
	return unsafe.Slice((*KafkaHeader)(unsafe.Pointer(unsafe.SliceData(headers))), len(headers))
}

// KafkaTimestampType says whose clock a record's timestamp is of. The numbers
// are the protocol's.
type KafkaTimestampType int8

const (
	// KafkaNoTimestamp is of the oldest message format, which has no
	// timestamps. What AWS writes then is not described (KAF-85). Here it is
	// what Kafka's own client says, so that neither member is ever missing or
	// of another type: -1 and NO_TIMESTAMP_TYPE. Any type but the three is
	// taken for this one.
	KafkaNoTimestamp KafkaTimestampType = iota - 1

	// KafkaCreateTime is the producer's clock.
	KafkaCreateTime

	// KafkaLogAppendTime is the broker's clock.
	KafkaLogAppendTime
)

// Kafka is the encoder of the event documents of a cluster, which
// [AppendKafka] writes (KAF-80..91). It is immutable.
type Kafka struct {
	// open is everything before the first partition.
	open string
}

// The constant stretches of a document.
const (
	closeKafka = `}}`

	// The name of a partition is between openName and openRecords.
	openName     = `"`
	openRecords  = `":[`
	closeRecords = `]`

	openTopic     = `{"topic":"`
	openPartition = `","partition":`
	openOffset    = `,"offset":`
	openTimestamp = `,"timestamp":`
	openKey       = `,"key":`
	openValue     = `,"value":`
	openHeaders   = `,"headers":[`
	closeHeaders  = `]}`

	createTime    = `,"timestampType":"CREATE_TIME"`
	logAppendTime = `,"timestampType":"LOG_APPEND_TIME"`
	noTimestamp   = `,"timestampType":"NO_TIMESTAMP_TYPE"`
)

// NewKafka returns the encoder of a cluster. eventSource is "aws:kafka" for
// MSK and "SelfManagedKafka" for any other (KAF-80); arn is the former's, and
// left out if it is "" (KAF-81); bootstrapServers is host:port, separated by
// commas (KAF-82).
func NewKafka(eventSource, arn, bootstrapServers string) *Kafka {
	open := AppendString([]byte(`{"eventSource":`), eventSource)
	if arn != "" {
		open = AppendString(append(open, `,"eventSourceArn":`...), arn)
	}
	open = AppendString(append(open, `,"bootstrapServers":`...), bootstrapServers)
	return &Kafka{open: string(append(open, `,"records":{`...))}
}

// Overhead returns how many bytes a document takes besides its partitions and
// records. With a [KafkaPartitionOverhead] for each partition and the
// [KafkaRecord.Size] of each record it is one more than the document has, for
// no comma is behind the last record.
func (k *Kafka) Overhead() int { return len(k.open) + len(closeKafka) }

// KafkaPartitionOverhead returns how many bytes a partition takes in a
// document besides its records.
func KafkaPartitionOverhead(topic string, partition int32) int {
	return len(openName) + contentSize(topic) + len(`-`) + intSize(int64(partition)) + len(openRecords) + len(closeRecords)
}

// Size returns how many bytes r takes in a document, the comma behind it
// included. It is exact for every topic that Kafka permits: letters, digits,
// dots, underscores and hyphens, none of which is escaped.
func (r *KafkaRecord) Size() int {
	return r.FrameSize() + KafkaKeySize(r.Key) + KafkaValueSize(r.Value) + KafkaHeadersSize(r.Headers)
}

// FrameSize returns what of Size is not for key, value and headers. It is the
// same for records of one partition whose offsets and timestamps have as many
// digits.
func (r *KafkaRecord) FrameSize() int {
	return len(openTopic) + len(r.Topic) +
		len(openPartition) + intSize(int64(r.Partition)) +
		len(openOffset) + intSize(r.Offset) +
		len(openTimestamp) + intSize(r.timestamp()) + len(r.TimestampType.member()) +
		len(openHeaders) + len(closeHeaders) + len(`,`)
}

// KafkaKeySize returns what of a record's Size is for its key.
func KafkaKeySize(key []byte) int {
	if key == nil {
		return 0
	}
	return len(openKey) + Base64Size(len(key))
}

// KafkaValueSize returns what of a record's Size is for its value.
func KafkaValueSize(value []byte) int {
	if value == nil {
		return 0
	}
	return len(openValue) + Base64Size(len(value))
}

// appendShared appends what is the same at the start of all records of r's
// partition.
func (r *KafkaRecord) appendShared(dst []byte) []byte {
	const decimal = 10
	dst = appendContent(append(dst, openTopic...), r.Topic)
	dst = strconv.AppendInt(append(dst, openPartition...), int64(r.Partition), decimal)
	return append(dst, openOffset...)
}

// appendOwn appends the rest of r.
func (r *KafkaRecord) appendOwn(dst []byte) []byte {
	const decimal = 10
	dst = strconv.AppendInt(dst, r.Offset, decimal)
	dst = strconv.AppendInt(append(dst, openTimestamp...), r.timestamp(), decimal)
	dst = append(dst, r.TimestampType.member()...)
	if r.Key != nil {
		dst = AppendBase64(append(dst, openKey...), r.Key)
	}
	if r.Value != nil {
		dst = AppendBase64(append(dst, openValue...), r.Value)
	}
	dst = appendHeaders(append(dst, openHeaders...), r.Headers)
	return append(dst, closeHeaders...)
}

// timestamp returns what is written for r's.
func (r *KafkaRecord) timestamp() int64 {
	const none = -1
	if r.TimestampType == KafkaCreateTime || r.TimestampType == KafkaLogAppendTime {
		return r.Timestamp
	}
	return none
}

// member returns the member of a record that tells t.
func (t KafkaTimestampType) member() string {
	switch t {
	case KafkaCreateTime:
		return createTime
	case KafkaLogAppendTime:
		return logAppendTime
	default:
		return noTimestamp
	}
}
