package kinesistest_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

func TestCall(t *testing.T) {
	t.Parallel()
	run(t, 2, func(t *testing.T, w *world) {
		c := w.consumer("reader")
		number := w.put("k")[0]
		it := w.horizon(first)
		var got kinesistest.Call
		w.server.SetFault(func(call kinesistest.Call) kinesistest.Fault {
			got = call
			return kinesistest.Fault{Err: kinesistest.InternalFailure()}
		})
		ctx := t.Context()
		for _, step := range []struct {
			do   func()
			want kinesistest.Call
		}{
			{func() {
				_, _ = w.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: &it, Limit: new(int32(3))})
			}, kinesistest.Call{Action: "GetRecords", Stream: w.stream, Shard: first, Limit: 3}},
			{func() {
				_, _ = w.ask(&kinesis.GetShardIteratorInput{ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: &number})
			}, kinesistest.Call{Action: "GetShardIterator", Stream: w.stream, Shard: first, Type: "AFTER_SEQUENCE_NUMBER", After: number}},
			{func() {
				_, _ = w.subscribe(&kinesis.SubscribeToShardInput{ConsumerARN: &c, StartingPosition: &types.StartingPosition{Type: "AT_SEQUENCE_NUMBER", SequenceNumber: &number}})
			}, kinesistest.Call{Action: "SubscribeToShard", Stream: w.stream, Shard: first, Consumer: "reader", Type: "AT_SEQUENCE_NUMBER", After: number}},
			{func() { _ = w.doSplit(first, "7") }, kinesistest.Call{Action: "SplitShard", Stream: w.stream, Shard: first}},
			{func() { _ = w.doMerge(first, "x") }, kinesistest.Call{Action: "MergeShards", Stream: w.stream, Shard: first}},
			{func() { _, _ = w.register("new") }, kinesistest.Call{Action: "RegisterStreamConsumer", Stream: w.stream, Consumer: "new"}},
			{func() {
				_, _ = w.client.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: &c})
			}, kinesistest.Call{Action: "DeregisterStreamConsumer", Stream: w.stream, Consumer: "reader"}},
			{func() {
				_, _ = w.client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &w.stream})
			}, kinesistest.Call{Action: "ListShards", Stream: w.stream}},
			{func() {
				_, _ = w.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &w.stream, Records: make([]types.PutRecordsRequestEntry, 0)})
			}, kinesistest.Call{Action: "PutRecords", Stream: w.stream}},
			{func() {
				_, _ = w.client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &w.stream, PartitionKey: new("k"), Data: []byte("x")})
			}, kinesistest.Call{Action: "PutRecord", Stream: w.stream, Records: 1}},
			{func() {
				_, _ = w.client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: new("n")})
			}, kinesistest.Call{Action: "CreateStream"}},
		} {
			before := w.server.Calls(step.want.Action)
			step.do()
			step.want.Host, step.want.Number = "memhttp.test", before+1
			if got != step.want {
				t.Errorf("got call %+v, want %+v", got, step.want)
			}
		}
	})
}

func TestWatch(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		var events []kinesistest.Event
		w.server.SetWatch(func(e kinesistest.Event) { events = append(events, e) })
		number := w.put("a")[0]
		w.server.Inject("GetRecords", kinesistest.Fault{Cut: kinesistest.CutAfter})
		_, _ = w.get(w.horizon(first))
		stream := w.follow(w.consumer("c"))
		event(stream)
		w.split(first)
		event(stream)
		if err := w.server.Trim(w.stream, first, ""); err != nil {
			t.Fatal(err)
		}
		for i, want := range []kinesistest.Event{
			{What: kinesistest.Put},
			{What: kinesistest.Read, Host: "memhttp.test", Lost: true},
			{What: kinesistest.Read, Host: "memhttp.test", Consumer: "c"},
			{What: kinesistest.Closed},
			{What: kinesistest.Read, Host: "memhttp.test", Consumer: "c", End: true},
			{What: kinesistest.Trimmed},
		} {
			if i == len(events) {
				t.Fatalf("got %+v", events)
			}
			got := events[i]
			if has := len(got.Numbers) == 1 && got.Numbers[0] == number; has == (got.What == kinesistest.Closed || got.End) {
				t.Errorf("event %d has numbers %q", i, got.Numbers)
			}
			if got.Stream != w.stream || got.Shard != first || got.What != want.What || got.Host != want.Host ||
				got.Consumer != want.Consumer || got.End != want.End || got.Lost != want.Lost {
				t.Errorf("event %d is %+v, want %+v", i, got, want)
			}
		}
		w.server.SetWatch(nil)
		w.put("b")
		if len(events) != 6 {
			t.Errorf("got %+v", events[6:])
		}
	})
}

func TestCloseCutsSubscriptions(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		stream := w.follow(w.consumer("c"))
		for range 2 {
			if err := w.server.Close(); err != nil {
				t.Error(err)
			}
		}
		if e := event(stream); e != nil {
			t.Errorf("got %+v", e)
		}
		if _, err := w.get("x"); err == nil {
			t.Error("a closed server answers")
		}
		if w.server.URL() == "" || w.server.HTTPClient() == nil {
			t.Error("no URL or client")
		}
	})
}

func TestTexts(t *testing.T) {
	t.Parallel()
	if (&kinesistest.Error{Type: "a", Message: "b"}).Error() != "a: b" {
		t.Error("the text of an error")
	}
	run(t, 1, func(t *testing.T, w *world) {
		if strings.Contains(w.server.URL(), "amazonaws") {
			t.Error("the URL is one of AWS")
		}
	})
}
