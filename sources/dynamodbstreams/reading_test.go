package dynamodbstreams_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/dynamodbstreams"
	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

// on makes faults of the calls of one action.
func on(action string, f func(c dynamodbstreamstest.Call) fault) faults {
	return func(c dynamodbstreamstest.Call) fault {
		if c.Action != action {
			return fault{}
		}
		return f(c)
	}
}

// randomFault has a part of the calls fail, each in another way.
func randomFault(c dynamodbstreamstest.Call) fault {
	switch c.Number % 31 {
	case 3:
		return fault{Err: dynamodbstreamstest.LimitExceeded()}
	case 6:
		return fault{Err: dynamodbstreamstest.ThrottlingException()}
	case 9:
		return fault{Err: dynamodbstreamstest.InternalServerError()}
	case 12:
		return fault{Cut: dynamodbstreamstest.CutAfter}
	case 15:
		return fault{AtMost: 3}
	case 18:
		return fault{Cut: dynamodbstreamstest.CutBefore}
	case 21:
		return fault{Empty: c.Action == "GetRecords"}
	case 24:
		if c.Action == "GetRecords" {
			return fault{Err: dynamodbstreamstest.ExpiredIterator()}
		}
	case 27:
		return fault{LateEnd: true}
	case 29:
		return fault{Answer: new(`{}`)}
	}
	return fault{}
}

// Each record is handled once, in order, over roll-overs and splits, without faults and
// under many (P1, P2, P4, P5; DDB-07, DDB-45, DDB-50).
func TestMappingHandlesEachRecordOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults faults
		factor int
	}{"fair": {nil, 1}, "faults": {randomFault, 1}, "factor": {randomFault, 4}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 2, func(t *testing.T, w *world) {
				w.setFaults(test.faults)
				r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
					time.Sleep(50 * time.Millisecond)
					return esm.Response{}, nil
				}), dynamodbstreams.Options{}, esm.Config{BatchSize: 7, ParallelizationFactor: test.factor})
				for round := range 30 {
					w.change(ids(20)...)
					switch round % 8 {
					case 3:
						w.roll()
					case 7:
						_, err := w.Split(w.arn, w.open()[0])
						w.must(err)
					}
					time.Sleep(time.Second)
				}
				w.until(600, 10*time.Minute)
				r.end()
				w.once()
				if n := len(w.losses()); n > 0 {
					t.Errorf("told of %d losses", n)
				}
			})
		})
	}
}

// Two workers, one of which dies without a word, while shards roll over and split: nothing
// is lost, and the changes of an item stay in order (P1, P4, P12).
func TestWorkerIsKilled(t *testing.T) {
	t.Parallel()
	inWorld(t, 3, func(t *testing.T, w *world) {
		var dead atomic.Bool
		w.setFaults(func(c dynamodbstreamstest.Call) fault {
			if dead.Load() && strings.HasPrefix(c.Host, "one.") {
				return fault{Cut: dynamodbstreamstest.CutBefore}
			}
			return randomFault(c)
		})
		handler := func(name string) esm.Handler {
			return w.journal(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
				if name == "one" && dead.Load() {
					<-ctx.Done() // nobody hears of it any more
					return esm.Response{}, ctx.Err()
				}
				time.Sleep(100 * time.Millisecond)
				return esm.Response{}, nil
			})
		}
		cut := &cutStore{Store: w.store, dead: &dead}
		first := w.runSource(w.sourceOn(cut, dynamodbstreams.Options{Worker: "one"}), handler("one"), esm.Config{BatchSize: 5, ParallelizationFactor: 2})
		second := w.run(handler("two"), dynamodbstreams.Options{Worker: "two"}, esm.Config{BatchSize: 5, ParallelizationFactor: 2})
		for round := range 40 {
			w.change(ids(15)...)
			switch {
			case round%6 == 2:
				w.roll()
			case round == 10:
				_, err := w.Split(w.arn, w.open()[1])
				w.must(err)
			case round == 20:
				dead.Store(true)
			}
			time.Sleep(2 * time.Second)
		}
		w.until(600, 10*time.Minute)
		second.end()
		first.cancel()
		if err := <-first.ended; err != nil {
			t.Logf("the dead one ends: %v", err)
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ordered()
	})
}

// Answers without a body, or without an iterator for a shard that is open, are no end of
// the shard (DDB-44; fault D5).
func TestBlankAnswers(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{"empty": "", "object": "{}", "open": `{"Records":[]}`, "text": `{"Records":[],"NextShardIterator":""}`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 2, func(_ *testing.T, w *world) {
				w.setFaults(on("GetRecords", func(c dynamodbstreamstest.Call) fault {
					if c.Number%3 == 1 {
						return fault{Answer: &answer}
					}
					return fault{}
				}))
				r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
				for range 5 {
					w.change(ids(4)...)
					time.Sleep(time.Minute)
				}
				w.roll()
				w.change(ids(4)...)
				w.until(24, 10*time.Minute)
				r.end()
				w.once()
			})
		})
	}
}

