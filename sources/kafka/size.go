package kafka

import (
	"math"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// sizer tells how many bytes records take in the event document, one behind the other of
// one partition. What such records have in common it works out once.
type sizer struct {
	mixed bool // in a document of several partitions

	frame int   // of records like the last one, whose offsets are below
	below int64 // this; 0 for none
	kind  int8  // and whose timestamps are of this type
}

// size is how many bytes a record takes. In a document of several partitions that of its
// partition's name is counted to each.
func (z *sizer) size(n *kgo.Record) int {
	if n.Offset >= z.below || n.Attrs.TimestampType() != z.kind || !isRecent(n) {
		z.measure(n)
	}
	size := z.frame + eventjson.KafkaKeySize(n.Key) + eventjson.KafkaValueSize(n.Value)
	if len(n.Headers) > 0 {
		size += eventjson.KafkaHeadersSize(eventjson.KafkaHeaders(n.Headers))
	}
	return size
}

// measure works out the frame of a record, and of which others it is.
func (z *sizer) measure(n *kgo.Record) {
	const comma = 1
	var e eventjson.KafkaRecord
	describe(n, &e)
	z.frame, z.below, z.kind = e.FrameSize(), 0, n.Attrs.TimestampType()
	if z.mixed {
		z.frame += eventjson.KafkaPartitionOverhead(n.Topic, n.Partition) + comma
	}
	if isRecent(n) {
		z.below = longer(n.Offset)
	}
}

// isRecent reports whether a record's time, between the years 2001 and 2286, has
// thirteen digits, as all others of these years have.
func isRecent(n *kgo.Record) bool {
	const from, to = 1e9, 1e10
	seconds := n.Timestamp.Unix()
	return seconds >= from && seconds < to
}

// longer is the first offset that has more digits than a given one.
func longer(offset int64) int64 {
	const last = 1_000_000_000_000_000_000
	power := int64(decimal)
	for power <= offset {
		if power == last {
			return math.MaxInt64 // there is none
		}
		power *= decimal
	}
	return power
}
