package kinesis_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// on makes faults for the calls of one action.
func on(action string, f func(c kinesistest.Call) kinesistest.Fault) faults {
	return func(c kinesistest.Call) kinesistest.Fault {
		if c.Action != action {
			return kinesistest.Fault{}
		}
		return f(c)
	}
}

// Expired iterator (KIN-40, KIN-41, KIN-224).
func TestExpiredIterator(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.open(kinesis.Options{})
		defer p.close()
		w.send("k", "a", "b")
		p.want("a", "b")
		time.Sleep(6 * time.Minute) // a batch is being retried
		w.send("k", "c")
		before := w.Calls("GetRecords")
		p.want("c")
		if n := w.Calls("GetRecords") - before; n != 2 {
			t.Errorf("%d calls of GetRecords, want 2: the expired iterator and the new one", n)
		}
	})
}

// Iterator expires before the first record (KIN-41, KIN-50).
func TestIteratorExpiresBeforeTheFirstRecord(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		w.send("k", "old")
		time.Sleep(time.Minute)
		p := w.open(kinesis.Options{StartingPosition: kinesis.Latest})
		defer p.close()
		p.nothing(5 * time.Second)
		w.send("k", "new")
		time.Sleep(6 * time.Minute)
		p.want("new")
	})
}

// TestErrorsPass has each error of the service between two records (KIN-26, KIN-33, KIN-42, P9).
func TestErrorsPass(t *testing.T) {
	t.Parallel()
	faults := map[string]kinesistest.Fault{
		"throttled":        {Err: kinesistest.ProvisionedThroughputExceeded()},
		"limit":            {Err: kinesistest.LimitExceeded()},
		"front":            {Err: kinesistest.ThrottlingException()},
		"500":              {Err: kinesistest.InternalFailure()},
		"503":              {Err: kinesistest.ServiceUnavailable()},
		"denied":           {Err: kinesistest.AccessDenied()},
		"KMS":              {Err: kinesistest.KMSThrottling()},
		"expired":          {Err: kinesistest.ExpiredIterator()},
		"not found":        {Err: kinesistest.ResourceNotFound()},
		"cut before":       {Cut: kinesistest.CutBefore},
		"answer lost":      {Cut: kinesistest.CutAfter},
		"late":             {Delay: 3 * time.Second},
		"never answered":   {Delay: time.Hour},
		"empty (KIN-27)":   {Empty: true},
		"short":            {AtMost: 1},
		"late end(KIN-28)": {LateEnd: true},
	}
	for _, action := range []string{"GetRecords", "GetShardIterator"} {
		for name, fault := range faults {
			t.Run(action+"/"+name, func(t *testing.T) {
				t.Parallel()
				inWorld(t, 1, func(_ *testing.T, w *world) {
					w.send("k", "a")
					p := w.open(kinesis.Options{})
					defer p.close()
					w.Inject(action, fault, fault, kinesistest.Fault{}, fault)
					p.want("a")
					w.Inject(action, fault, fault, fault)
					w.send("k", "b", "c", "d")
					p.want("b", "c", "d")
					time.Sleep(6 * time.Minute)
					w.send("k", "e")
					w.Inject(action, fault)
					p.want("e")
					p.nothing(10 * time.Second)
				})
			})
		}
	}
}

// Empty answers are not the end (KIN-27, KIN-220).
func TestEmptyAnswersAreNotTheEnd(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a")
		w.setFault(on("GetRecords", func(c kinesistest.Call) kinesistest.Fault {
			return kinesistest.Fault{Empty: c.Number <= 20}
		}))
		p := w.open(kinesis.Options{})
		defer p.close()
		start := time.Now()
		p.want("a")
		if took := time.Since(start); took > 22*kinesis.DefaultCallInterval {
			t.Errorf("took %v: something waits, so empty answers must not count as idle", took)
		}
	})
}

// Reopen (KIN-43, KIN-47, KIN-48, KIN-52).
func TestReopen(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		var (
			mu    sync.Mutex
			asked []string
		)
		w.setFault(on("GetShardIterator", func(c kinesistest.Call) kinesistest.Fault {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, c.Type+" "+c.After)
			return kinesistest.Fault{}
		}))
		numbers := w.send("k", "a", "b", "c")
		p := w.open(kinesis.Options{})
		all := p.want("a", "b", "c")
		w.finish(all)
		err := p.Ack(t.Context(), all[:2])
		if err != nil {
			t.Fatal(err)
		}
		p.close()
		p = w.open(kinesis.Options{StartingPosition: kinesis.Latest}) // what is stored wins
		p.want("c")
		p.close()
		mu.Lock()
		defer mu.Unlock()
		if want := []string{"TRIM_HORIZON ", "AT_SEQUENCE_NUMBER " + numbers[1]}; !slices.Equal(asked, want) {
			t.Errorf("iterators %q, want %q", asked, want)
		}
	})
}

