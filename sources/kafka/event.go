package kafka

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/internal/batchinfo"
	"github.com/openesm/openesm/sources/internal/eventjson"
)

// AppendEvent appends the event document of records (KAF-80..91). See
// [sources.EventAppender].
func (s *Source) AppendEvent(dst []byte, _ string, records []sources.Record) []byte {
	return eventjson.AppendKafka(s.encoder, dst, records, view)
}

// view is what the event document tells of a record.
func view(r *sources.Record, to *eventjson.KafkaRecord) { describe(native(r), to) }

func describe(n *kgo.Record, to *eventjson.KafkaRecord) {
	to.Topic, to.Partition, to.Offset = n.Topic, n.Partition, n.Offset
	to.TimestampType = eventjson.KafkaTimestampType(n.Attrs.TimestampType())
	to.Timestamp = n.Timestamp.UnixMilli()
	to.Key, to.Value = n.Key, n.Value
	to.Headers = eventjson.KafkaHeaders(n.Headers)
}

// overhead is what an event document takes besides its records, the name of the one
// partition of a lane included.
func (s *Source) overhead() int {
	if s.options.MixPartitions {
		return s.encoder.Overhead()
	}
	longest := strings.Repeat("t", maxTopic)
	if len(s.options.Topics) > 0 {
		longest = slices.MaxFunc(s.options.Topics, func(a, b string) int { return len(a) - len(b) })
	}
	return s.encoder.Overhead() + eventjson.KafkaPartitionOverhead(longest, math.MaxInt32)
}

// RecordID reads how handlers of event documents name a record that failed (KAF-66):
//
//	{"partition": "orders-0", "offset": 100}
//
// The ID of a record is orders-0:100. Handlers of records name that.
func (s *Source) RecordID(item []byte) (string, bool) {
	partition, offset, ok := eventjson.ParseKafkaItem(item)
	if !ok {
		return "", false
	}
	return partition + ":" + strconv.FormatInt(offset, decimal), true
}

// AppendBatchInfo appends the KafkaBatchInfo of DST-20.
func (l *lane) AppendBatchInfo(dst []byte, records []sources.Record) []byte {
	return batchinfo.AppendKafka(dst, l.source.batchInfo(records))
}

// AppendRecordInfo appends the KafkaBatchInfo of one record (DST-40).
func (l *lane) AppendRecordInfo(dst []byte, record *sources.Record) []byte {
	return batchinfo.AppendKafkaRecord(dst, l.source.batchInfo([]sources.Record{*record}))
}

func (s *Source) batchInfo(records []sources.Record) *batchinfo.Kafka {
	info := &batchinfo.Kafka{
		Size:             len(records),
		EventSourceARN:   s.options.EventSourceARN,
		BootstrapServers: s.bootstrapServers(),
		PayloadSize:      len(s.AppendEvent(nil, "", records)),
	}
	places := make(map[key]int)
	for i := range records {
		n := native(&records[i])
		k := key{n.Topic, n.Partition}
		end := batchinfo.KafkaRecord{Offset: n.Offset, Timestamp: n.Timestamp}
		at, seen := places[k]
		if !seen {
			at = len(info.Partitions)
			places[k] = at
			info.Partitions = append(info.Partitions, batchinfo.KafkaPartition{Name: k.name(), First: end})
		}
		info.Partitions[at].Last = end
	}
	return info
}

// native is the record that Fetch returned as r.
func native(r *sources.Record) *kgo.Record {
	if n, ok := r.Native.(*kgo.Record); ok && n != nil {
		return n
	}
	return new(kgo.Record)
}
