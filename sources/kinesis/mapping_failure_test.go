package kinesis_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awskinesis "github.com/aws/aws-sdk-go-v2/service/kinesis"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// TestRetriesOutliveTheIterator has a batch fail for twelve minutes, with little read
// ahead, so that the iterator expires meanwhile (KIN-41, KIN-120, KIN-124, KIN-224).
func TestRetriesOutliveTheIterator(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", texts(0, 300)...)
		r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			if time.Since(w.began) < 12*time.Minute {
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), kinesis.Options{}, esm.Config{BatchSize: 10})
		w.setFault(on("GetRecords", func(kinesistest.Call) kinesistest.Fault { return kinesistest.Fault{AtMost: 30} }))
		time.Sleep(11 * time.Minute)
		w.send("k", texts(300, 400)...)
		w.until(400, 10*time.Minute)
		r.end()
		w.once()
		if n := w.Calls("GetShardIterator"); n != 2 {
			t.Errorf("%d iterators, want a second one after the expired one", n)
		}
	})
}

// gaveUp is what the destination of a test got.
type gaveUp struct {
	mu      sync.Mutex
	records []failureRecord
}

// failureRecord is what a test looks at of one.
type failureRecord struct {
	reason, document string
	bodies           []string
	invokes          int
}

func (g *gaveUp) take(r *esm.FailureRecord) {
	document, err := json.Marshal(r)
	if err != nil {
		document = []byte(err.Error())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.records = append(g.records, failureRecord{
		string(r.Condition), string(document), bodiesOf(r.Records), r.ApproximateInvokeCount,
	})
}

func (g *gaveUp) all() []failureRecord {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.records)
}

// Bisect (KIN-140, KIN-141, KIN-146, KIN-148, KIN-149).
func TestBisect(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", texts(0, 16)...)
		var g gaveUp
		r := w.run(w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if slices.Contains(bodiesOf(records), "9") {
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), kinesis.Options{}, esm.Config{
			BatchSize: 16, BisectBatchOnFunctionError: true, MaximumRetryAttempts: new(0), OnFailure: w.destination(g.take),
		})
		w.until(16, 5*time.Minute)
		r.end()
		w.once()
		all := g.all()
		if len(all) != 1 || !slices.Equal(all[0].bodies, []string{"9"}) || all[0].reason != "RetryAttemptsExhausted" {
			t.Fatalf("given up: %+v, want record 9 alone", all)
		}
		for _, want := range []string{
			`"KinesisBatchInfo"`, `"shardId":"` + firstShard + `"`, `"startSequenceNumber":"` + w.keys["k"][9] + `"`,
			`"batchSize":1`, `"streamArn":"` + telemetry + `"`,
		} {
			if !strings.Contains(all[0].document, want) {
				t.Errorf("%s: without %s", all[0].document, want)
			}
		}
	})
}

// Partial failure (KIN-143, KIN-150, KIN-151, KIN-152, KIN-156, KIN-157, KIN-225, KIN-226).
func TestPartialFailure(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		numbers := w.send("k", "a", "b", "c")
		var g gaveUp
		r := w.run(w.journal(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			return esm.Response{BatchItemFailures: []string{records[len(records)-1].ID}}, nil
		}), kinesis.Options{}, esm.Config{
			BatchSize: 3, ReportBatchItemFailures: true, MaximumRetryAttempts: new(3), OnFailure: w.destination(g.take),
		})
		w.until(3, 5*time.Minute)
		r.end()
		seen := 0
		for _, b := range w.log() {
			if slices.Contains(b.numbers, numbers[2]) {
				seen++
			}
		}
		all := g.all()
		if len(all) != 1 || !slices.Equal(all[0].bodies, []string{"c"}) || all[0].invokes != 4 || seen != 5 {
			t.Errorf("given up: %+v after %d invokes, want c after 5, counted as 4", all, seen)
		}
	})
}

