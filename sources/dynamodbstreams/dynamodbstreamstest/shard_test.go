package dynamodbstreamstest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
)

// A closed shard is read to its end and has a null iterator there, but no children;
// those are found by their parent (DDB-02, DDB-06, DDB-23, DDB-43, DDB-44).
func TestRollOver(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		parent := w.shard(0)
		w.put("a", "b")
		child := must[string](w)(w.server.Roll("orders", parent))
		w.put("c")
		if out := w.expect(w.horizon(parent), "a", "b"); out.NextShardIterator != nil {
			t.Errorf("the end of a shard has the iterator %q", *out.NextShardIterator)
		}
		if out := w.expect(w.horizon(child), "c"); out.NextShardIterator == nil {
			t.Error("an open shard has no iterator")
		}
		for _, shard := range w.describe().Shards {
			if ended := shard.SequenceNumberRange.EndingSequenceNumber != nil; ended != (*shard.ShardId == parent) {
				t.Errorf("shard %s has an end: %v", *shard.ShardId, ended)
			}
		}
		if got, _ := w.list(100, childrenOf(parent)); !slices.Equal(got, []string{child}) {
			t.Errorf("children %q, want %q", got, child)
		}
		if _, err := w.client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &w.arn, ShardFilter: childrenOf(child)}); err == nil {
			t.Error("the children of an open shard were told")
		}
		w.server.Inject("GetRecords", dynamodbstreamstest.Fault{LateEnd: true}, dynamodbstreamstest.Fault{Empty: true})
		out := w.expect(w.horizon(parent), "a", "b")
		if w.expect(*out.NextShardIterator); w.expect(*out.NextShardIterator).NextShardIterator != nil {
			t.Error("a late end has an iterator")
		}
	})
}

// Both halves of a split get what is theirs, in the order of each item.
func TestSplit(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		children := must[[]string](w)(w.server.Split("orders", w.shard(0)))
		w.put("a", "b", "c", "d", "e", "f", "g", "h")
		one, other := len(w.server.Numbers("orders", children[0])), len(w.server.Numbers("orders", children[1]))
		if one == 0 || other == 0 || one+other != 8 {
			t.Errorf("the halves have %d and %d records", one, other)
		}
		for _, shard := range w.server.Shards("orders") {
			if slices.Contains(children, shard.ID) == (shard.Parent == "") {
				t.Errorf("shard %s has parent %q", shard.ID, shard.Parent)
			}
		}
	})
}

// Children may be hidden for a while (DDB-28).
func TestLateChildren(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		parent := w.shard(0)
		if err := w.server.SetChildDelay("orders", time.Second); err != nil {
			t.Fatal(err)
		}
		child := must[string](w)(w.server.Roll("orders", parent))
		w.put("a")
		if got, _ := w.list(100, childrenOf(parent)); len(got) != 0 {
			t.Errorf("children %q at once", got)
		}
		_, err := w.ask(child, types.ShardIteratorTypeTrimHorizon, "")
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
		time.Sleep(time.Second)
		if got, _ := w.list(100, childrenOf(parent)); len(got) != 1 {
			t.Errorf("children %q later", got)
		}
		w.expect(w.horizon(child), "a")
	})
}

// Lists come in pages of at most 100; an empty page is not the end (DDB-20, DDB-21).
func TestPages(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{Shards: 250}, func(t *testing.T, w *world) {
		for _, unordered := range []bool{false, true} {
			w.server.SetUnordered(unordered)
			for limit, want := range map[int32]int{100: 3, 1000: 3, 50: 5} {
				ids, pages := w.list(limit, nil)
				slices.Sort(ids)
				if len(slices.Compact(ids)) != 250 || pages != want {
					t.Errorf("got %d shards in %d pages, want 250 in %d", len(ids), pages, want)
				}
			}
		}
		w.server.Inject("DescribeStream", dynamodbstreamstest.Fault{Empty: true}, dynamodbstreamstest.Fault{AtMost: 1}, dynamodbstreamstest.Fault{Empty: true})
		if ids, pages := w.list(100, nil); len(ids) != 250 || pages != 6 {
			t.Errorf("with empty pages: %d shards in %d", len(ids), pages)
		}
		first := w.shard(0)
		must[string](w)(w.server.Roll("orders", first))
		if err := w.server.Vanish("orders", first); err != nil {
			t.Fatal(err)
		}
		_, err := w.client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &w.arn, ExclusiveStartShardId: &first})
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
	})
}

