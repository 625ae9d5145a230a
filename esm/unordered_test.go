package esm_test

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

func queueOf(options memory.QueueOptions, bodies ...string) *memory.Queue {
	q := memory.NewQueue(options)
	for _, b := range bodies {
		q.Send(b)
	}
	return q
}

// Every record is handled once and settled (P1, P5, ESM-64, ESM-80, ESM-82, ESM-86).
func TestEveryRecordIsHandledOnceAndSettled(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(1000)...)
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(nil), j.config(esm.Config{BatchSize: 7})))
		got := j.seen()
		slices.Sort(got)
		want := numbers(1000)
		slices.Sort(want)
		equal(t, "records handled", got, want)
		equal(t, "left in the queue", q.Len(), 0)
		for metric, want := range map[esm.Metric]int{
			esm.PolledEventCount: 1000, esm.InvokedEventCount: 1000, esm.DeletedEventCount: 1000,
			esm.FailedInvokeEventCount: 0, esm.DroppedEventCount: 0, esm.FilteredOutEventCount: 0,
		} {
			equal(t, string(metric), j.count(metric), want)
		}
	})
}

// A window longer than the records may be held would cost them a receive each
// time, until the dead-letter rule ends them unhandled. (A queue that is told of the
// window hides them for longer.) (P1, SQS-43).
func TestBatchClosesBeforeItsRecordsExpire(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dead := memory.NewQueue(memory.QueueOptions{})
		q := queueOf(memory.QueueOptions{VisibilityTimeout: 10 * time.Second, MaxReceiveCount: 3, DeadLetter: dead}, numbers(3)...)
		j := newJournal()
		stop := background(t, mustNew(t, &stub{Source: q.Source()}, j.handler(nil), j.config(esm.Config{
			BatchSize: 100, MaximumBatchingWindow: time.Minute, MaximumConcurrency: 1, Timeout: 4 * time.Second,
		})))
		time.Sleep(5 * time.Second)
		q.Send("3")
		time.Sleep(time.Minute)
		equal(t, "handled", j.sizes(), []int{4})
		equal(t, "when: a time limit and a moment before the first expires", j.times[0], 6*time.Second-250*time.Millisecond)
		equal(t, "dead letters", dead.Len(), 0)
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

func TestBatchesAreNoLargerThanBatchSize_P8(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(95)...)
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(nil), j.config(esm.Config{BatchSize: 10, MaximumConcurrency: 1})))
		equal(t, "batch sizes", j.sizes(), []int{10, 10, 10, 10, 10, 10, 10, 10, 10, 5})
	})
}

// Documents are no larger than the limit (P8, ESM-38, ESM-40, SQS-11).
func TestDocumentsAreNoLargerThanTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{})
		body := string(slices.Repeat([]byte{'x'}, 1<<20))
		for range 13 {
			q.Send(body)
		}
		q.End()
		j := newJournal()
		most := 0
		handler := esm.Bytes(invoker(func(_ context.Context, payload []byte) ([]byte, error) {
			most = max(most, len(payload))
			return nil, nil
		}))
		mustRun(t, mustNew(t, q.Source(), handler, j.config(esm.Config{BatchSize: 10, MaximumConcurrency: 1})))
		equal(t, "handled", j.count(esm.InvokedEventCount), 13)
		if most > 6_291_456 || most < 5<<20 {
			t.Errorf("largest document has %d bytes, want 5 records of 1 MiB", most)
		}
	})
}

func TestRecordTooLargeIsReportedAndLeftToRedrive_ESM41(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
		q := queueOf(memory.QueueOptions{MaxReceiveCount: 2, DeadLetter: dlq}, "a", "too large: "+string(make([]byte, 400)), "b")
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(nil), j.config(esm.Config{MaximumBatchBytes: 2000})))
		equal(t, "dead-lettered", dlq.Len(), 1)
		equal(t, "handled", len(j.seen()), 2)
		equal(t, "reported", j.count(esm.DroppedEventCount), 2)
	})
}

