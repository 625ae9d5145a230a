package kinesistest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

func TestErrors_KIN33(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		it := w.horizon(first)
		for _, c := range []struct {
			err  *kinesistest.Error
			code string
		}{
			{kinesistest.ProvisionedThroughputExceeded(), "ProvisionedThroughputExceededException"},
			{kinesistest.LimitExceeded(), "LimitExceededException"},
			{kinesistest.ThrottlingException(), "ThrottlingException"},
			{kinesistest.InternalFailure(), "InternalFailure"},
			{kinesistest.ServiceUnavailable(), "ServiceUnavailableException"},
			{kinesistest.AccessDenied(), "AccessDeniedException"},
			{kinesistest.ExpiredIterator(), "ExpiredIteratorException"},
			{kinesistest.ResourceNotFound(), "ResourceNotFoundException"},
			{kinesistest.ResourceInUse(), "ResourceInUseException"},
			{kinesistest.KMSThrottling(), "KMSThrottlingException"},
			{&kinesistest.Error{Status: 400, Type: "KMSDisabledException"}, "KMSDisabledException"},
		} {
			w.server.Inject("GetRecords", kinesistest.Fault{Err: c.err})
			_, err := w.get(it)
			wantCode(t, err, c.code)
		}
		if n := w.server.Calls("GetRecords"); n != 11 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestCuts(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		put := func() error {
			_, err := w.client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: &w.stream, PartitionKey: new("k"), Data: []byte("x")})
			return err
		}
		w.server.Inject("PutRecord",
			kinesistest.Fault{Cut: kinesistest.CutBefore}, kinesistest.Fault{Cut: kinesistest.CutAfter},
			kinesistest.Fault{Cut: kinesistest.CutAfter, Err: kinesistest.InternalFailure()})
		if put() == nil || len(w.server.Records(w.stream, first)) != 0 {
			t.Error("cut before: the call took effect")
		}
		if put() == nil || len(w.server.Records(w.stream, first)) != 1 {
			t.Error("cut after: the call took no effect")
		}
		wantCode(t, put(), "InternalFailure")
		if err := put(); err != nil {
			t.Error(err)
		}
	})
}

func TestDelay(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		it := w.horizon(first)
		w.server.SetFault(func(c kinesistest.Call) kinesistest.Fault {
			if c.Action != "GetRecords" || c.Stream != w.stream || c.Shard != first || c.Host != "memhttp.test" {
				t.Errorf("call %+v", c)
			}
			return kinesistest.Fault{Delay: time.Duration(c.Number) * time.Second}
		})
		for i := range 3 {
			if d := took(func() { w.expect(it) }); d != time.Duration(i+1)*time.Second {
				t.Errorf("call %d took %v", i+1, d)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		d := took(func() {
			if _, err := w.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: &it}); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		})
		if d != time.Second {
			t.Errorf("a call that was given up took %v", d)
		}
	})
}

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

func TestUnknownAction(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		_, err := w.client.ListStreams(t.Context(), &kinesis.ListStreamsInput{})
		wantCode(t, err, "UnknownOperationException")
		if (&kinesistest.Error{Type: "a", Message: "b"}).Error() != "a: b" {
			t.Error("the text of an error")
		}
		if strings.Contains(w.server.URL(), "amazonaws") {
			t.Error("the URL is one of AWS")
		}
	})
}
