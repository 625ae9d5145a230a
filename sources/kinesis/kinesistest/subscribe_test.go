package kinesistest_test

import (
	"fmt"
	"math/big"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// Subscription (KIN-80, KIN-84).
func TestSubscription(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		numbers := w.put("a", "b")
		stream := w.follow(w.consumer("c"))
		e := event(stream)
		if !slices.Equal(data(e.Records), []string{"a", "b"}) || *e.ContinuationSequenceNumber != numbers[1] ||
			*e.MillisBehindLatest != 0 || e.ChildShards != nil {
			t.Fatalf("got %q, %v, %+v", data(e.Records), e.ContinuationSequenceNumber, e)
		}
		d := wiretest.Took(func() {
			time.Sleep(time.Second)
			w.put("c")
			e = event(stream)
		})
		if d != time.Second || !slices.Equal(data(e.Records), []string{"c"}) {
			t.Errorf("%q came after %v", data(e.Records), d)
		}
	})
}

func TestSubscriptionLife_KIN81(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		stream := w.follow(w.consumer("c"))
		d := wiretest.Took(func() {
			drain(stream)
		})
		if d != 5*time.Minute || stream.Err() != nil {
			t.Errorf("the subscription ended after %v with %v", d, stream.Err())
		}
		if n := w.server.Shards(w.stream)[0].Subscribers; n != 0 {
			t.Errorf("%d subscribers", n)
		}
	})
}

// drain reads a stream to its end.
func drain(stream *kinesis.SubscribeToShardEventStream) (events int) {
	for event(stream) != nil {
		events++
	}
	return events
}

// start subscribes from a position.
func (w *world) start(consumer string, p types.StartingPosition) *kinesis.SubscribeToShardEventStream {
	w.t.Helper()
	stream, err := w.subscribe(&kinesis.SubscribeToShardInput{ConsumerARN: &consumer, StartingPosition: &p})
	if err != nil {
		w.t.Fatalf("SubscribeToShard: %v", err)
	}
	w.t.Cleanup(func() { _ = stream.Close() })
	return stream
}

// The continuation moves without records too, and nothing is missed or seen
// twice from there.
func TestContinuation_KIN85(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		c := w.consumer("c")
		stream := w.start(c, types.StartingPosition{Type: types.ShardIteratorTypeLatest})
		previous := new(big.Int)
		var last string
		for i := range 3 {
			var e *types.SubscribeToShardEvent
			if d := wiretest.Took(func() { e = event(stream) }); d != 5*time.Second || len(e.Records) != 0 || *e.MillisBehindLatest != 0 {
				t.Errorf("heartbeat %d came after %v with %q", i, d, data(e.Records))
			}
			last = *e.ContinuationSequenceNumber
			number, _ := new(big.Int).SetString(last, 10)
			if number.Cmp(previous) <= 0 {
				t.Errorf("heartbeat %d stays at %s", i, last)
			}
			previous = number
		}
		w.put("k0", "k1", "k2", "k3")
		want := data(event(stream).Records)
		if len(want) == 0 {
			t.Fatal("no records")
		}
		again := w.start(c, types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: &last})
		if got := data(event(again).Records); !slices.Equal(got, want) {
			t.Errorf("after the heartbeat: %q, want %q", got, want)
		}
	})
}

func TestStartingPositions_KIN81(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		time.Sleep(time.Second)
		numbers := w.put("a", "b")
		time.Sleep(time.Second)
		when := time.Now()
		w.put("c")
		for i, c := range []struct {
			position types.StartingPosition
			want     []string
		}{
			{types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}, []string{"a", "b", "c"}},
			{types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: &when}, []string{"c"}},
			{types.StartingPosition{Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: &numbers[1]}, []string{"b", "c"}},
			{types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: &numbers[1]}, []string{"c"}},
		} {
			stream := w.start(w.consumer(fmt.Sprint("c", i)), c.position)
			if got := data(event(stream).Records); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q, want %q", c.position.Type, got, c.want)
			}
		}
		_, err := w.subscribe(&kinesis.SubscribeToShardInput{
			ConsumerARN: new(w.consumer("bad")), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: new("1")},
		})
		wiretest.WantType[*types.InvalidArgumentException](t, err)
	})
}

func TestTakeover_KIN83(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		c := w.consumer("c")
		old := w.follow(c)
		in := &kinesis.SubscribeToShardInput{ConsumerARN: &c, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}}
		time.Sleep(5*time.Second - 1)
		_, err := w.subscribe(in)
		wiretest.WantType[*types.ResourceInUseException](t, err)
		time.Sleep(time.Nanosecond)
		fresh := w.follow(c)
		drain(old)
		wiretest.WantType[*types.ResourceInUseException](t, old.Err())
		w.put("a")
		if e := event(fresh); e == nil || !slices.Equal(data(e.Records), []string{"a"}) {
			t.Errorf("the new subscription got %+v", e)
		}
		other := w.follow(w.consumer("d")) // another consumer reads beside
		if e := event(other); !slices.Equal(data(e.Records), []string{"a"}) {
			t.Errorf("the other consumer got %+v", e)
		}
	})
}

// Who leaves a subscription has to wait too.
func TestLeft_KIN83(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		c := w.consumer("c")
		stream := w.follow(c)
		_ = stream.Close()
		synctest.Wait()
		if n := w.server.Shards(w.stream)[0].Subscribers; n != 0 {
			t.Errorf("%d subscribers", n)
		}
		_, err := w.subscribe(&kinesis.SubscribeToShardInput{
			ConsumerARN: &c, StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
		})
		wiretest.WantType[*types.ResourceInUseException](t, err)
		time.Sleep(5 * time.Second)
		w.follow(c)
	})
}