// Window gathers (ESM-31, P8).
func TestWindowGathers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{})
		j := newJournal()
		m := mustNew(t, q.Source(), j.handler(nil), j.config(esm.Config{
			BatchSize: 100, MaximumBatchingWindow: 5 * time.Second, MaximumConcurrency: 1,
		}))
		stop := background(t, m)
		time.Sleep(time.Second)
		q.Send("first")
		time.Sleep(2 * time.Second)
		q.Send("second")
		time.Sleep(2*time.Second - 1)
		equal(t, "before the window's end", len(j.seen()), 0)
		time.Sleep(2 * time.Nanosecond)
		synctest.Wait()
		equal(t, "at its end", j.batches, [][]string{{"first", "second"}})
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// Function error leaves messages to the queue (SQS-44, ESM-122).
func TestFunctionErrorLeavesMessagesToTheQueue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Minute}, "a")
		q.End()
		j := newJournal()
		tries := 0
		mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			if tries++; tries < 3 {
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{})))
		equal(t, "tries", j.times, []time.Duration{0, time.Minute, 2 * time.Minute})
		equal(t, "failed", j.count(esm.FailedInvokeEventCount), 2)
	})
}

// Redrive ends poison (SQS-51, SQS-52).
func TestRedriveEndsPoison(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
		q := queueOf(memory.QueueOptions{MaxReceiveCount: 2, DeadLetter: dlq}, "good", "poison")
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(failIf("poison")), j.config(esm.Config{BatchSize: 1})))
		equal(t, "dead letters", dlq.Bodies(), []string{"poison"})
		equal(t, "invokes", len(j.seen()), 3)
	})
}

// Partial failure keeps the named (SQS-74, SQS-84, SQS-87, ESM-83).
func TestPartialFailureKeepsTheNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
		q := queueOf(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dlq}, numbers(10)...)
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			return esm.Response{BatchItemFailures: []string{records[3].ID, records[7].ID, records[3].ID}}, nil
		}), j.config(esm.Config{ReportBatchItemFailures: true, MaximumConcurrency: 1})))
		equal(t, "dead letters", dlq.Bodies(), []string{"3", "7"})
		equal(t, "deleted", q.Deleted(), 8)
		equal(t, "failed", j.count(esm.FailedInvokeEventCount), 2)
		equal(t, "invocation errors", j.count(esm.InvokeErrorCount), 0)
	})
}

// Unknown or empty identifier fails the batch (SQS-76, SQS-77).
func TestUnknownOrEmptyIdentifierFailsTheBatch(t *testing.T) {
	for _, id := range []string{"", "not-of-this-batch"} {
		t.Run("id="+id, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq"})
				q := queueOf(memory.QueueOptions{MaxReceiveCount: 1, DeadLetter: dlq}, numbers(3)...)
				q.End()
				j := newJournal()
				mustRun(t, mustNew(t, q.Source(), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
					return esm.Response{BatchItemFailures: []string{records[0].ID, id}}, nil
				}), j.config(esm.Config{ReportBatchItemFailures: true})))
				equal(t, "dead letters", dlq.Len(), 3)
				equal(t, "deleted", q.Deleted(), 0)
			})
		})
	}
}

// Reported failures are ignored unless asked for (SQS-86, ESM-62, KIN-159).
func TestReportedFailuresAreIgnoredUnlessAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(3)...)
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			return esm.Response{BatchItemFailures: []string{records[0].ID}}, nil
		}), j.config(esm.Config{})))
		equal(t, "deleted", q.Deleted(), 3)
	})
}

// Throttle retries the same batch until visibility ends (SQS-48, ESM-66).
func TestThrottleRetriesTheSameBatchUntilVisibilityEnds(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: 30 * time.Second}, "a")
		q.End()
		j := newJournal()
		var last time.Duration
		mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			if now := time.Since(j.began); now < 40*time.Second {
				last = max(last, min(now, 30*time.Second))
				return esm.Response{}, &esm.ThrottleError{}
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{MaximumConcurrency: 1})))
		equal(t, "deleted", q.Deleted(), 1)
		equal(t, "counted as failed", j.count(esm.FailedInvokeEventCount), 0)
		if n := j.count(esm.ThrottledEventCount); n < 4 || n > 20 {
			t.Errorf("%d tries", n)
		}
		if at := j.times[len(j.times)-1]; at < 40*time.Second {
			t.Errorf("handled at %v", at)
		}
	})
}

