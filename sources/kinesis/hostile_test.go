package kinesis_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// blank are answers that say nothing, which a proxy may give.
func blank() map[string]string { return map[string]string{"no body": "", "empty object": "{}"} }

// TestEmptyAnswerOfGetRecordsIsNoEnd has one answer without a body between records (KIN-28, P1).
func TestEmptyAnswerOfGetRecordsIsNoEnd(t *testing.T) {
	t.Parallel()
	for name, body := range blank() {
		for _, closed := range []bool{false, true} {
			t.Run(name+" closed "+strconv.FormatBool(closed), func(t *testing.T) {
				t.Parallel()
				inWorld(t, 1, func(t *testing.T, w *world) {
					w.send("k", "a")
					if closed {
						if _, err := w.Split(telemetry, firstShard); err != nil {
							t.Fatal(err)
						}
					}
					w.Inject("GetRecords", kinesistest.Fault{Answer: &body})
					m := w.run(w.journal(nil), kinesis.Options{}, esm.Config{BatchSize: 10})
					time.Sleep(10 * time.Second)
					w.send("k", "b", "c")
					w.until(3, time.Minute)
					m.end()
					w.once()
					if ended := w.lease(firstShard).Position.Ended(); ended != closed {
						t.Errorf("the shard is ended: %v, want %v", ended, closed)
					}
					if w.count(esm.PollingErrorCount) == 0 {
						t.Error("nothing was told of the answer")
					}
				})
			})
		}
	}
}

// TestNullIteratorOfOpenShardIsNoEnd has the service say that a shard is read to its
// end which the list says is open (KIN-28, P1).
func TestNullIteratorOfOpenShardIsNoEnd(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no children":     `{"Records":[],"MillisBehindLatest":0,"NextShardIterator":null}`,
		"nameless child":  `{"Records":[],"MillisBehindLatest":0,"ChildShards":[{}]}`,
		"nameless record": `{"Records":[{"Data":"YQ==","PartitionKey":"k"}],"MillisBehindLatest":0,"NextShardIterator":"x"}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.send("k", "a")
				p := w.open(kinesis.Options{})
				defer p.close()
				w.Inject("GetRecords", kinesistest.Fault{Answer: &body})
				p.want("a")
				if p.errs != 1 {
					t.Errorf("%d errors were told, want one of the answer", p.errs)
				}
			})
		})
	}
}

// TestShardEndsByTheListAlone is for services that name no children.
func TestShardEndsByTheListAlone_KIN28(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		if _, err := w.Split(telemetry, firstShard); err != nil {
			t.Fatal(err)
		}
		w.Inject("GetRecords", kinesistest.Fault{Answer: new(`{"Records":[],"MillisBehindLatest":0}`)})
		p := w.open(kinesis.Options{})
		defer p.close()
		if _, err := p.read(1, time.Minute); !errors.Is(err, sources.ErrEnd) {
			t.Errorf("got %v, want the end", err)
		}
	})
}

// TestEmptyEventIsNoEnd is the same of fan-out (KIN-86, P1).
func TestEmptyEventIsNoEnd(t *testing.T) {
	t.Parallel()
	for name, event := range map[string]string{
		"empty object":    "{}",
		"no children":     `{"Records":[],"MillisBehindLatest":0}`,
		"nameless child":  `{"Records":[],"MillisBehindLatest":0,"ChildShards":[{}]}`,
		"nameless record": `{"Records":[{"Data":"YQ==","PartitionKey":"k"}],"ContinuationSequenceNumber":"1","MillisBehindLatest":0}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				f.put(2, 1)
				f.Inject("SubscribeToShard", kinesistest.Fault{Stream: &kinesistest.Break{After: 1, Event: &event}})
				s, p := f.open(kinesis.Options{})
				records := f.want(p, 0, 2)
				if _, err := f.take(p, 1, 10*time.Second); err == nil || errors.Is(err, sources.ErrEnd) {
					t.Errorf("got error %v, want one that is no end", err)
				}
				f.put(1, 1)
				f.are(f.want(p, 2, 3), 2, 3)
				if err := p.Ack(t.Context(), records); err != nil {
					t.Error(err)
				}
				f.shut(s, p)
			})
		})
	}
}