// Iterators expire after a quarter of an hour: reading goes on behind what was read, and
// from the start position where nothing was (DDB-46; fault D12).
func TestExpiredIterator(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		var works atomic.Bool
		r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			if !works.Load() {
				return esm.Response{}, errors.New("failed")
			}
			return esm.Response{}, nil
		}), dynamodbstreams.Options{}, esm.Config{BatchSize: 1, MaximumBufferedBytes: 1})
		w.change("a", "b", "c")
		time.Sleep(20 * time.Minute)
		works.Store(true)
		w.until(3, 10*time.Minute)
		w.change("d")
		w.until(4, time.Minute)
		r.end()
		w.once()
		for _, err := range w.told() {
			if strings.Contains(err.Error(), "ExpiredIterator") {
				t.Errorf("told %v", err)
			}
		}
	})
}

// A call that is not answered is cut off after a while, and the mapping stops promptly
// meanwhile (P11; fault D17).
func TestHangingCalls(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"GetRecords", "GetShardIterator", "DescribeStream"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				var hung atomic.Bool
				r := w.run(w.journal(nil), dynamodbstreams.Options{ListInterval: time.Second}, esm.Config{})
				w.change("a")
				w.until(1, time.Minute)
				hung.Store(true)
				w.setFaults(on(action, func(dynamodbstreamstest.Call) fault {
					if hung.Load() {
						return fault{Delay: never}
					}
					return fault{}
				}))
				w.roll()
				w.change("b")
				time.Sleep(2 * time.Minute)
				hung.Store(false)
				w.until(2, 2*time.Minute)
				hung.Store(true)
				time.Sleep(2 * time.Second)
				start := time.Now()
				r.end()
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("the stop took %v", took)
				}
				w.once()
			})
		})
	}
}

// What was allowed once and is denied is waited for, and told; the lag grows meanwhile
// (P14, P15; fault D16).
func TestDeniedForAWhile(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		source := w.source(dynamodbstreams.Options{})
		r := w.runSource(source, w.journal(nil), esm.Config{})
		w.change("a")
		w.until(1, time.Minute)
		w.setFaults(func(dynamodbstreamstest.Call) fault { return fault{Err: dynamodbstreamstest.AccessDenied()} })
		w.change("b")
		time.Sleep(time.Minute)
		denied := 0
		for _, err := range w.told() {
			if strings.Contains(err.Error(), "AccessDenied") {
				denied++
			}
		}
		if denied == 0 {
			t.Errorf("nobody was told: %v", w.told())
		}
		for _, m := range source.Measure(nil) {
			if m.Name == dynamodbstreams.MillisBehindLatest {
				t.Errorf("the lag is %v, which nobody can know", m.Duration)
			}
		}
		time.Sleep(9 * time.Minute)
		w.setFaults(nil)
		w.until(2, 2*time.Minute)
		r.end()
		w.once()
	})
}

// A call that never was allowed ends the mapping, and says what is missing (DDB-72).
func TestDenied(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"DescribeStream", "GetShardIterator", "GetRecords"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.setFaults(on(action, func(dynamodbstreamstest.Call) fault { return fault{Err: dynamodbstreamstest.AccessDenied()} }))
				r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
				err := <-r.ended
				if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), action) || !strings.Contains(err.Error(), "dynamodb:DescribeStream") {
					t.Errorf("Run: %v", err)
				}
			})
		})
	}
}

// A value of a kind that the SDK does not know costs no record: handlers of records get it
// as nil, those of documents fail to decode it, and it is given up by the user's rule
// (fault D19).
func TestUnknownValue(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		_, err := w.Append(w.arn, w.open()[0], dynamodbstreamstest.Raw{
			Keys: json.RawMessage(`{"id":{"S":"odd"}}`), NewImage: json.RawMessage(`{"x":{"VEC":"?"},"y":{},"z":null,"s":{"S":"ok"}}`),
		})
		w.must(err)
		w.change("a")
		var got *types.Record
		r := w.run(w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if got == nil {
				got = records[0].Native.(*types.Record)
			}
			return esm.Response{}, nil
		}), dynamodbstreams.Options{}, esm.Config{})
		w.until(2, time.Minute)
		r.end()
		if _, ok := got.Dynamodb.NewImage["s"].(*types.AttributeValueMemberS); !ok || len(got.Dynamodb.NewImage) != 4 {
			t.Errorf("the image is %v", got.Dynamodb.NewImage)
		}
		told := slices.ContainsFunc(w.told(), func(err error) bool {
			return strings.Contains(err.Error(), "shard "+w.open()[0]) && strings.Contains(err.Error(), "does not know")
		})
		if !told {
			t.Errorf("told only %v", w.told())
		}
	})
}