// Iterators of every type begin where they say (DDB-47, DDB-48).
func TestIteratorTypes(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		shard := w.shard(0)
		a := w.put("a")[0]
		time.Sleep(time.Minute)
		at := time.Now()
		b := w.put("b")[0]
		latest := must[string](w)(w.ask(shard, types.ShardIteratorTypeLatest, ""))
		w.put("c")
		w.expect(must[string](w)(w.ask(shard, types.ShardIteratorTypeAtSequenceNumber, b.Number)), "b", "c")
		w.expect(must[string](w)(w.ask(shard, types.ShardIteratorTypeAfterSequenceNumber, a.Number)), "b", "c")
		w.expect(latest, "c")
		for when, want := range map[time.Time][]string{at: {"b", "c"}, at.Add(-time.Hour): {"a", "b", "c"}} {
			in := &dynamodbstreams.GetShardIteratorInput{
				StreamArn: &w.arn, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: &when,
			}
			w.expect(*must[*dynamodbstreams.GetShardIteratorOutput](w)(w.client.GetShardIterator(t.Context(), in)).ShardIterator, want...)
		}
		for _, wrong := range []dynamodbstreams.GetShardIteratorInput{
			{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: new(time.Now().Add(time.Minute))},
			{ShardIteratorType: types.ShardIteratorTypeAtTimestamp}, {ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber},
			{ShardIteratorType: types.ShardIteratorTypeLatest, SequenceNumber: &a.Number}, {ShardIteratorType: "NEWEST"},
			{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: new("1")},
			{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: new("999900000000000000000001")},
		} {
			wrong.StreamArn, wrong.ShardId = &w.arn, &shard
			_, err := w.client.GetShardIterator(t.Context(), &wrong)
			wiretest.WantCode(t, err, "ValidationException")
		}
	})
}

// Dropped records are refused, when the iterator is made, when it is used, and when
// it was made before they were dropped (DDB-24).
func TestTrim(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		shard := w.shard(0)
		changes := w.put("a", "b", "c")
		early := w.horizon(shard)
		next := w.expect(early, "a", "b", "c").NextShardIterator
		if err := w.server.Trim("orders", shard, changes[2].Number); err != nil {
			t.Fatal(err)
		}
		_, err := w.get(early)
		wiretest.WantType[*types.TrimmedDataAccessException](t, err)
		for _, kind := range []types.ShardIteratorType{types.ShardIteratorTypeAtSequenceNumber, types.ShardIteratorTypeAfterSequenceNumber} {
			_, err = w.ask(shard, kind, changes[1].Number)
			wiretest.WantType[*types.TrimmedDataAccessException](t, err)
			w.server.Inject("GetShardIterator", dynamodbstreamstest.Fault{LateTrim: true})
			_, err = w.get(must[string](w)(w.ask(shard, kind, changes[1].Number)))
			wiretest.WantType[*types.TrimmedDataAccessException](t, err)
		}
		w.expect(w.horizon(shard), "c")
		w.expect(*next)
	})
}

// After 24 hours records go, and closed shards and disabled streams do too (DDB-01).
func TestAge(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		shard := w.shard(0)
		w.put("a")
		time.Sleep(23 * time.Hour)
		w.put("b")
		child := must[string](w)(w.server.Roll("orders", shard))
		time.Sleep(time.Hour + 2*time.Second)
		w.expect(w.horizon(shard), "b")
		if err := w.server.Disable("orders"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(23 * time.Hour)
		if got := w.server.Shards("orders"); len(got) != 1 || got[0].ID != child {
			t.Errorf("left: %+v", got)
		}
		_, err := w.ask(shard, types.ShardIteratorTypeTrimHorizon, "")
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
		time.Sleep(time.Hour + time.Second)
		_, err = w.client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &w.arn})
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
	})
}

// Nothing is dropped by itself if that is switched off.
func TestNoAge(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		w.server.SetAging(false)
		w.put("a")
		if err := w.server.Disable("orders"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(72 * time.Hour)
		w.expect(w.horizon(w.shard(0)), "a")
	})
}

// An iterator is good for 15 minutes (DDB-46).
func TestExpiredIterator(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		it := w.horizon(w.shard(0))
		time.Sleep(15 * time.Minute)
		w.expect(it)
		time.Sleep(time.Second)
		_, err := w.get(it)
		wiretest.WantType[*types.ExpiredIteratorException](t, err)
	})
}

// Disabling closes all shards, and enabling makes another stream (DDB-09, DDB-10).
func TestDisable(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{Shards: 2}, func(t *testing.T, w *world) {
		w.put("a")
		if err := w.server.Disable("orders"); err != nil {
			t.Fatal(err)
		}
		if change := w.put("b")[0]; change.Stream != "" {
			t.Errorf("a change went to %+v", change)
		}
		again := must[string](w)(w.server.Enable("orders", dynamodbstreamstest.Setup{}))
		if change := w.put("c")[0]; change.Stream != again || again == w.arn {
			t.Errorf("a change went to %+v, want %s", change, again)
		}
		if d := w.describe(); d.StreamStatus != types.StreamStatusDisabled || len(d.Shards) != 2 ||
			d.Shards[0].SequenceNumberRange.EndingSequenceNumber == nil {
			t.Errorf("the old stream: %+v", d)
		}
		if got := w.server.Streams("orders"); !slices.Equal(got, []string{w.arn, again}) {
			t.Errorf("streams %q", got)
		}
		it := w.horizon(w.shard(0))
		if err := w.server.DeleteTable("orders"); err != nil {
			t.Fatal(err)
		}
		must[*dynamodbstreams.GetRecordsOutput](w)(w.get(it))
		if err := w.server.RemoveStream(w.arn); err != nil {
			t.Fatal(err)
		}
		_, err := w.get(it)
		wiretest.WantType[*types.ResourceNotFoundException](t, err)
	})
}

