package kinesistest_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

func TestPutRecords(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		in := &kinesis.PutRecordsInput{StreamName: &w.stream}
		for _, key := range []string{"a", "b", "c"} {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &key, Data: []byte(key)})
		}
		w.server.Inject("PutRecords", kinesistest.Fault{Records: map[int]*kinesistest.Error{1: kinesistest.ProvisionedThroughputExceeded()}})
		out, err := w.client.PutRecords(t.Context(), in)
		if err != nil || *out.FailedRecordCount != 1 {
			t.Fatalf("%+v, %v", out, err)
		}
		if out.Records[0].SequenceNumber == nil || *out.Records[0].ShardId != first || out.Records[0].ErrorCode != nil {
			t.Errorf("got %+v", out.Records[0])
		}
		if *out.Records[1].ErrorCode != "ProvisionedThroughputExceededException" || out.Records[1].SequenceNumber != nil {
			t.Errorf("got %+v", out.Records[1])
		}
		w.expect(w.horizon(first), "a", "c")
	})
}

func TestRecordSize_KIN200(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		put := func(stream string, size int) error {
			_, _, err := w.server.Put(stream, "key", make([]byte, size-3))
			return err
		}
		tooLarge := func(err error) {
			if e, ok := errors.AsType[*kinesistest.Error](err); !ok || e.Type != "InvalidArgumentException" {
				t.Errorf("a record that is too large: %v", err)
			}
		}
		if err := put(w.stream, 1<<20); err != nil {
			t.Error(err)
		}
		tooLarge(put(w.stream, 1<<20+1))
		if _, err := w.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{
			StreamName: new("large"), ShardCount: new(int32(1)), MaxRecordSizeInKiB: new(int32(10_240)),
		}); err != nil {
			t.Fatal(err)
		}
		if err := put("large", 10<<20); err != nil {
			t.Error(err)
		}
		tooLarge(put("large", 10<<20+1))
		_, err := w.client.PutRecord(t.Context(), &kinesis.PutRecordInput{StreamName: &w.stream, PartitionKey: new("key"), Data: make([]byte, 1<<20)})
		wantType[*types.InvalidArgumentException](t, err)
		_, err = w.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: new("l"), MaxRecordSizeInKiB: new(int32(10_241))})
		wantType[*types.InvalidArgumentException](t, err)
		w.stream = "large"
		if out := w.mustGet(w.horizon(first)); len(out.Records) != 1 || len(out.Records[0].Data) != 10<<20-3 {
			t.Error("a record of 10 MiB does not come back")
		}
	})
}

func TestPutArguments(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		for name, in := range map[string]*kinesis.PutRecordInput{
			"no key":   {PartitionKey: new("")},
			"long key": {PartitionKey: new(strings.Repeat("é", 257))},
			"hash":     {PartitionKey: new("k"), ExplicitHashKey: new("-1")},
			"big hash": {PartitionKey: new("k"), ExplicitHashKey: new("340282366920938463463374607431768211456")},
		} {
			in.StreamName, in.Data = &w.stream, []byte("x")
			if _, err := w.client.PutRecord(t.Context(), in); err == nil {
				t.Errorf("%s: no error", name)
			} else {
				wantType[*types.InvalidArgumentException](t, err)
			}
		}
		in := &kinesis.PutRecordsInput{StreamName: &w.stream, Records: make([]types.PutRecordsRequestEntry, 501)}
		for i := range in.Records {
			in.Records[i] = types.PutRecordsRequestEntry{PartitionKey: new("k"), Data: []byte("x")}
		}
		_, err := w.client.PutRecords(t.Context(), in)
		wantType[*types.InvalidArgumentException](t, err)
		in.Records = in.Records[:12]
		for i := range in.Records {
			in.Records[i].Data = make([]byte, 1<<20-1)
		}
		_, err = w.client.PutRecords(t.Context(), in)
		wantType[*types.InvalidArgumentException](t, err)
		in.Records = in.Records[:2]
		in.Records[1].PartitionKey = new("")
		_, err = w.client.PutRecords(t.Context(), in)
		wantType[*types.InvalidArgumentException](t, err)
		if n := len(w.server.Records(w.stream, first)); n != 0 {
			t.Errorf("%d records were put", n)
		}
		if err := w.server.PutRecords(w.stream, []kinesistest.Record{{Key: "a"}, {HashKey: "1"}}); err == nil {
			t.Error("a hash key without a key was put")
		}
		if err := w.server.PutRecords(w.stream, []kinesistest.Record{{Key: "a"}, {Key: "a", HashKey: "x"}}); err == nil {
			t.Error("a bad hash key was put")
		}
	})
}