func TestTrimmedPosition_KIN45(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		numbers := w.send("k", "a", "b", "c", "d")
		p := w.open(kinesis.Options{})
		all := p.want("a", "b", "c", "d")
		w.finish(all)
		err := p.Ack(t.Context(), all[:1])
		if err != nil {
			t.Fatal(err)
		}
		p.close()
		err = w.Trim(telemetry, firstShard, numbers[2])
		if err != nil {
			t.Fatal(err)
		}
		p = w.open(kinesis.Options{})
		defer p.close()
		p.want("c", "d")
	})
}

// Sequence numbers grow in digits (KIN-51, KIN-223).
func TestSequenceNumbersGrowInDigits(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		const other = "arn:aws:kinesis:eu-west-1:123456789012:stream/nines"
		for _, err := range []error{w.SetFirstSequenceNumber("999999999999999999999999999990"), w.AddStream(other, 1)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		source, err := kinesis.New(w.Client(), other, w.store, kinesis.Options{})
		if err != nil {
			t.Fatal(err)
		}
		err = source.Start(t.Context(), sources.Settings{})
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := source.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		p := &openPart{Partition: accepted, w: w, source: source}
		defer p.close()
		for _, body := range []string{"a", "b", "c", "d", "e", "f"} {
			_, _, err := w.Put(other, "k", []byte(body))
			if err != nil {
				t.Fatal(err)
			}
		}
		all := p.want("a", "b", "c", "d", "e", "f")
		if len(all[0].ID) == len(all[5].ID) {
			t.Fatal("the numbers did not grow")
		}
		for i := range all {
			w.finish(all[i : i+1])
			err := p.Ack(t.Context(), all[i:i+1])
			if err != nil {
				t.Fatal(err)
			}
			if got := w.lease(firstShard).Position.Sequence; got != all[i].ID {
				t.Errorf("position %s, want %s", got, all[i].ID)
			}
		}

		// And never backwards.
		err = p.Ack(t.Context(), all[:1])
		if got := w.lease(firstShard).Position.Sequence; err != nil || got != all[5].ID {
			t.Errorf("position %s (%v), want %s", got, err, all[5].ID)
		}
	})
}

// Records without key or data (KIN-191, KIN-197, KIN-214, KIN-217, KIN-218).
func TestRecordsWithoutKeyOrData(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		err := w.PutRecords(telemetry, []kinesistest.Record{{Data: []byte("a")}, {Key: "k"}, {}, {Key: "k", Data: []byte("b")}})
		if err != nil {
			t.Fatal(err)
		}
		p := w.open(kinesis.Options{})
		defer p.close()
		all := p.want("a", "", "", "b")
		for i, key := range []string{"", "k", "", "k"} {
			if all[i].Key != key || all[i].Data == nil || all[i].ID == "" {
				t.Errorf("record %d: %+v, want the key %q and data", i, all[i], key)
			}
		}
		document := string(p.source.AppendEvent(nil, p.ID(), all[2:3]))
		if !strings.Contains(document, `"partitionKey":"",`) || !strings.Contains(document, `"data":"",`) {
			t.Error(document)
		}
	})
}

// List shards pages (KIN-60, KIN-61).
func TestListShardsPages(t *testing.T) {
	t.Parallel()
	inWorld(t, 2500, func(t *testing.T, w *world) {
		p := w.open(kinesis.Options{MaxShards: 1})
		defer p.close()
		w.wait(time.Minute, "all shards known", func() bool {
			leases, err := w.store.Leases(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return len(leases) == 2500
		})
		if n := w.Calls("ListShards"); n != 3 {
			t.Errorf("%d calls of ListShards, want 3 pages", n)
		}
	})
}

func TestFetchLosesNothingWhenItIsCancelled_P1(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.open(kinesis.Options{})
		defer p.close()
		w.send("k", "a", "b")
		w.Inject("GetRecords", kinesistest.Fault{Delay: time.Second}, kinesistest.Fault{Delay: 3 * time.Second})
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			start := time.Now()
			n, err := p.Fetch(ctx, make([]sources.Record, 1), time.Minute)
			cancel()
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v after the end of its context", took)
			}
			if n == 1 {
				p.want("b")
				w.send("k", "c", "d")
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %d records and %v", n, err)
			}
		}
		p.want("c", "d")
	})
}

func hang(kinesistest.Call) kinesistest.Fault { return kinesistest.Fault{Delay: time.Hour} }
