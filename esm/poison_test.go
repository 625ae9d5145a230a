package esm_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// inPlace is a queue that does not redeliver, as one of Amazon MQ, with abilities that
// tests watch.
type inPlace struct {
	*stub
	partition *inPlacePartition
}

type inPlacePartition struct {
	sources.Partition
	source   *inPlace
	expires  time.Duration // how long records last; 0 for ever
	lost     atomic.Pointer[string]
	rejected []string
}

// newInPlace makes one. rejects says that it has a place for dead letters.
func newInPlace(q *memory.Queue, rejects bool, expires time.Duration) *inPlace {
	s := &inPlace{stub: &stub{Source: q.Source(), traits: func(t sources.Traits) sources.Traits {
		t.Redelivers, t.Rejects = false, rejects
		t.Scaling = sources.Scaling{Initial: 1, Idle: 1, Max: 1}
		return t
	}}}
	s.partition = &inPlacePartition{source: s, expires: expires}
	return s
}

func (s *inPlace) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.stub.Accept(ctx)
	if err != nil {
		return nil, err
	}
	s.partition.Partition = p
	return s.partition, nil
}

func (p *inPlacePartition) Unwrap() sources.Partition { return p.Partition }

func (p *inPlacePartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	for i := range n {
		buf[i].Expires = time.Time{}
		if p.expires > 0 {
			buf[i].Expires = time.Now().Add(p.expires)
		}
	}
	return n, err
}

func (p *inPlacePartition) Reject(ctx context.Context, records []sources.Record) error {
	for i := range records {
		p.rejected = append(p.rejected, string(records[i].Data))
	}
	return p.Ack(ctx, records)
}

func (p *inPlacePartition) Holds(r *sources.Record) bool {
	lost := p.lost.Load()
	return lost == nil || *lost != string(r.Data)
}

func TestPoisonGoesToDestinationAfterItsAttempts_MQ32(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "poison", "a", "b")
		q.End()
		j := newJournal()
		var delivered []*esm.FailureRecord
		mustRun(t, mustNew(t, newInPlace(q, false, 0), j.handler(failIf("poison")), j.config(esm.Config{
			BatchSize: 2, MaximumRetryAttempts: new(2),
			OnFailure: esm.DestinationFunc(func(_ context.Context, f *esm.FailureRecord) error {
				delivered = append(delivered, f)
				return nil
			}),
		})))
		equal(t, "batches", j.batches, [][]string{{"poison", "a"}, {"poison", "a"}, {"poison", "a"}, {"b"}})
		equal(t, "failure records", len(delivered), 1)
		f := delivered[0]
		equal(t, "records", texts(f.Records), []string{"poison", "a"})
		equal(t, "invokes", f.ApproximateInvokeCount, 3)
		document, err := f.Marshal(esm.NoPayload)
		if err != nil || !json.Valid(document) || !strings.Contains(string(document), `"condition":"RetryAttemptsExhausted"`) ||
			!strings.Contains(string(document), `"functionError":"Unhandled"`) {
			t.Errorf("failure record %s, %v", document, err)
		}
		equal(t, "settled", q.Deleted(), 3)
		equal(t, "delivered", j.count(esm.OnFailureDestinationDeliveredEventCount), 2)
	})
}

// The same on a queue in memory that acts as one of a broker.
func TestPoisonOfAQueueInMemory(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dead := memory.NewQueue(memory.QueueOptions{})
		q := queueOf(memory.QueueOptions{InPlace: true, DeadLetter: dead}, "poison", "a", "b")
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(failIf("poison")), j.config(esm.Config{BatchSize: 1, MaximumRetryAttempts: new(1)})))
		equal(t, "batches", j.batches, [][]string{{"poison"}, {"poison"}, {"a"}, {"b"}})
		equal(t, "dead letters", dead.Bodies(), []string{"poison"})
		equal(t, "deleted", q.Deleted(), 2)
	})
}

func texts(records []sources.Record) []string {
	var all []string
	for i := range records {
		all = append(all, string(records[i].Data))
	}
	return all
}

func TestPoisonIsRejectedAfterItsAttempts_MQ36(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "poison", "a")
		q.End()
		source, j := newInPlace(q, true, 0), newJournal()
		mustRun(t, mustNew(t, source, j.handler(failIf("poison")), j.config(esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(0),
		})))
		equal(t, "batches", j.batches, [][]string{{"poison"}, {"a"}})
		equal(t, "rejected", source.partition.rejected, []string{"poison"})
		equal(t, "counted", j.count(esm.RejectedEventCount), 1)
		equal(t, "dropped", j.count(esm.DroppedEventCount), 0)
	})
}

// A throttle is no attempt, and of a partial failure only what failed is given up.
func TestPoisonOfAPartialFailureAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "a", "poison", "b")
		q.End()
		source, j := newInPlace(q, true, 0), newJournal()
		calls := 0
		mustRun(t, mustNew(t, source, j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if calls++; calls <= 2 {
				return esm.Response{}, &esm.ThrottleError{}
			}
			var r esm.Response
			for i := range records {
				if string(records[i].Data) == "poison" {
					r.BatchItemFailures = append(r.BatchItemFailures, records[i].ID)
				}
			}
			return r, nil
		}), j.config(esm.Config{MaximumRetryAttempts: new(1), ReportBatchItemFailures: true})))
		all := []string{"a", "poison", "b"}
		equal(t, "batches", j.batches, [][]string{all, all, all, {"poison"}})
		equal(t, "rejected", source.partition.rejected, []string{"poison"})
		equal(t, "deleted", q.Deleted(), 3)
	})
}

