package kinesistest_test

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
)

func TestCallRate_KIN24(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		it, other := w.horizon(first), w.horizon("shardId-000000000001")
		for range 20 {
			w.expect(it) // nothing is enforced unless asked for
		}
		w.server.SetLimits(true)
		for range 5 {
			w.expect(it)
		}
		_, err := w.get(it)
		wiretest.WantType[*types.ProvisionedThroughputExceededException](t, err)
		w.expect(other) // each shard has its own
		time.Sleep(time.Second - 1)
		_, err = w.get(it)
		wiretest.WantType[*types.ProvisionedThroughputExceededException](t, err)
		time.Sleep(time.Nanosecond)
		w.expect(it)
	})
}

func TestByteRate_KIN25(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.server.SetLimits(true)
		for range 11 {
			if _, _, err := w.server.Put(w.stream, "key", make([]byte, 1<<20-3)); err != nil {
				t.Fatal(err)
			}
		}
		out := w.mustGet(w.horizon(first)) // 10 MiB
		time.Sleep(5*time.Second - 1)
		_, err := w.get(*out.NextShardIterator)
		wiretest.WantType[*types.ProvisionedThroughputExceededException](t, err)
		time.Sleep(time.Nanosecond)
		if out = w.mustGet(*out.NextShardIterator); len(out.Records) != 1 {
			t.Errorf("got %d records", len(out.Records))
		}
		w.expect(*out.NextShardIterator) // 1 MiB leaves room in the second
	})
}

func TestIteratorRate_KIN42(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		w.server.SetLimits(true)
		for range 5 {
			w.horizon(first)
		}
		in := &kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest}
		_, err := w.ask(in)
		wiretest.WantType[*types.ProvisionedThroughputExceededException](t, err)
		w.horizon("shardId-000000000001")
		time.Sleep(time.Second)
		w.mustAsk(in)
	})
}

func TestSubscribeRate_KIN82(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		w.server.SetLimits(true)
		c := w.consumer("c")
		in := func(shard string) *kinesis.SubscribeToShardInput {
			return &kinesis.SubscribeToShardInput{
				ConsumerARN: &c, ShardId: &shard, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
			}
		}
		stream, err := w.subscribe(in(first))
		if err != nil {
			t.Fatal(err)
		}
		defer stream.Close()
		_, err = w.subscribe(in(first))
		wiretest.WantType[*types.LimitExceededException](t, err)
		time.Sleep(time.Second)
		_, err = w.subscribe(in(first))
		wiretest.WantType[*types.ResourceInUseException](t, err)
		other, err := w.subscribe(in("shardId-000000000001"))
		if err != nil {
			t.Fatal(err)
		}
		defer other.Close()
	})
}

func TestPushRate_KIN80(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.server.SetLimits(true)
		const size, records = 700 << 10, 16
		for range records {
			if _, _, err := w.server.Put(w.stream, "key", make([]byte, size-3)); err != nil {
				t.Fatal(err)
			}
		}
		stream := w.follow(w.consumer("c"))
		got, beats := 0, 0
		d := wiretest.Took(func() {
			last := ""
			for got < records {
				e := event(stream)
				if len(e.Records) == 0 {
					beats++ // from where it stands, not from the tip
					if *e.ContinuationSequenceNumber != last || *e.MillisBehindLatest == 0 {
						t.Errorf("heartbeat %s, %d ms behind, after %s", *e.ContinuationSequenceNumber, *e.MillisBehindLatest, last)
					}
					continue
				}
				got += len(e.Records)
				last = *e.ContinuationSequenceNumber
			}
		})
		if want := (records - 1) * (size * time.Second / (2 << 20)); d != want {
			t.Errorf("the records took %v, want %v", d, want)
		}
		if beats != 1 {
			t.Errorf("%d heartbeats in 5.1 seconds", beats)
		}
	})
}
