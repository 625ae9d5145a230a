package kinesistest_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

func TestPutRecords(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		in := &kinesis.PutRecordsInput{StreamName: &w.stream}
		for _, key := range []string{"a", "b", "c", "d"} {
			in.Records = append(in.Records, types.PutRecordsRequestEntry{PartitionKey: &key, Data: []byte(key)})
		}
		w.server.Inject("PutRecords", kinesistest.Fault{Records: map[int]*kinesistest.Error{
			1: kinesistest.ProvisionedThroughputExceeded(), 3: kinesistest.InternalFailure(),
		}})
		out, err := w.client.PutRecords(t.Context(), in)
		if err != nil || *out.FailedRecordCount != 2 {
			t.Fatalf("%+v, %v", out, err)
		}
		if out.Records[0].SequenceNumber == nil || *out.Records[0].ShardId != first || out.Records[0].ErrorCode != nil {
			t.Errorf("got %+v", out.Records[0])
		}
		if *out.Records[1].ErrorCode != "ProvisionedThroughputExceededException" || out.Records[1].SequenceNumber != nil {
			t.Errorf("got %+v", out.Records[1])
		}
		if *out.Records[3].ErrorCode != "InternalFailure" {
			t.Errorf("got %+v", out.Records[3])
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
		wiretest.WantType[*types.InvalidArgumentException](t, err)
		_, err = w.client.CreateStream(t.Context(), &kinesis.CreateStreamInput{StreamName: new("l"), MaxRecordSizeInKiB: new(int32(10_241))})
		wiretest.WantType[*types.InvalidArgumentException](t, err)
		w.stream = "large"
		if out := w.mustGet(w.horizon(first)); len(out.Records) != 1 || len(out.Records[0].Data) != 10<<20-3 {
			t.Error("a record of 10 MiB does not come back")
		}
	})
}

func TestPutArguments(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		number := w.put("before")[0]
		if err := w.server.Trim(w.stream, first, ""); err != nil {
			t.Fatal(err)
		}
		for name, test := range map[string]struct {
			in   kinesis.PutRecordInput
			code string
		}{
			"no key":      {kinesis.PutRecordInput{PartitionKey: new("")}, "ValidationException"},
			"long key":    {kinesis.PutRecordInput{PartitionKey: new(strings.Repeat("é", 257))}, "ValidationException"},
			"hash":        {kinesis.PutRecordInput{ExplicitHashKey: new("-1")}, "ValidationException"},
			"long hash":   {kinesis.PutRecordInput{ExplicitHashKey: new(strings.Repeat("1", 40))}, "ValidationException"},
			"big hash":    {kinesis.PutRecordInput{ExplicitHashKey: new("340282366920938463463374607431768211456")}, "InvalidArgumentException"},
			"stream":      {kinesis.PutRecordInput{StreamName: new("a b")}, "ValidationException"},
			"text":        {kinesis.PutRecordInput{SequenceNumberForOrdering: new("abc")}, "ValidationException"},
			"empty":       {kinesis.PutRecordInput{SequenceNumberForOrdering: new("")}, "ValidationException"},
			"zeros":       {kinesis.PutRecordInput{SequenceNumberForOrdering: new("007")}, "ValidationException"},
			"long number": {kinesis.PutRecordInput{SequenceNumberForOrdering: new(strings.Repeat("9", 130))}, "ValidationException"},
			"foreign":     {kinesis.PutRecordInput{SequenceNumberForOrdering: new("17")}, "InvalidArgumentException"},
			"future":      {kinesis.PutRecordInput{SequenceNumberForOrdering: new("9" + number[1:])}, "InvalidArgumentException"},
		} {
			if test.in.StreamName == nil {
				test.in.StreamName = &w.stream
			}
			if test.in.PartitionKey == nil {
				test.in.PartitionKey = new("k")
			}
			test.in.Data = []byte("x")
			_, err := w.client.PutRecord(t.Context(), &test.in)
			if err == nil {
				t.Errorf("%s: no error", name)
			}
			wiretest.WantCode(t, err, test.code)
		}
		in := &kinesis.PutRecordsInput{StreamName: &w.stream, Records: make([]types.PutRecordsRequestEntry, 501)}
		for i := range in.Records {
			in.Records[i] = types.PutRecordsRequestEntry{PartitionKey: new("k"), Data: []byte("x")}
		}
		_, err := w.client.PutRecords(t.Context(), in)
		wiretest.WantCode(t, err, "ValidationException")
		in.Records = in.Records[:12]
		for i := range in.Records {
			in.Records[i].Data = make([]byte, 1<<20-1)
		}
		_, err = w.client.PutRecords(t.Context(), in)
		wiretest.WantType[*types.InvalidArgumentException](t, err)
		in.Records = in.Records[:2]
		in.Records[1].PartitionKey = new("")
		_, err = w.client.PutRecords(t.Context(), in)
		wiretest.WantCode(t, err, "ValidationException")
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

// TestOrderedPuts chains records by their sequence numbers, across a split too.
func TestOrderedPuts(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		var before *string
		for i := range 4 {
			out, err := w.client.PutRecord(t.Context(), &kinesis.PutRecordInput{
				StreamName: &w.stream, PartitionKey: new("k"), Data: []byte{}, SequenceNumberForOrdering: before,
			})
			if err != nil {
				t.Fatal(err)
			}
			if before != nil && (len(*out.SequenceNumber) < len(*before) || *out.SequenceNumber <= *before) {
				t.Errorf("%s does not follow %s", *out.SequenceNumber, *before)
			}
			before = out.SequenceNumber
			if i == 1 {
				w.split(first)
			}
		}
	})
}

// TestRecordWithoutData is refused; the SDK does not send one.
func TestRecordWithoutData(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		for action, body := range map[string]string{
			"PutRecord":  `{"StreamName":"` + w.stream + `","PartitionKey":"k"}`,
			"PutRecords": `{"StreamName":"` + w.stream + `","Records":[{"PartitionKey":"k","Data":null}]}`,
		} {
			request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.server.URL(), strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			request.Header.Set("X-Amz-Target", "Kinesis_20131202."+action)
			answer, err := w.server.HTTPClient().Do(request)
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(answer.Body)
			if err != nil || answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), "ValidationException") {
				t.Errorf("%s: %s %s, %v", action, answer.Status, text, err)
			}
			if err := answer.Body.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
