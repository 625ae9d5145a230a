package kinesistest_test

import (
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

func TestExpiredIterator_KIN40(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.put("a")
		it := w.horizon(first)
		time.Sleep(5 * time.Minute)
		out := w.expect(it, "a")
		time.Sleep(time.Millisecond)
		_, err := w.get(it)
		wiretest.WantType[*types.ExpiredIteratorException](t, err)
		w.put("b")
		w.expect(*out.NextShardIterator, "b") // has a life of its own
	})
}

func TestBogusIterator(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		it := w.horizon(first)
		for _, bogus := range []string{
			"x", "AAAAAAAAAA", "AAAAAAAAAA!", it + "A", it[:len(it)-1], strings.ToLower(it), it[:20] + "Q" + it[21:],
		} {
			_, err := w.get(bogus)
			wiretest.WantType[*types.InvalidArgumentException](t, err)
		}
		other := "arn:aws:kinesis:eu-west-1:123456789012:stream/other"
		_, err := w.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &it, StreamARN: &other})
		wiretest.WantType[*types.InvalidArgumentException](t, err)
		if _, err := w.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: &it, StreamARN: new(streamARN)}); err != nil {
			t.Error(err)
		}
	})
}

func TestIteratorTypes_KIN43(t *testing.T) {
	t.Parallel()
	run(t, 1, func(_ *testing.T, w *world) {
		numbers := w.put("a", "b", "c")
		latest := w.mustAsk(&kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest})
		w.put("d")
		w.expect(latest, "d")
		w.expect(w.horizon(first), "a", "b", "c", "d")
		w.expect(w.after(first, numbers[1]), "c", "d")
		w.expect(w.mustAsk(&kinesis.GetShardIteratorInput{
			ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &numbers[1], StreamARN: new(streamARN),
		}), "b", "c", "d")
	})
}

func TestAtTimestamp_KIN44(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		start := time.Now()
		time.Sleep(time.Second)
		w.put("a")
		time.Sleep(time.Millisecond)
		b := time.Now()
		w.put("b")
		time.Sleep(time.Second)
		at := func(when time.Time) string {
			t.Helper()
			return w.mustAsk(&kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &when})
		}
		w.expect(at(start.Add(-time.Hour)), "a", "b")
		w.expect(at(start), "a", "b")
		w.expect(at(b), "b") // to the millisecond
		w.expect(at(b.Add(-time.Millisecond)), "a", "b")
		now := at(time.Now())
		w.expect(now)
		w.put("c")
		w.expect(now, "c")
		_, err := w.ask(&kinesis.GetShardIteratorInput{
			ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: new(time.Now().Add(time.Second)),
		})
		wiretest.WantType[*types.InvalidArgumentException](t, err)
	})
}

func TestTrimmed_KIN45(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		numbers := w.put("a", "b", "c", "d")
		old := w.horizon(first)
		if err := w.server.Trim(w.stream, first, numbers[2]); err != nil {
			t.Fatal(err)
		}
		w.expect(old, "c", "d")
		w.expect(w.after(first, numbers[0]), "c", "d")
		w.expect(w.mustAsk(&kinesis.GetShardIteratorInput{
			ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: &numbers[0],
		}), "c", "d")
		w.expect(w.mustAsk(&kinesis.GetShardIteratorInput{
			ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: new(time.Now().Add(-time.Hour)),
		}), "c", "d")
		if err := w.server.Trim(streamARN, first, ""); err != nil {
			t.Fatal(err)
		}
		out := w.expect(w.after(first, numbers[0]))
		w.put("e")
		w.expect(*out.NextShardIterator, "e")
		if shards := w.server.Shards(w.stream); shards[0].Records != 1 || shards[0].Put != 5 {
			t.Errorf("got %+v", shards[0])
		}
	})
}

func TestClosedShardGivesIterators_KIN46(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		numbers := w.put("a", "b")
		w.split(first)
		w.expect(w.horizon(first), "a", "b")
		w.expect(w.after(first, numbers[0]), "b")
		if out := w.expect(w.after(first, w.server.Shards(w.stream)[0].Last)); out.NextShardIterator != nil {
			t.Error("the ending sequence number is not the end")
		}
		for _, kind := range []types.ShardIteratorType{types.ShardIteratorTypeLatest, types.ShardIteratorTypeAtTimestamp} {
			time.Sleep(time.Second)
			out := w.expect(w.mustAsk(&kinesis.GetShardIteratorInput{ShardIteratorType: kind, Timestamp: new(time.Now())}))
			if out.NextShardIterator != nil {
				t.Errorf("%s of a closed shard is not its end", kind)
			}
		}
	})
}

