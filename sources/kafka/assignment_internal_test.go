package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources"
)

// The IDs of records are right wherever digits are carried, and where offsets are
// missing.
func TestRecordIDs_KAF66(t *testing.T) {
	t.Parallel()
	a := newAssignment(key{"my-orders", 7})
	var from []*kgo.Record
	for _, first := range []int64{0, 95, 998, 9_990, 99_999, 999_999_999_990, 9_000_000_000_000_000_000} {
		for i := range int64(25) {
			if i%7 != 3 {
				from = append(from, &kgo.Record{Topic: "my-orders", Partition: 7, Offset: first + i, Key: []byte{byte(i)}, Timestamp: time.UnixMilli(i)})
			}
		}
	}
	got := make([]sources.Record, len(from))
	a.records(got, from, false)
	for i, r := range from {
		if want := fmt.Sprint("my-orders-7:", r.Offset); got[i].ID != want || got[i].Key != string(r.Key) || got[i].Native != any(r) {
			t.Errorf("record %d: ID %s, want %s", i, got[i].ID, want)
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	const batch = 1000
	a := newAssignment(key{"orders", 7})
	from := make([]*kgo.Record, batch)
	together := make([]kgo.Record, batch) // as the client has them
	for i := range from {
		from[i] = &together[i]
		together[i] = kgo.Record{Topic: "orders", Partition: 7, Offset: 1_000_000 + int64(i), Value: make([]byte, 100), Timestamp: time.UnixMilli(1767225601123)}
	}
	dst := make([]sources.Record, batch)
	b.ReportAllocs()
	for b.Loop() {
		a.records(dst, from, false)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/record")
}

// A record without a timestamp has no age: it is not given up as one that came in 1969.
func TestStamp_KAF85(t *testing.T) {
	t.Parallel()
	for millis, want := range map[int64]time.Time{
		-1: {}, -2: {}, 0: time.UnixMilli(0).UTC(), 1_767_225_601_123: time.UnixMilli(1_767_225_601_123).UTC(),
	} {
		if got := stamp(&kgo.Record{Timestamp: time.UnixMilli(millis)}); !got.Equal(want) || got.IsZero() != want.IsZero() {
			t.Errorf("timestamp %d: time %v, want %v", millis, got, want)
		}
	}
}