// What callers may do at most (DDB-13, DDB-22, DDB-41).
func TestLimits(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		it := w.horizon(w.shard(0))
		_, err := w.client.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: &it, Limit: new(int32(1001))})
		wiretest.WantType[*types.LimitExceededException](t, err)
		w.server.SetLimits(true)
		read := func(host string) error {
			client := w.server.Client(func(o *dynamodbstreams.Options) { o.BaseEndpoint = new("http://" + host) })
			_, err := client.GetRecords(t.Context(), &dynamodbstreams.GetRecordsInput{ShardIterator: &it})
			return err
		}
		for range 3 {
			if read("one.test") != nil || read("two.test") != nil {
				t.Error("two readers were refused")
			}
		}
		wiretest.WantType[*types.LimitExceededException](t, read("three.test"))
		time.Sleep(1001 * time.Millisecond)
		if err := read("three.test"); err != nil {
			t.Errorf("a reader alone: %v", err)
		}
		for range 10 {
			w.describe()
		}
		_, err = w.client.DescribeStream(t.Context(), &dynamodbstreams.DescribeStreamInput{StreamArn: &w.arn})
		wiretest.WantCode(t, err, "ThrottlingException")
	})
}

// Sequence numbers are compared as numbers only (DDB-12).
func TestFirstSequenceNumber(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{FirstSequenceNumber: "999999999999999999995"}, func(t *testing.T, w *world) {
		a, b := w.put("a")[0], w.put("b")[0]
		if len(a.Number) != 22 || len(w.server.Shards("orders")[0].First) != 21 || b.Number <= a.Number {
			t.Errorf("numbers %s and %s", a.Number, b.Number)
		}
		w.expect(must[string](w)(w.ask(w.shard(0), types.ShardIteratorTypeAfterSequenceNumber, a.Number)), "b")
		for _, wrong := range []string{"x", "1", "99999999999999999999999999999999999999999"} {
			if _, err := w.server.AddTable("others", dynamodbstreamstest.Setup{FirstSequenceNumber: wrong}); err == nil {
				t.Errorf("first sequence number %s was taken", wrong)
			}
		}
	})
}

// The watcher hears of what happens, in order.
func TestWatch(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{}, func(t *testing.T, w *world) {
		var seen []dynamodbstreamstest.What
		w.server.SetWatch(func(e dynamodbstreamstest.Event) { seen = append(seen, e.What) })
		shard := w.shard(0)
		w.put("a")
		must[string](w)(w.server.Roll("orders", shard))
		w.expect(w.horizon(shard), "a")
		if err := w.server.Trim("orders", shard, ""); err != nil {
			t.Fatal(err)
		}
		want := []dynamodbstreamstest.What{dynamodbstreamstest.Put, dynamodbstreamstest.Closed, dynamodbstreamstest.Read, dynamodbstreamstest.Trimmed}
		if !slices.Equal(seen, want) {
			t.Errorf("saw %v, want %v", seen, want)
		}
	})
}

// Lists may tell less than there is, or more than was asked for.
func TestListFaults(t *testing.T) {
	t.Parallel()
	run(t, dynamodbstreamstest.Setup{Shards: 2}, func(t *testing.T, w *world) {
		parent, other := w.shard(0), w.shard(1)
		child := must[string](w)(w.server.Roll("orders", parent))
		w.server.Inject("DescribeStream", dynamodbstreamstest.Fault{Hidden: []string{child}}, dynamodbstreamstest.Fault{Unfiltered: true},
			dynamodbstreamstest.Fault{Unended: true})
		if ids, _ := w.list(100, nil); len(ids) != 2 || !slices.Contains(ids, other) {
			t.Errorf("with a hidden shard: %q", ids)
		}
		if ids, _ := w.list(100, childrenOf(parent)); len(ids) != 3 {
			t.Errorf("without the filter: %q", ids)
		}
		for _, shard := range w.describe().Shards {
			if shard.SequenceNumberRange.EndingSequenceNumber != nil {
				t.Errorf("shard %s has an end", *shard.ShardId)
			}
		}
	})
}