func TestThrottleWaitsAsLongAsTheHandlerAsks(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, "a")
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			if time.Since(j.began) < 7*time.Second {
				return esm.Response{}, &esm.ThrottleError{RetryAfter: 7 * time.Second}
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{})))
		equal(t, "times", j.times, []time.Duration{0, 7 * time.Second})
	})
}

// Filtered records are deleted at once (SQS-61, ESM-42, ESM-81).
func TestFilteredRecordsAreDeletedAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(100)...)
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(nil), j.config(esm.Config{
			BatchSize: 10, MaximumConcurrency: 1, MaximumBatchingWindow: time.Second,
			Filter: func(r *sources.Record) bool { return len(r.Data) == 1 || r.Data[1] == '0' },
		})))
		equal(t, "handled", len(j.seen()), 19)
		equal(t, "batches count matching records only", j.sizes(), []int{10, 9})
		equal(t, "filtered out", j.count(esm.FilteredOutEventCount), 81)
		equal(t, "deleted", q.Deleted(), 100)
	})
}

// Groups are handled in order by one lane at a time (P4, SQS-30).
func TestGroupsAreHandledInOrderByOneLaneAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{FIFO: true})
		for i := range 20 {
			for _, g := range []string{"a", "b", "c"} {
				q.SendGroup(g, g+string(rune('A'+i)))
			}
		}
		q.End()
		j := newJournal()
		var busy [256]atomic.Int32
		mustRun(t, mustNew(t, q.Source(), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			groups := map[byte]bool{}
			for _, r := range records {
				groups[r.Data[0]] = true
			}
			for g := range groups {
				if busy[g].Add(1) != 1 {
					t.Errorf("two batches of group %c at once", g)
				}
				defer busy[g].Add(-1)
			}
			time.Sleep(time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 3})))
		next := map[byte]byte{'a': 'A', 'b': 'A', 'c': 'A'}
		for _, body := range j.seen() {
			if body[1] != next[body[0]] {
				t.Fatalf("group %c: %c where %c was due", body[0], body[1], next[body[0]])
			}
			next[body[0]]++
		}
		equal(t, "deleted", q.Deleted(), 60)
	})
}

func TestFIFOConcurrencyIsBoundedByGroups_SQS24(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{FIFO: true})
		for i := range 60 {
			q.SendGroup(string(rune('a'+i%3)), "x")
		}
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1})))
		equal(t, "batches at once", j.peak(), 3)
	})
}

// FIFO partial failure deletes what is not named (SQS-34, SQS-35).
func TestFIFOPartialFailureDeletesWhatIsNotNamed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq.fifo", FIFO: true})
		q := memory.NewQueue(memory.QueueOptions{FIFO: true, MaxReceiveCount: 1, DeadLetter: dlq})
		for _, body := range []string{"a1", "b1", "a2", "b2"} {
			q.SendGroup(body[:1], body)
		}
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			for _, r := range records {
				if string(r.Data) == "a1" {
					return esm.Response{BatchItemFailures: []string{r.ID}}, nil
				}
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{ReportBatchItemFailures: true})))
		equal(t, "dead letters", dlq.Bodies(), []string{"a1"})
		equal(t, "deleted, a2 behind its failed predecessor too", q.Deleted(), 3)
	})
}

func TestFailedMessagesComeBackInOtherBatches_SQS45(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, numbers(10)...)
		j := newJournal()
		failed := false
		m := mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			if !failed {
				failed = true
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{MaximumConcurrency: 1, BatchSize: 10}))
		stop := background(t, m)
		time.Sleep(10 * time.Second)
		for range 5 {
			q.Send("new")
		}
		time.Sleep(time.Minute)
		_, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "deleted", q.Deleted(), 15)
		equal(t, "the first batch", j.sizes()[0], 10)
		for i, at := range j.times[1:] {
			for _, body := range j.batches[i+1] {
				if body != "new" && at < 30*time.Second {
					t.Errorf("message %s came back after %v", body, at)
				}
			}
		}
	})
}