func TestIteratorArguments(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		numbers := w.put("a")
		last := w.put("b")[0]
		children := w.split(first)
		future := new(big.Int)
		future.SetString(last, 10)
		future.Add(future, big.NewInt(1_000))
		for name, in := range map[string]*kinesis.GetShardIteratorInput{
			"number, latest": {ShardIteratorType: types.ShardIteratorTypeLatest, StartingSequenceNumber: &numbers[0]},
			"number, oldest": {ShardIteratorType: types.ShardIteratorTypeTrimHorizon, StartingSequenceNumber: &numbers[0]},
			"no number":      {ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber},
			"no time":        {ShardIteratorType: types.ShardIteratorTypeAtTimestamp},
			"zero":           {ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: new("0")},
			"future":         {ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: new(future.String())},
			"of the parent":  {ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: &numbers[0], ShardId: &children[0]},
		} {
			_, err := w.ask(in)
			if err == nil {
				t.Errorf("%s: no error", name)
				continue
			}
			wiretest.WantType[*types.InvalidArgumentException](t, err)
		}
		for name, in := range map[string]*kinesis.GetShardIteratorInput{
			"no type":  {ShardIteratorType: "NEWEST"},
			"text":     {ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: new("abc")},
			"zeros":    {ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: new("017")},
			"too long": {ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: new(strings.Repeat("9", 130))},
			"shard":    {ShardId: new("shard 1"), ShardIteratorType: types.ShardIteratorTypeLatest},
			"stream":   {StreamName: new("a/b"), ShardIteratorType: types.ShardIteratorTypeLatest},
		} {
			_, err := w.ask(in)
			if err == nil {
				t.Errorf("%s: no error", name)
			}
			wiretest.WantCode(t, err, "ValidationException")
		}
		for name, in := range map[string]*kinesis.GetShardIteratorInput{
			"shard":  {ShardId: new("shardId-000000000009"), ShardIteratorType: types.ShardIteratorTypeLatest},
			"stream": {StreamName: new("other"), ShardIteratorType: types.ShardIteratorTypeLatest},
			"arn":    {StreamARN: new(streamARN + "x"), ShardIteratorType: types.ShardIteratorTypeLatest},
		} {
			if _, err := w.ask(in); err == nil {
				t.Errorf("%s: no error", name)
			} else {
				wiretest.WantType[*types.ResourceNotFoundException](t, err)
			}
		}
	})
}

// Sequence numbers may become one digit longer, and order as numbers only.
func TestSequenceNumbers_KIN51(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		if err := w.server.SetFirstSequenceNumber(strings.Repeat("9", 54) + "80"); err != nil {
			t.Fatal(err)
		}
		w.stream = "nines"
		if err := w.server.AddStream(w.stream, 1); err != nil {
			t.Fatal(err)
		}
		numbers := w.put("a", "b", "c", "d", "e", "f", "g", "h")
		previous := big.NewInt(0)
		for i, number := range numbers {
			value, ok := new(big.Int).SetString(number, 10)
			if !ok || value.Cmp(previous) <= 0 || value.IsUint64() {
				t.Errorf("number %s does not follow %v", number, previous)
			}
			previous = value
			w.expect(w.after(first, number), []string{"a", "b", "c", "d", "e", "f", "g", "h"}[i+1:]...)
		}
		if len(numbers[0]) != 56 || len(numbers[7]) != 57 {
			t.Errorf("numbers %q have one length", numbers)
		}
		for _, bad := range []string{"", "x", "01", strings.Repeat("1", 101)} {
			if w.server.SetFirstSequenceNumber(bad) == nil {
				t.Errorf("first number %q was accepted", bad)
			}
		}
	})
}

func TestThrottledCallTakesNothing_KIN26(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.put("a")
		it := w.horizon(first)
		w.server.Inject("GetRecords", kinesistest.Fault{Err: kinesistest.ProvisionedThroughputExceeded()})
		_, err := w.get(it)
		wiretest.WantType[*types.ProvisionedThroughputExceededException](t, err)
		w.expect(it, "a")
	})
}
