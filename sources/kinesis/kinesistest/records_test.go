package kinesistest_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

const first = "shardId-000000000000"

// A record comes back as it was put, in the order of its shard.
func TestGetRecords_KIN84(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		time.Sleep(1_234 * time.Millisecond)
		arrival := time.Now()
		number, err := w.client.PutRecord(t.Context(), &kinesis.PutRecordInput{
			StreamARN: new(streamARN), PartitionKey: new("a\"<é"), Data: []byte{0, 255, 'x'},
		})
		if err != nil {
			t.Fatal(err)
		}
		w.put("b", "c")
		out := w.mustGet(w.horizon(first))
		if len(out.Records) != 3 || *out.MillisBehindLatest != 0 || out.NextShardIterator == nil || out.ChildShards != nil {
			t.Fatalf("got %d records, %d ms behind, next %v, children %v", len(out.Records), *out.MillisBehindLatest, out.NextShardIterator, out.ChildShards)
		}
		r := out.Records[0]
		if *r.PartitionKey != "a\"<é" || !bytes.Equal(r.Data, []byte{0, 255, 'x'}) || *r.SequenceNumber != *number.SequenceNumber ||
			!r.ApproximateArrivalTimestamp.Equal(arrival) {
			t.Errorf("got record %q %q %s %v", *r.PartitionKey, r.Data, *r.SequenceNumber, r.ApproximateArrivalTimestamp)
		}
		if len(*r.SequenceNumber) != 56 {
			t.Errorf("sequence number %s has %d digits, want 56", *r.SequenceNumber, len(*r.SequenceNumber))
		}
		next := w.expect(*out.NextShardIterator)
		w.put("d")
		w.expect(*next.NextShardIterator, "d")
	})
}

func TestEmptyShardAnswersAtOnce(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		it := w.horizon("shardId-000000000001")
		if d := wiretest.Took(func() { w.expect(it) }); d != 0 {
			t.Errorf("an empty answer took %v", d)
		}
	})
}

func TestLimit_KIN23(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		records := make([]kinesistest.Record, 10_001)
		for i := range records {
			records[i] = kinesistest.Record{Key: "k"}
		}
		if err := w.server.PutRecords(w.stream, records); err != nil {
			t.Fatal(err)
		}
		it := w.horizon(first)
		for _, c := range []struct{ limit, want int32 }{{1, 1}, {7, 7}, {10_000, 10_000}} {
			out, err := w.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &it, Limit: &c.limit})
			if err != nil || len(out.Records) != int(c.want) {
				t.Errorf("limit %d: %d records, %v", c.limit, len(out.Records), err)
			}
		}
		if out := w.mustGet(it); len(out.Records) != 10_000 {
			t.Errorf("without a limit: %d records", len(out.Records))
		}
		for _, limit := range []int32{0, -1, 10_001} {
			_, err := w.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &it, Limit: &limit})
			wiretest.WantType[*types.InvalidArgumentException](t, err)
		}
	})
}

func TestAnswerBytes_KIN23(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		for range 11 { // key and data are 1 MiB
			if _, _, err := w.server.Put(w.stream, "key", make([]byte, 1<<20-3)); err != nil {
				t.Fatal(err)
			}
		}
		out := w.mustGet(w.horizon(first))
		if len(out.Records) != 10 {
			t.Errorf("got %d records of 1 MiB, want 10", len(out.Records))
		}
		if out = w.mustGet(*out.NextShardIterator); len(out.Records) != 1 {
			t.Errorf("then %d, want 1", len(out.Records))
		}
	})
}

func TestEmptyAnswerIsNotTheEnd_KIN27(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.put("a", "b")
		time.Sleep(time.Second)
		w.server.Inject("GetRecords", kinesistest.Fault{Empty: true}, kinesistest.Fault{AtMost: 1})
		out := w.expect(w.horizon(first))
		if *out.MillisBehindLatest != 1_000 {
			t.Errorf("%d ms behind, want 1000", *out.MillisBehindLatest)
		}
		out = w.expect(*out.NextShardIterator, "a")
		w.expect(*out.NextShardIterator, "b")
	})
}

// Shard end (KIN-28, KIN-67).
func TestShardEnd(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.put("a", "b")
		children := w.split(first)
		it := w.horizon(first)
		out, err := w.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &it, Limit: new(int32(1))})
		if err != nil || out.NextShardIterator == nil || out.ChildShards != nil {
			t.Fatalf("in the middle: next %v, children %v, %v", out.NextShardIterator, out.ChildShards, err)
		}
		out = w.expect(*out.NextShardIterator, "b")
		if out.NextShardIterator != nil || *out.MillisBehindLatest != 0 || len(out.ChildShards) != 2 {
			t.Fatalf("at the end: next %v, %d ms behind, children %v", out.NextShardIterator, *out.MillisBehindLatest, out.ChildShards)
		}
		for i, c := range out.ChildShards {
			if *c.ShardId != children[i] || !slices.Equal(c.ParentShards, []string{first}) || *c.HashKeyRange.StartingHashKey == "" {
				t.Errorf("child %d is %s of %q, want %s", i, *c.ShardId, c.ParentShards, children[i])
			}
		}
		w.server.Inject("GetRecords", kinesistest.Fault{LateEnd: true})
		out = w.expect(w.horizon(first), "a", "b")
		if out.NextShardIterator == nil || out.ChildShards != nil {
			t.Fatal("the late end came at once")
		}
		if out = w.expect(*out.NextShardIterator); out.NextShardIterator != nil || len(out.ChildShards) != 2 {
			t.Errorf("the late end: next %v, children %v", out.NextShardIterator, out.ChildShards)
		}
	})
}

func TestMillisBehindLatest_KIN29(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.put("a")
		time.Sleep(3 * time.Second)
		w.put("b")
		time.Sleep(2 * time.Second)
		it := w.horizon(first)
		out, err := w.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &it, Limit: new(int32(1))})
		if err != nil || *out.MillisBehindLatest != 2_000 {
			t.Errorf("%d ms behind, want 2000, %v", *out.MillisBehindLatest, err)
		}
		if out = w.expect(*out.NextShardIterator, "b"); *out.MillisBehindLatest != 0 {
			t.Errorf("%d ms behind at the tip", *out.MillisBehindLatest)
		}
	})
}

// Arrival times may go back.
func TestArrival_KIN35(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		now := time.Now()
		records := []kinesistest.Record{
			{Key: "a", Data: []byte("a"), Arrival: now.Add(-time.Second)},
			{Key: "b", Data: []byte("b"), Arrival: now.Add(-time.Minute)},
			{Key: "c", Data: []byte("c")},
		}
		if err := w.server.PutRecords(w.stream, records); err != nil {
			t.Fatal(err)
		}
		out := w.expect(w.horizon(first), "a", "b", "c")
		for i, r := range out.Records {
			if !r.ApproximateArrivalTimestamp.Equal(records[i].Arrival) {
				t.Errorf("record %d arrived at %v, want %v", i, r.ApproximateArrivalTimestamp, records[i].Arrival)
			}
		}
		if got := fmt.Sprint(w.server.Records(w.stream, first)); got == "" {
			t.Error("no records")
		}
	})
}

func TestRecordWithoutKey_KIN214(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		if err := w.server.PutRecords(w.stream, []kinesistest.Record{{Data: []byte("a")}, {Data: []byte("b")}}); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"b", "a"} {
			out := w.expect(w.horizon(fmt.Sprintf("shardId-%012d", i)), want)
			if out.Records[0].PartitionKey != nil {
				t.Errorf("record %q has the key %q", want, *out.Records[0].PartitionKey)
			}
		}
	})
}