func TestFailedGroupHoldsBackWhatWasFetchedBehindIt_P4(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{FIFO: true, VisibilityTimeout: 30 * time.Second})
		// Three records of 400 bytes fit; the fourth is carried over.
		for i := range 4 {
			q.SendGroup("g", string(rune('A'+i))+string(slices.Repeat([]byte{'.'}, 400)))
		}
		q.End()
		j := newJournal()
		failed := false
		mustRun(t, mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			if !failed {
				failed = true
				return esm.Response{}, errHandler
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{MaximumBatchBytes: 3500})))
		var order strings.Builder
		for _, body := range j.seen() {
			order.WriteString(body[:1])
		}
		if got := order.String(); got != "ABCABCD" && got != "ABCDABCD" {
			t.Errorf("order %q: D overtook its failed group", got)
		}
		equal(t, "deleted", q.Deleted(), 4)
	})
}

// Record too large holds back its group (P4, ESM-41).
func TestRecordTooLargeHoldsBackItsGroup(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dlq := memory.NewQueue(memory.QueueOptions{Name: "dlq.fifo", FIFO: true})
		q := memory.NewQueue(memory.QueueOptions{FIFO: true, MaxReceiveCount: 2, DeadLetter: dlq})
		q.SendGroup("g", string(make([]byte, 400)))
		q.SendGroup("g", "behind")
		q.SendGroup("h", "beside")
		q.End()
		j := newJournal()
		mustRun(t, mustNew(t, q.Source(), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			for _, r := range records {
				if string(r.Data) == "behind" && dlq.Len() == 0 {
					t.Error("a record overtook the one before it in its group")
				}
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{MaximumBatchBytes: 2000})))
		// What came with it was received as often, so it may end there too.
		equal(t, "deleted or dead-lettered", q.Deleted()+dlq.Len(), 3)
		equal(t, "the other group's is handled", slices.Contains(j.seen(), "beside"), true)
	})
}

func TestPoisonHoldsUpItsOwnLaneOnly_P6(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: 10 * time.Minute})
		q.Send("slow")
		for range 99 {
			q.Send("quick")
		}
		j := newJournal()
		m := mustNew(t, q.Source(), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if string(records[0].Data) == "slow" {
				time.Sleep(5 * time.Minute)
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 1, MaximumConcurrency: 2, Timeout: 10 * time.Minute, DrainTimeout: time.Hour}))
		stop := background(t, m)
		time.Sleep(time.Second)
		equal(t, "deleted beside the slow one", q.Deleted(), 99)
		took, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "waited for the running batch", took, 5*time.Minute-time.Second)
		equal(t, "and settled it", q.Len(), 0)
	})
}

func TestSlowHandlerSlowsTheFetch_P7(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{VisibilityTimeout: time.Hour}, numbers(10_000)...)
		j := newJournal()
		m := mustNew(t, q.Source(), j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			<-ctx.Done()
			return esm.Response{}, ctx.Err()
		}), j.config(esm.Config{BatchSize: 10, MaximumConcurrency: 3, Timeout: 15 * time.Minute}))
		stop := background(t, m)
		time.Sleep(10 * time.Minute)
		equal(t, "held by three lanes", q.InFlight(), 30)
		took, _ := stop()
		equal(t, "stopped within the drain timeout", took <= esm.DefaultDrainTimeout+time.Second, true)
	})
}

func TestStopReleasesWhatWasNotStarted_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: time.Hour})
		for i := range 4 {
			q.Send(string(rune('A'+i)) + string(slices.Repeat([]byte{'.'}, 400)))
		}
		j := newJournal()
		m := mustNew(t, q.Source(), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(10 * time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{MaximumBatchBytes: 2500, MaximumConcurrency: 1}))
		stop := background(t, m)
		equal(t, "in flight", q.InFlight(), 4)
		_, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "released, visible at once", q.Visible(), q.Len())
		equal(t, "handled and deleted", q.Deleted()+q.Len(), 4)
		if q.Len() == 0 {
			t.Error("nothing was carried over, the test proves nothing")
		}
	})
}

type invoker func(ctx context.Context, payload []byte) ([]byte, error)

func (f invoker) Invoke(ctx context.Context, payload []byte) ([]byte, error) { return f(ctx, payload) }