// Subscription end (KIN-84, KIN-86).
func TestSubscriptionEnd(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.put("a")
		stream := w.follow(w.consumer("c"))
		if e := event(stream); !slices.Equal(data(e.Records), []string{"a"}) || e.ContinuationSequenceNumber == nil {
			t.Errorf("got %+v", e)
		}
		children := w.split(first)
		e := event(stream)
		if e == nil || e.ContinuationSequenceNumber != nil || len(e.ChildShards) != 2 || *e.ChildShards[1].ShardId != children[1] {
			t.Fatalf("got %+v", e)
		}
		if e := event(stream); e != nil || stream.Err() != nil {
			t.Errorf("then %+v, %v", e, stream.Err())
		}
		late := w.follow(w.consumer("d"))
		if e := event(late); e == nil || !slices.Equal(data(e.Records), []string{"a"}) || e.ContinuationSequenceNumber != nil || len(e.ChildShards) != 2 {
			t.Errorf("a late one got %+v", e)
		}
	})
}

// Subscription errors (KIN-87, KIN-88).
func TestSubscriptionErrors(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		c := w.consumer("c")
		p := &types.StartingPosition{Type: types.ShardIteratorTypeLatest}
		_, err := w.subscribe(&kinesis.SubscribeToShardInput{ConsumerARN: new(c + "0"), StartingPosition: p})
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
		_, err = w.subscribe(&kinesis.SubscribeToShardInput{ConsumerARN: new(streamARN), StartingPosition: p})
		wiretest.WantType[*types.InvalidArgumentException](t, err)
		_, err = w.subscribe(&kinesis.SubscribeToShardInput{ConsumerARN: &c, StartingPosition: p, ShardId: new("x")})
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
		gone := w.follow(c)
		if _, err := w.client.DeregisterStreamConsumer(t.Context(), &kinesis.DeregisterStreamConsumerInput{ConsumerARN: &c}); err != nil {
			t.Fatal(err)
		}
		if e := event(gone); e != nil {
			t.Errorf("got %+v", e)
		}
		wiretest.WantType[*types.ResourceNotFoundException](t, gone.Err())
		w.split(first)
		d := w.consumer("d")
		if err := w.server.Expire(w.stream, first); err != nil {
			t.Fatal(err)
		}
		_, err = w.subscribe(&kinesis.SubscribeToShardInput{ConsumerARN: &d, StartingPosition: p})
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
	})
}

func TestBrokenStream_KIN87(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.put("a")
		for i, c := range []struct {
			fault *kinesistest.Break
			check func(error)
		}{
			{&kinesistest.Break{After: 1, Err: kinesistest.InternalFailure()}, func(err error) { wiretest.WantType[*types.InternalFailureException](t, err) }},
			{&kinesistest.Break{After: 1, Err: kinesistest.KMSThrottling()}, func(err error) { wiretest.WantType[*types.KMSThrottlingException](t, err) }},
			{&kinesistest.Break{After: 1, Err: kinesistest.ResourceNotFound()}, func(err error) { wiretest.WantType[*types.ResourceNotFoundException](t, err) }},
			// The SDK takes a cut connection for an orderly end.
			{&kinesistest.Break{After: 1}, func(err error) {
				if err != nil {
					t.Errorf("a cut gives %v", err)
				}
			}},
		} {
			w.server.Inject("SubscribeToShard", kinesistest.Fault{Stream: c.fault})
			stream := w.follow(w.consumer(fmt.Sprint("c", i)))
			if e := event(stream); !slices.Equal(data(e.Records), []string{"a"}) {
				t.Errorf("case %d: got %+v", i, e)
			}
			if e := event(stream); e != nil {
				t.Errorf("case %d: then %+v", i, e)
			}
			c.check(stream.Err())
		}
		w.server.Inject("SubscribeToShard", kinesistest.Fault{Cut: kinesistest.CutAfter}, kinesistest.Fault{Stream: &kinesistest.Break{}})
		for _, name := range []string{"d", "e"} {
			stream, err := w.subscribe(&kinesis.SubscribeToShardInput{
				ConsumerARN: new(w.consumer(name)), StartingPosition: &types.StartingPosition{Type: types.ShardIteratorTypeLatest},
			})
			if err == nil { // the answer began
				if event(stream) != nil {
					t.Errorf("%s: an event came through", name)
				}
				_ = stream.Close()
			}
		}
		synctest.Wait()
		if n := w.server.Shards(w.stream)[0].Subscribers; n != 0 {
			t.Errorf("%d subscribers", n)
		}
	})
}

// Events are cut into pieces.
func TestLargeEvents(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		records := make([]kinesistest.Record, 2_500)
		for i := range records {
			records[i] = kinesistest.Record{Key: "k", Data: make([]byte, 100)}
		}
		if err := w.server.PutRecords(w.stream, records); err != nil {
			t.Fatal(err)
		}
		stream := w.follow(w.consumer("c"))
		for i, want := range []int{1_000, 1_000, 500} {
			e := event(stream)
			if len(e.Records) != want || (*e.MillisBehindLatest > 0) != (i < 2) || *e.Records[0].SequenceNumber != records[1_000*i].Number {
				t.Errorf("event %d has %d records, %d ms behind", i, len(e.Records), *e.MillisBehindLatest)
			}
		}
		for range 3 {
			if _, _, err := w.server.Put(w.stream, "key", make([]byte, 600<<10)); err != nil {
				t.Fatal(err)
			}
		}
		for range 3 {
			if e := event(stream); len(e.Records) != 1 {
				t.Errorf("an event has %d records of 600 KiB", len(e.Records))
			}
		}
	})
}