// A throttle does not outlast what the records have left either.
func TestThrottledInPlaceIsGivenBackInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "a")
		source, j := newInPlace(q, false, 20*time.Second), newJournal()
		stop := background(t, mustNew(t, source, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, &esm.ThrottleError{RetryAfter: time.Minute}
		}), j.config(esm.Config{DrainTimeout: time.Second})))
		time.Sleep(30 * time.Second)
		_, _ = stop()
		equal(t, "times", j.times, []time.Duration{0, 20*time.Second + 1})
		equal(t, "told as failed", len(source.failed), 0)
		equal(t, "left", q.Visible(), 1)
	})
}

func TestPoisonNeedsAPlace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{})
		_, err := esm.New(newInPlace(q, false, 0), newJournal().handler(nil), esm.Config{MaximumRetryAttempts: new(3)})
		if err == nil || !strings.Contains(err.Error(), "MaximumRetryAttempts is 3: must not be set without OnFailure") {
			t.Errorf("New: %v", err)
		}
	})
}

// While the destination does not take what is poison the batch stays, and a stop leaves it
// in the source (P1).
func TestPoisonStaysUntilItIsDelivered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "poison")
		j := newJournal()
		stop := background(t, mustNew(t, newInPlace(q, false, 0), j.handler(failIf("poison")), j.config(esm.Config{
			MaximumRetryAttempts: new(0),
			OnFailure:            esm.DestinationFunc(func(context.Context, *esm.FailureRecord) error { return errHandler }),
		})))
		time.Sleep(time.Minute)
		_, _ = stop()
		equal(t, "batches", len(j.batches), 1)
		equal(t, "left", q.Visible(), 1)
		if j.count(esm.OnFailureDestinationDeliveryErrorCount) < 3 {
			t.Error("the destination was not asked again")
		}
	})
}

// What fits into no event document is rejected where the source has a place for it, goes
// to the destination where there is one, and else stays in the source.
func TestTooLargeIsNeverLost_MQ40(t *testing.T) {
	for _, place := range []string{"rejected", "delivered", "left"} {
		t.Run(place, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				large := strings.Repeat("x", 2000)
				q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "a", large, "b")
				source, j := newInPlace(q, place == "rejected", 0), newJournal()
				var delivered []string
				config := esm.Config{MaximumBatchBytes: 1500, DrainTimeout: time.Second}
				if place == "delivered" {
					config.OnFailure = esm.DestinationFunc(func(_ context.Context, f *esm.FailureRecord) error {
						delivered = append(delivered, texts(f.Records)...)
						return nil
					})
				}
				stop := background(t, mustNew(t, source, j.handler(nil), j.config(config)))
				time.Sleep(time.Minute)
				_, _ = stop()
				one := func(of string) []string {
					if place == of {
						return []string{large}
					}
					return nil
				}
				equal(t, "handled", j.seen(), []string{"a", "b"})
				equal(t, "rejected", source.partition.rejected, one("rejected"))
				equal(t, "delivered", delivered, one("delivered"))
				equal(t, "left", source.failed, one("left"))
				equal(t, "in the queue", q.Bodies(), one("left"))
			})
		})
	}
}

// A record that expires while it is tried again is given back at once, so that the source
// deals with it (M8).
func TestExpiredInPlaceIsGivenBack_MQ41(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "a", "b")
		source, j := newInPlace(q, false, 20*time.Second), newJournal()
		stop := background(t, mustNew(t, source, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			return esm.Response{}, errHandler
		}), j.config(esm.Config{DrainTimeout: time.Second, Jitter: func() float64 { return 0.99 }})))
		time.Sleep(30 * time.Second)
		_, _ = stop()
		if len(source.released) < 2 || !slices.Equal(source.released[:2], []string{"a", "b"}) {
			t.Errorf("released %q, want a and b once they expired", source.released)
		}
		equal(t, "tries before", j.times[:5], []time.Duration{0, 990 * time.Millisecond, 2970 * time.Millisecond, 6930 * time.Millisecond, 14850 * time.Millisecond})
		equal(t, "fetched anew", j.times[5], 20*time.Second+1)
		equal(t, "acked", q.Deleted(), 0)
		if j.count(esm.StaleEventCount) < 2 {
			t.Error("what expired was not counted")
		}
	})
}

// No retry begins with a record that the source has taken back (M9).
func TestRecordTakenBackIsNotTriedAgain_P4(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, "a", "b")
		source, j := newInPlace(q, false, 0), newJournal()
		calls := 0
		stop := background(t, mustNew(t, source, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			if calls++; calls == 1 {
				source.partition.lost.Store(new("a"))
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{DrainTimeout: time.Second})))
		time.Sleep(time.Minute)
		_, _ = stop()
		equal(t, "batches", j.batches, [][]string{{"a", "b"}, {"b"}})
		equal(t, "left", q.Bodies(), []string{"a"})
		equal(t, "stale", j.count(esm.StaleEventCount), 1)
	})
}
