package kafka

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources/internal/eventjson"
)

// Each record's size is the same as if it were worked out for it alone, whatever the
// records before it were like.
func TestSizes_ESM38(t *testing.T) {
	t.Parallel()
	recent := time.UnixMilli(1_767_225_601_123)
	header := []kgo.RecordHeader{{Key: "trace", Value: []byte{1, 200, 30}}}
	var records []*kgo.Record
	for _, offset := range []int64{0, 8, 9, 10, 11, 99, 100, 999_999_999_999_999_999, 1_000_000_000_000_000_000, 1<<63 - 2, 1<<63 - 1} {
		for _, r := range []kgo.Record{
			{Timestamp: recent, Value: []byte("value")},
			{Timestamp: recent, Key: []byte("key"), Value: []byte{}},
			{Timestamp: recent, Key: []byte{}, Headers: header},
			{Timestamp: time.UnixMilli(0)},
			{Timestamp: time.UnixMilli(-1)},
			{Timestamp: time.UnixMilli(999_999_999_999), Value: []byte("v")},
			{Timestamp: time.UnixMilli(1_000_000_000_000), Value: []byte("v")},
			{Timestamp: time.UnixMilli(9_999_999_999_999), Value: []byte("v")},
			{Timestamp: time.UnixMilli(10_000_000_000_000), Value: []byte("v")},
			{Timestamp: recent, Value: []byte("value"), Headers: header},
		} {
			r.Topic, r.Partition, r.Offset = "orders", 12, offset
			records = append(records, &r)
		}
	}
	for _, mixed := range []bool{false, true} {
		sizes := sizer{mixed: mixed}
		for i, r := range records {
			var e eventjson.KafkaRecord
			describe(r, &e)
			want := e.Size()
			if mixed {
				want += eventjson.KafkaPartitionOverhead("orders", 12) + len(`,`)
			}
			if got := sizes.size(r); got != want {
				t.Errorf("mixed %v: record %d, offset %d at %v: %d bytes, want %d", mixed, i, r.Offset, r.Timestamp, got, want)
			}
		}
	}
}