// A record that the SDK cannot decode holds up none before it, and is told of by its
// shard (fault D19).
func TestUndecodableRecord(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.change(ids(20)...)
		_, err := w.Append(w.arn, w.open()[0], dynamodbstreamstest.Raw{Keys: json.RawMessage(`{"id":{"B":"%%%"}}`)})
		w.must(err)
		shard := w.open()[0]
		r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
		w.until(20, time.Minute)
		calls := w.Calls("GetRecords")
		time.Sleep(10 * time.Minute)
		if n := w.Calls("GetRecords") - calls; n > 2_000 {
			t.Errorf("%d calls in ten minutes", n)
		}
		if !slices.ContainsFunc(w.told(), func(err error) bool { return strings.Contains(err.Error(), shard) }) {
			t.Errorf("told only %v", w.told())
		}
		r.end()
		w.once()
	})
}

// The end of a shard is stored after its last batch, however often that fails, and nothing
// is repeated (fault D20).
func TestStoreFailsAtTheEndOfAShard(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		var down atomic.Bool
		store := &cutStore{Store: w.store, dead: &down}
		r := w.runSource(w.sourceOn(store, dynamodbstreams.Options{LeaseDuration: time.Minute}), w.journal(nil), esm.Config{})
		w.change("a")
		w.until(1, time.Minute)
		down.Store(true)
		w.roll()
		w.change("b")
		time.Sleep(20 * time.Second)
		down.Store(false)
		w.until(2, 5*time.Minute)
		r.end()
		w.once()
	})
}

// Positions never pass a record that is not done, with a ParallelizationFactor neither
// (P3; fault D4).
func TestPositionStopsAtAFailure(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		numbers := w.change("s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8")
		fails := true
		handler := w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			for i := range records {
				if fails && records[i].ID == numbers[1] {
					return esm.Response{}, errors.New("failed")
				}
			}
			return esm.Response{}, nil
		})
		r := w.run(handler, dynamodbstreams.Options{}, esm.Config{BatchSize: 1, ParallelizationFactor: 4})
		time.Sleep(time.Minute)
		r.end()
		if l, _ := w.lease(w.open()[0]); l.Position.Sequence != numbers[0] {
			t.Errorf("the position is %s, want %s", l.Position.Sequence, numbers[0])
		}
		fails = false
		r = w.run(handler, dynamodbstreams.Options{}, esm.Config{BatchSize: 1})
		w.until(8, time.Minute)
		r.end()
	})
}

// Reading asks for a thousand records at most, though a batch is larger, four times a
// second at most, and no more than once at a time (DDB-40, DDB-41, DDB-42, DDB-118).
func TestPace(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.SetLimits(true)
		w.setFaults(on("GetRecords", func(c dynamodbstreamstest.Call) fault {
			if c.Limit < 1 || c.Limit > 1000 {
				t.Errorf("a call for %d records", c.Limit)
			}
			return fault{}
		}))
		w.change(ids(2500)...)
		var sizes []int
		r := w.run(w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			sizes = append(sizes, len(records))
			return esm.Response{}, nil
		}), dynamodbstreams.Options{}, esm.Config{BatchSize: 2500, MaximumBatchingWindow: time.Minute})
		w.until(2500, 2*time.Minute)
		if !slices.Equal(sizes, []int{2500}) {
			t.Errorf("batches of %d", sizes)
		}
		calls := w.Calls("GetRecords")
		time.Sleep(time.Minute)
		if n := w.Calls("GetRecords") - calls; n < 200 || n > 245 {
			t.Errorf("%d calls in a minute, want 240 at most", n)
		}
		r.end()
		w.once()
	})
}

// A mapping that is throttled reads on, more slowly (DDB-13, P9).
func TestThirdReader(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		w.SetLimits(true)
		w.change("a")
		var running []*runningMapping
		for _, host := range []string{"one", "two", "three"} {
			source := w.sourceOn(w.newStore(), dynamodbstreams.Options{Worker: host})
			running = append(running, w.runSource(source, w.journal(nil), esm.Config{}))
		}
		time.Sleep(time.Minute)
		w.wait(time.Second, "done twice", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.done[w.keys["a"][0]] == 2
		})
		running[0].end()
		w.wait(time.Minute, "done thrice", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.done[w.keys["a"][0]] == 3
		})
		running[1].end()
		running[2].end()
	})
}

// The lag is 0 at the tip, and the age of what is not done otherwise (DDB-51).
func TestLag(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		source := w.source(dynamodbstreams.Options{})
		held := make(chan struct{})
		r := w.runSource(source, w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			<-held
			return esm.Response{}, nil
		}), esm.Config{})
		lag := func() time.Duration {
			for _, m := range source.Measure(nil) {
				if m.Name == dynamodbstreams.MillisBehindLatest {
					return m.Duration
				}
			}
			return -1
		}
		time.Sleep(5 * time.Second)
		if got := lag(); got != 0 {
			t.Errorf("the lag at the tip is %v", got)
		}
		w.change("a")
		time.Sleep(5 * time.Minute)
		if got := lag(); got < 5*time.Minute || got > 5*time.Minute+2*time.Second {
			t.Errorf("the lag is %v, want 5m", got)
		}
		close(held)
		w.until(1, time.Minute)
		time.Sleep(2 * time.Second)
		if got := lag(); got != 0 {
			t.Errorf("the lag is %v in the end", got)
		}
		r.end()
	})
}
