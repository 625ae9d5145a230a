package dynamodbstreams_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/dynamodbstreams"
	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

// A position that is not kept any more: the shard is gone on with at its oldest record,
// and the loss is told, once. The service says so when the iterator is asked for, or when
// it is used (DDB-24, DDB-25, DDB-54, DDB-113; fault D6).
func TestTrimmedPosition(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]bool{"by the iterator": false, "by the records": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
				first := w.change("a")[0]
				w.until(1, time.Minute)
				r.end()
				w.change("b")
				w.skip("b")
				left := w.change("c")[0]
				w.must(w.Trim(w.arn, w.open()[0], left))
				w.setFaults(on("GetShardIterator", func(dynamodbstreamstest.Call) fault { return fault{LateTrim: late} }))
				r = w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
				w.until(2, time.Minute)
				time.Sleep(10 * time.Minute)
				r.end()
				w.once()
				losses := w.losses()
				if len(losses) != 1 || losses[0].After != first || losses[0].First != left || losses[0].Partition != w.open()[0] {
					t.Fatalf("told of losses %v", losses)
				}
				if text := losses[0].Error(); !strings.Contains(text, "dynamodbstreams: shard "+w.open()[0]) || !strings.Contains(text, first) {
					t.Errorf("told %s", text)
				}
				if w.counts[dynamodbstreams.PositionsTrimmed] != 1 {
					t.Errorf("counted %d losses", w.counts[dynamodbstreams.PositionsTrimmed])
				}
			})
		})
	}
}

// Records are trimmed while a handler is slow (DDB-01, DDB-24; fault D6).
func TestTrimmedWhileReading(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.setFaults(on("GetRecords", func(dynamodbstreamstest.Call) fault { return fault{AtMost: 1} }))
		held := make(chan struct{})
		first := w.change("a")[0]
		r := w.run(w.journal(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
			if records[0].ID == first {
				<-held
			}
			return esm.Response{}, ctx.Err()
		}), slow(), esm.Config{BatchSize: 1, MaximumBufferedBytes: 1})
		time.Sleep(time.Minute)
		w.change("b", "c", "d", "e", "f")
		time.Sleep(5 * time.Minute)
		for _, id := range []string{"b", "c", "d", "e"} {
			w.skip(id)
		}
		w.must(w.Trim(w.arn, w.open()[0], w.keys["f"][0]))
		close(held)
		w.wait(time.Hour, "f done", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.done[w.keys["f"][0]] == 1
		})
		r.end()
		w.once()
		if len(w.losses()) != 1 {
			t.Errorf("told of losses %v", w.losses())
		}
	})
}

// A shard that is listed but does not exist is taken for ended after a while, and its
// children are read (DDB-26; fault D9).
func TestListedShardThatIsGone(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.change("a")
		w.skip("a")
		ghost, _ := w.roll()
		w.change("b")
		w.setFaults(on("GetShardIterator", func(c dynamodbstreamstest.Call) fault {
			if c.Shard == ghost {
				return fault{Err: dynamodbstreamstest.ResourceNotFound()}
			}
			return fault{}
		}))
		r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
		w.until(1, 5*time.Minute)
		r.end()
		w.once()
		if l, kept := w.lease(ghost); kept && !l.Position.Ended() {
			t.Errorf("the lease of the shard that is gone: %+v", l)
		}
	})
}

// A shard that vanishes while it is read has ended, and its children go on (DDB-26).
func TestShardVanishes(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
		w.change("a")
		w.until(1, time.Minute)
		parent, _ := w.roll()
		w.must(w.Vanish(w.arn, parent))
		w.change("b")
		w.until(2, 2*time.Minute)
		r.end()
		w.once()
	})
}

// With the defaults one bad record holds up its shard until the stream drops it, a day
// later; then it is given up, and what came behind it meanwhile is handled or given up
// too (DDB-62, DDB-64).
func TestBadRecordHoldsUpItsShardForADay(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		bad := w.change("bad")[0]
		var given []string
		var at time.Duration
		r := w.run(w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if records[0].ID == bad {
				return esm.Response{}, errors.New("failed")
			}
			return esm.Response{}, nil
		}), slow(), esm.Config{BatchSize: 1, OnFailure: esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
			for i := range record.Records {
				given = append(given, record.Records[i].ID)
			}
			at = time.Since(w.began)
			w.finish(record.Records)
			return nil
		})})
		time.Sleep(20 * time.Hour)
		w.change("good")
		time.Sleep(2 * time.Hour)
		if n := w.finished(); n != 0 {
			t.Errorf("%d records are done after 22 hours", n)
		}
		w.until(2, 4*time.Hour)
		r.end()
		w.once()
		if len(given) != 1 || given[0] != bad || at < 23*time.Hour || at > 25*time.Hour {
			t.Errorf("given up: %v after %v", given, at)
		}
	})
}
