package eventjson

import (
	"strconv"
	"time"

	"github.com/openesm/openesm/sources"
)

// KinesisRecord is what the event document tells of one stream record
// (KIN-191..197).
type KinesisRecord struct {
	// PartitionKey as the producer wrote it (KIN-197).
	PartitionKey string

	// SequenceNumber within the shard.
	SequenceNumber string

	// Data is the raw blob, written in base64 (KIN-191).
	Data []byte

	// ApproximateArrivalTimestamp is when the record came into the stream. It
	// is written in seconds since 1970, cut to whole milliseconds (KIN-192).
	ApproximateArrivalTimestamp time.Time

	// EncryptionType is left out if empty (KIN-193).
	EncryptionType string
}

// Kinesis appends the records of a Kinesis event document (KIN-190..197). It
// is immutable.
type Kinesis struct {
	// middle is from the end of the inner object to the start of the event ID.
	middle string
	// tail is everything behind the event ID.
	tail string
}

// The constant stretches of a record.
const (
	openRecord     = `{"kinesis":{"kinesisSchemaVersion":"1.0","partitionKey":"`
	openNumber     = `","sequenceNumber":"`
	openData       = `","data":`
	openArrival    = `,"approximateArrivalTimestamp":`
	openEncryption = `,"encryptionType":"`
)

// NewKinesis returns the encoder of a stream: eventSource is "aws:kinesis",
// arn the stream's or the consumer's (KIN-196), region the part of AWS that it
// is in, invokeIdentityARN the role that the function runs as (KIN-195).
func NewKinesis(eventSource, arn, region, invokeIdentityARN string) *Kinesis {
	middle := AppendString([]byte(`},"eventSource":`), eventSource)
	middle = append(middle, `,"eventVersion":"1.0","eventID":"`...)
	tail := AppendString([]byte(`","eventName":`), eventSource+":record")
	tail = AppendString(append(tail, `,"invokeIdentityArn":`...), invokeIdentityARN)
	tail = AppendString(append(tail, `,"awsRegion":`...), region)
	tail = AppendString(append(tail, `,"eventSourceARN":`...), arn)
	return &Kinesis{middle: string(middle), tail: string(append(tail, '}'))}
}

// Append appends r, a record of the shard shardID, as one JSON object. If dst
// has room for Size(shardID, r) bytes nothing is allocated.
func (k *Kinesis) Append(dst []byte, shardID string, r *KinesisRecord) []byte {
	dst = appendContent(append(dst, openRecord...), r.PartitionKey)
	dst = appendContent(append(dst, openNumber...), r.SequenceNumber)
	dst = AppendBase64(append(dst, openData...), r.Data)
	dst = appendSeconds(append(dst, openArrival...), r.ApproximateArrivalTimestamp)
	dst = appendMember(dst, openEncryption, r.EncryptionType)
	dst = appendContent(append(dst, k.middle...), shardID)
	dst = appendContent(append(dst, ':'), r.SequenceNumber)
	return append(dst, k.tail...)
}

// Size returns how many bytes Append appends for r.
func (k *Kinesis) Size(shardID string, r *KinesisRecord) int {
	return len(openRecord) + contentSize(r.PartitionKey) +
		len(openNumber) + len(openData) + Base64Size(len(r.Data)) +
		len(openArrival) + secondsSize(r.ApproximateArrivalTimestamp) +
		memberSize(openEncryption, r.EncryptionType) +
		len(k.middle) + contentSize(shardID) + len(":") +
		2*contentSize(r.SequenceNumber) + len(k.tail)
}

// KinesisMembers are the members of a record besides its data, those of the object
// kinesis and those that stand beside it.
func KinesisMembers() []sources.Member {
	return append(texts(
		"kinesisSchemaVersion", "partitionKey", "sequenceNumber", "encryptionType",
		"eventSource", "eventVersion", "eventID", "eventName", "invokeIdentityArn", "awsRegion", "eventSourceARN",
	), sources.Member{Name: "approximateArrivalTimestamp", Kind: sources.Number})
}

// AppendMetadata appends what filter patterns see of r besides its data, as one JSON
// object: the members of the object kinesis stand beside the others (FILT-51,
// FILT-56, FILT-57).
func (k *Kinesis) AppendMetadata(dst []byte, shardID string, r *KinesisRecord) []byte {
	dst = append(dst, `{"kinesisSchemaVersion":"1.0","partitionKey":`...)
	dst = AppendString(dst, r.PartitionKey)
	dst = append(dst, `,"sequenceNumber":`...)
	dst = AppendString(dst, r.SequenceNumber)
	dst = append(dst, openArrival...)
	dst = appendSeconds(dst, r.ApproximateArrivalTimestamp)
	dst = appendMember(dst, openEncryption, r.EncryptionType)
	dst = appendContent(append(dst, k.middle[len("}"):]...), shardID)
	dst = appendContent(append(dst, ':'), r.SequenceNumber)
	return append(dst, k.tail...)
}

// appendSeconds appends t as seconds with as few decimals as tell its
// milliseconds.
func appendSeconds(dst []byte, t time.Time) []byte {
	const base, milli = 10, 1000
	ms := t.UnixMilli()
	if ms < 0 {
		dst = append(dst, '-')
		ms = -ms
	}
	dst = strconv.AppendInt(dst, ms/milli, base)
	rest := ms % milli
	if rest == 0 {
		return dst
	}
	dst = append(dst, '.')
	for unit := int64(milli / base); rest > 0; unit /= base {
		dst = append(dst, byte('0'+rest/unit))
		rest %= unit
	}
	return dst
}

// secondsSize returns how many bytes appendSeconds appends.
func secondsSize(t time.Time) int {
	const base, milli = 10, 1000
	n, ms := 1, t.UnixMilli()
	if ms < 0 {
		n, ms = n+1, -ms
	}
	for whole := ms / milli; whole >= base; whole /= base {
		n++
	}
	rest := ms % milli
	if rest == 0 {
		return n
	}
	n += len(".123")
	for ; rest%base == 0; rest /= base {
		n--
	}
	return n
}