// TestEmptyListIsNoList has ListShards say nothing, at the start and later (KIN-60, P9).
func TestEmptyListIsNoList(t *testing.T) {
	t.Parallel()
	for name, body := range blank() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 2, func(t *testing.T, w *world) {
				if _, err := w.Split(telemetry, firstShard); err != nil {
					t.Fatal(err)
				}
				w.Inject("ListShards", kinesistest.Fault{Answer: &body})
				w.send("", "a", "b", "c", "d")
				m := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
				w.until(4, time.Minute)
				time.Sleep(10 * time.Second)
				w.setFault(on("ListShards", func(kinesistest.Call) kinesistest.Fault { return kinesistest.Fault{Answer: &body} }))
				time.Sleep(5 * time.Minute)
				if !w.lease(firstShard).Position.Ended() {
					t.Error("the lease of the closed shard is deleted: it is still listed")
				}
				if w.count(esm.PollingErrorCount) < 2 {
					t.Error("nothing was told of the answer")
				}
				m.end()
				w.once()
			})
		})
	}
}

// TestEndlessList has a list go on for ever (KIN-60, P9).
func TestEndlessList(t *testing.T) {
	t.Parallel()
	for name, page := range map[string]func(n int) string{
		"empty pages":    func(n int) string { return `{"Shards":[],"NextToken":"` + strconv.Itoa(n) + `"}` },
		"no pages":       func(n int) string { return `{"NextToken":"` + strconv.Itoa(n) + `"}` },
		"one page again": func(n int) string { return `{"Shards":[{"ShardId":"s"}],"NextToken":"` + strconv.Itoa(n) + `"}` },
		"one token": func(n int) string {
			return `{"Shards":[{"ShardId":"s` + strconv.Itoa(n) + `"}],"NextToken":"x"}`
		},
		"new shards": func(n int) string {
			return `{"Shards":[{"ShardId":"s` + strconv.Itoa(n) + `"}],"NextToken":"` + strconv.Itoa(n) + `"}`
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.setFault(on("ListShards", func(c kinesistest.Call) kinesistest.Fault {
					return kinesistest.Fault{Answer: new(page(c.Number))}
				}))
				m := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
				time.Sleep(10 * time.Second)
				if n := w.Calls("ListShards"); n > 1500 { // of some tries
					t.Errorf("%d calls of ListShards", n)
				}
				if w.count(esm.PollingErrorCount) == 0 {
					t.Error("nothing was told of the list")
				}
				w.setFault(nil)
				w.send("k", "a")
				w.until(1, 3*time.Minute)
				m.end()
			})
		})
	}
}

// TestEmptyAnswersOfTheStart has each call of the start say nothing.
func TestEmptyAnswersOfTheStart_P9(t *testing.T) {
	t.Parallel()
	for name, body := range blank() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.Inject("DescribeStreamSummary", kinesistest.Fault{Answer: &body})
				err := w.source(kinesis.Options{}).Start(t.Context(), sources.Settings{})
				if err == nil || errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "DescribeStreamSummary") {
					t.Errorf("got error %v, want one of DescribeStreamSummary that may pass", err)
				}
			})
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.Inject("GetShardIterator", kinesistest.Fault{Answer: &body})
				w.send("k", "a")
				p := w.open(kinesis.Options{})
				defer p.close()
				p.want("a")
				if p.errs != 1 {
					t.Errorf("%d errors were told, want one of the answer", p.errs)
				}
				if w.lease(firstShard).Position.Sequence != checkpoint.TrimHorizon {
					t.Error("the position moved")
				}
			})
		})
	}
}

// TestEmptyAnswersOfConsumers has each call about a consumer say nothing (KIN-89, P9).
func TestEmptyAnswersOfConsumers(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"no body": "", "empty object": "{}",
		"no ARN": `{"ConsumerDescription":{"ConsumerName":"reader","ConsumerStatus":"ACTIVE"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(_ *testing.T, f *fan) {
				f.put(1, 1)
				f.Inject("DescribeStreamConsumer", kinesistest.Fault{Answer: &body})
				s, p := f.open(kinesis.Options{})
				f.want(p, 0, 1)
				f.shut(s, p)
			})
		})
	}
}