// TestResponses are those that LocalStack recorded of the real service (KIN-153, KIN-154,
// KIN-158, KIN-159, KIN-160, KIN-228).
func TestResponses(t *testing.T) {
	t.Parallel()
	for body, ok := range map[string]bool{
		`""`: true, `[]`: true, `null`: true, `{}`: true, ``: true,
		`{"batchItemFailures":[]}`: true, `{"batchItemFailures":null}`: true,
		`{"batchItemFailures":[{"itemIdentifier":""}]}`:    false,
		`{"batchItemFailures":[{"itemIdentifier":null}]}`:  false,
		`{"batchItemFailures":[{"itemIdentifier":"one"}]}`: false,
		`{"batchItemFailures":[{"foo":"one"}]}`:            false,
		`{"batchItemFailures":[{"foo":null}]}`:             false,
		`{"batchItemFailures":7}`:                          false,
		`not JSON`:                                         false,
	} {
		inWorld(t, 1, func(t *testing.T, w *world) {
			numbers := w.send("k", "a", "b")
			w.mu.Lock()
			for _, number := range numbers {
				w.done[number]++
			}
			w.mu.Unlock()
			var g gaveUp
			r := w.run(esm.Bytes(answering(body)), kinesis.Options{}, esm.Config{
				ReportBatchItemFailures: true, MaximumRetryAttempts: new(0), OnFailure: w.destination(g.take),
			})
			w.wait(time.Minute, "all settled", func() bool { return w.lease(firstShard).Position.Sequence == numbers[1] })
			r.end()
			if got := len(g.all()) == 0; got != ok {
				t.Errorf("%s: success %t, want %t", body, got, ok)
			}
		})
	}
}

type answering string

func (a answering) Invoke(context.Context, []byte) ([]byte, error) { return []byte(a), nil }

// Record age (KIN-125, KIN-126, KIN-127, KIN-128, KIN-129, KIN-133).
func TestRecordAge(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		old := time.Now().Add(-2 * time.Minute)
		w.sendRecords([]kinesistest.Record{
			{Key: "k", Data: []byte("a"), Arrival: old}, {Key: "k", Data: []byte("b"), Arrival: old}, {Key: "k", Data: []byte("c")},
		})
		var g gaveUp
		r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{
			BatchSize: 10, MaximumRecordAge: time.Minute, OnFailure: w.destination(g.take),
		})
		w.until(3, time.Minute)
		r.end()
		w.once()
		all := g.all()
		if len(all) != 1 || !slices.Equal(all[0].bodies, []string{"a", "b"}) || all[0].reason != "RecordAgeExceeded" ||
			all[0].invokes != 1 || strings.Contains(all[0].document, "responseContext") {
			t.Errorf("given up: %+v, want a and b", all)
		}
		if log := w.log(); len(log) != 1 || !slices.Equal(log[0].bodies, []string{"c"}) {
			t.Errorf("handled %+v, want c", log)
		}
	})
}

// Oversize record (KIN-200, KIN-201, KIN-202, KIN-203).
func TestOversizeRecord(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		_, err := w.Client().DeleteStream(t.Context(), &awskinesis.DeleteStreamInput{StreamARN: new(telemetry)})
		if err != nil {
			t.Fatal(err)
		}
		_, err = w.Client().CreateStream(t.Context(), &awskinesis.CreateStreamInput{
			StreamName: new("telemetry"), ShardCount: new(int32(1)), MaxRecordSizeInKiB: new(int32(10_240)),
		})
		if err != nil {
			t.Fatal(err)
		}
		w.sendRecords([]kinesistest.Record{
			{Key: "k", Data: []byte("a")}, {Key: "k", Data: make([]byte, 5<<20)}, {Key: "k", Data: []byte("b")},
			{Key: "k", Data: make([]byte, 3<<20)}, {Key: "k", Data: make([]byte, 3<<20)}, {Key: "k", Data: []byte("c")},
		})
		var g gaveUp
		r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{BatchSize: 100, OnFailure: w.destination(g.take)})
		w.until(6, 5*time.Minute)
		r.end()
		w.once()
		all := g.all()
		if len(all) != 1 || len(all[0].bodies[0]) != 5<<20 || len(all[0].document) > 4096 {
			t.Errorf("%d given up, want the large one, as metadata", len(all))
		}
		for _, b := range w.log() {
			size := 0
			for _, body := range b.bodies {
				size += len(body)
			}
			if size > 4_500_000 {
				t.Errorf("a batch of %d bytes", size)
			}
		}
	})
}
