package esm_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// streamOf makes a stream of one partition whose record i has key and body i.
func streamOf(bodies ...string) *memory.Stream {
	s := memory.NewStream(memory.StreamOptions{})
	for _, b := range bodies {
		s.Put(b, []byte(b))
	}
	return s
}

// failures gathers failure records.
type failures struct {
	mu      sync.Mutex
	records []*esm.FailureRecord
}

func (f *failures) Deliver(_ context.Context, r *esm.FailureRecord) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.Records = slices.Clone(r.Records)
	f.records = append(f.records, r)
	return nil
}

// summary is one line for each failure record.
func (f *failures) summary() []string {
	var lines []string
	for _, r := range f.records {
		var bodies []string
		for _, record := range r.Records {
			bodies = append(bodies, string(record.Data))
		}
		lines = append(lines, fmt.Sprintf("%s %s x%d", r.Condition, strings.Join(bodies, ","), r.ApproximateInvokeCount))
	}
	return lines
}

// Stream is handled in order once (P1, P4, P5).
func TestStreamIsHandledInOrderOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(numbers(1000)...)
		s.End()
		j := newJournal()
		mustRun(t, mustNew(t, s.Source("app"), j.handler(nil), j.config(esm.Config{BatchSize: 64})))
		equal(t, "order", j.seen(), numbers(1000))
		equal(t, "lag", s.Lag("app"), 0)
		equal(t, "committed", j.count(esm.CommittedEventCount), 1000)
		equal(t, "polled", j.count(esm.PolledEventCount), 1000)
		for _, n := range j.sizes() {
			if n > 64 {
				t.Errorf("batch of %d", n)
			}
		}
	})
}

// Retries hold the shard and give up to the destination (KIN-120, KIN-121, KIN-133, ESM-85).
func TestRetriesHoldTheShardAndGiveUpToTheDestination(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a", "poison", "c")
		s.End()
		j, f := newJournal(), &failures{}
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(2), OnFailure: f,
		})))
		equal(t, "invokes", j.seen(), []string{"a", "poison", "poison", "poison", "c"})
		equal(t, "failure records", f.summary(), []string{"RetryAttemptsExhausted poison x3"})
		equal(t, "lag", s.Lag("app"), 0)
		equal(t, "delivered", j.count(esm.OnFailureDestinationDeliveredEventCount), 1)
		equal(t, "dropped", j.count(esm.DroppedEventCount), 0)
	})
}

func TestRetriesBackOff_RTY02(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison")
		s.End()
		j := newJournal()
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(esm.Config{
			MaximumRetryAttempts: new(3), Jitter: func() float64 { return 0.5 },
		})))
		equal(t, "times", j.times, []time.Duration{
			0, 500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond,
		})
		equal(t, "dropped without a destination (DST-66)", j.count(esm.DroppedEventCount), 1)
	})
}

// Bisect isolates poison (KIN-09, KIN-140, KIN-144, KIN-149).
func TestBisectIsolatesPoison(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(numbers(8)...)
		s.End()
		j, f := newJournal(), &failures{}
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("5")), j.config(esm.Config{
			BatchSize: 8, BisectBatchOnFunctionError: true, MaximumRetryAttempts: new(0), OnFailure: f,
			MaximumBatchingWindow: time.Second,
		})))
		equal(t, "batch sizes", j.sizes(), []int{8, 4, 4, 2, 1, 1, 2})
		equal(t, "failure records", f.summary(), []string{"RetryAttemptsExhausted 5 x1"})
	})
}

// Partial failure goes on from the first (KIN-10, KIN-150, KIN-151, KIN-156, KIN-157).
func TestPartialFailureGoesOnFromTheFirst(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a", "b", "c")
		s.End()
		j, f := newJournal(), &failures{}
		mustRun(t, mustNew(t, s.Source("app"), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			return esm.Response{BatchItemFailures: []string{records[len(records)-1].ID}}, nil
		}), j.config(esm.Config{
			BatchSize: 3, MaximumBatchingWindow: time.Second, ReportBatchItemFailures: true,
			MaximumRetryAttempts: new(3), OnFailure: f,
		})))
		equal(t, "batches", j.batches, [][]string{{"a", "b", "c"}, {"c"}, {"c"}, {"c"}, {"c"}})
		equal(t, "failure records", f.summary(), []string{"RetryAttemptsExhausted c x4"})
		if f.records[0].Response == nil || f.records[0].Response.FunctionError != nil {
			t.Errorf("a partial failure has functionError null (DST-17): %+v", f.records[0].Response)
		}
	})
}

// Position follows partial progress (KIN-151, P12).
func TestPositionFollowsPartialProgress(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a", "b", "c")
		j := newJournal()
		config := j.config(esm.Config{BatchSize: 3, MaximumBatchingWindow: time.Second, ReportBatchItemFailures: true})
		m := mustNew(t, s.Source("app"), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			return esm.Response{BatchItemFailures: []string{records[len(records)-1].ID}}, nil
		}), config)
		stop := background(t, m)
		time.Sleep(2 * time.Second)
		took, _ := stop()
		equal(t, "stops at once in a retry's wait", took, 0)
		equal(t, "lag", s.Lag("app"), 1)
		s.End()
		again := newJournal()
		mustRun(t, mustNew(t, s.Source("app"), again.handler(nil), again.config(esm.Config{})))
		equal(t, "after the restart", again.seen(), []string{"c"})
	})
}

// Aged front is given up by itself (KIN-125, KIN-126, KIN-127, KIN-128, KIN-129, KIN-230).
func TestAgedFrontIsGivenUpByItself(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("old", "older")
		time.Sleep(61 * time.Second)
		s.Put("k", []byte("young"))
		s.End()
		j, f := newJournal(), &failures{}
		mustRun(t, mustNew(t, s.Source("app"), j.handler(nil), j.config(esm.Config{
			BatchSize: 10, MaximumBatchingWindow: time.Second, MaximumRecordAge: time.Minute, OnFailure: f,
		})))
		equal(t, "invoked", j.batches, [][]string{{"young"}})
		equal(t, "failure records", f.summary(), []string{"RecordAgeExceeded old,older x1"})
		if f.records[0].Response != nil {
			t.Error("a record for aged records has a responseContext (DST-16)")
		}
	})
}

func TestAgeEndsARetryWaitInTime_RTY12(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a")
		s.End()
		j, f := newJournal(), &failures{}
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("a")), j.config(esm.Config{
			MaximumRecordAge: time.Minute, OnFailure: f,
			RetryBackoff: retry.Backoff{Initial: 45 * time.Second, Max: time.Hour},
		})))
		if took := time.Since(j.began); took > time.Minute+time.Second {
			t.Errorf("given up after %v", took)
		}
		equal(t, "failure records", f.summary(), []string{"RecordAgeExceeded a x2"})
	})
}

// Throttles are not counted (KIN-123, KIN-142, KIN-227).
func TestThrottlesAreNotCounted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a")
		s.End()
		j, f := newJournal(), &failures{}
		tries := 0
		mustRun(t, mustNew(t, s.Source("app"), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			if tries++; tries <= 20 {
				return esm.Response{}, fmt.Errorf("later: %w", &esm.ThrottleError{Err: errHandler})
			}
			return esm.Response{}, nil
		}), j.config(esm.Config{MaximumRetryAttempts: new(0), BisectBatchOnFunctionError: true, OnFailure: f})))
		equal(t, "given up", len(f.records), 0)
		equal(t, "throttled", j.count(esm.ThrottledEventCount), 20)
		equal(t, "failed", j.count(esm.FailedInvokeEventCount), 0)
	})
}

// Each sub-lane gathers batches of its own, of BatchSize and for the window.
func TestSublanesHaveBatchesOfTheirOwn_KIN108(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		for i := range 10 {
			for _, key := range []string{"a", "b", "c"} {
				s.Put(key, []byte(key+strconv.Itoa(i)))
			}
		}
		j := newJournal()
		stop := background(t, mustNew(t, s.Source("app"), j.handler(nil), j.config(esm.Config{
			BatchSize: 5, ParallelizationFactor: 10, MaximumBatchingWindow: 10 * time.Second,
		})))
		time.Sleep(time.Second)
		synctest.Wait()
		for _, n := range j.sizes() {
			if n != 5 {
				t.Errorf("a batch of %d before the window is over", n)
			}
		}
		s.Put("a", []byte("a10"))
		time.Sleep(8 * time.Second)
		synctest.Wait()
		equal(t, "records before the window is over", len(j.seen()), 30)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		equal(t, "records after it", len(j.seen()), 31)
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// TestSublanesDoNotWaitForEachOther holds up one key and looks on as the others
// go by, while the position stays before the held one (P3, P6, KIN-101, KIN-105, KIN-107).
func TestSublanesDoNotWaitForEachOther(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		for i := range 20 {
			for k := range 10 {
				s.Put(strconv.Itoa(k), fmt.Appendf(nil, "%d:%d", k, i))
			}
		}
		j := newJournal()
		release := make(chan struct{})
		m := mustNew(t, s.Source("app"), j.handler(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if records[0].Key == "0" {
				<-release
			}
			time.Sleep(time.Second) // so that they overlap
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 5, ParallelizationFactor: 10, Timeout: 15 * time.Minute}))
		stop := background(t, m)
		time.Sleep(time.Minute)
		partition := s.Partitions()[0]
		equal(t, "position", s.Position("app", partition), "")
		if n := len(j.seen()); n < 100 {
			t.Errorf("only %d of 200 records were started beside the held one", n)
		}
		close(release)
		time.Sleep(time.Minute)
		equal(t, "lag", s.Lag("app"), 0)
		_, err := stop()
		equal(t, "Run", err, nil)
		next := map[string]int{}
		for _, body := range j.seen() {
			key, number, _ := strings.Cut(body, ":")
			if number != strconv.Itoa(next[key]) {
				t.Fatalf("key %s: %s where %d was due", key, number, next[key])
			}
			next[key]++
		}
		if j.peak() < 2 || j.peak() > 10 {
			t.Errorf("%d batches in flight", j.peak())
		}
	})
}

func TestReadAheadIsBounded_P7(t *testing.T) {
	for name, config := range map[string]esm.Config{
		"records": {BatchSize: 5},
		"bytes":   {BatchSize: 1000, MaximumBufferedBytes: 20_000},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := memory.NewStream(memory.StreamOptions{})
				for range 10_000 {
					s.Put("k", make([]byte, 100))
				}
				j := newJournal()
				config.Timeout = 15 * time.Minute
				m := mustNew(t, s.Source("app"), j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
					<-ctx.Done()
					return esm.Response{}, ctx.Err()
				}), j.config(config))
				stop := background(t, m)
				time.Sleep(time.Minute)
				if n := j.count(esm.PolledEventCount); n > 200 {
					t.Errorf("read %d records ahead", n)
				}
				_, _ = stop()
			})
		})
	}
}

// What is finished behind a record that hangs does not count as read ahead: the other
// sub-lanes go on, and without a pause.
func TestHangingRecordDoesNotStopOtherSublanes_P6(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("hangs")
		for range 2000 {
			for _, key := range []string{"a", "b", "c", "d", "e", "f"} {
				s.Put(key, []byte(key))
			}
		}
		j := newJournal()
		stop := background(t, mustNew(t, s.Source("app"), j.handler(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
			if string(records[0].Data) == "hangs" {
				<-ctx.Done()
			}
			return esm.Response{}, ctx.Err()
		}), j.config(esm.Config{BatchSize: 1, ParallelizationFactor: 10, Timeout: 15 * time.Minute, DrainTimeout: time.Second})))
		time.Sleep(time.Second)
		seen := map[string]int{}
		for _, body := range j.seen() {
			seen[body]++
		}
		delete(seen, "hangs")
		if len(seen) < 4 { // a key may share the lane of the one that hangs
			t.Fatalf("handled of %d keys: %v", len(seen), seen)
		}
		for key, n := range seen {
			if n < 100 {
				t.Errorf("%d records of key %s handled", n, key)
			}
		}
		_, _ = stop()
	})
}

func TestFetchOverlapsTheHandler(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(numbers(30)...)
		j := newJournal()
		m := mustNew(t, s.Source("app"), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(time.Minute)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 10, Timeout: 2 * time.Minute, DrainTimeout: 5 * time.Minute}))
		stop := background(t, m)
		equal(t, "read while the first batch runs", j.count(esm.PolledEventCount), 30)
		_, _ = stop()
	})
}

func TestChildrenFollowParents_KIN66(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(numbers(10)...)
		parent := s.Partitions()[0]
		if _, _, err := s.Split(parent); err != nil {
			t.Fatal(err)
		}
		for i := 10; i < 20; i++ {
			s.Put(strconv.Itoa(i), fmt.Append(nil, i))
		}
		s.End()
		j := newJournal()
		mustRun(t, mustNew(t, s.Source("app"), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			time.Sleep(time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 3})))
		equal(t, "the parent's records first", j.seen()[:10], numbers(10))
		equal(t, "all", len(j.seen()), 20)
		equal(t, "lag", s.Lag("app"), 0)
	})
}

func TestLostPartitionIsDropped_P3(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(numbers(10)...)
		first := newJournal()
		m := mustNew(t, s.Source("app"), first.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Second):
			}
			return esm.Response{}, nil
		}), first.config(esm.Config{BatchSize: 5}))
		stop := background(t, m)
		started := len(first.seen())
		second := newJournal()
		takeover := background(t, mustNew(t, s.Source("app"), second.handler(nil), second.config(esm.Config{BatchSize: 5})))
		time.Sleep(time.Minute)
		equal(t, "the new owner handles all", second.seen(), numbers(10))
		equal(t, "lag", s.Lag("app"), 0)
		equal(t, "the old owner settled nothing", first.count(esm.CommittedEventCount), 0)
		equal(t, "and started nothing more", len(first.seen()), started)
		_, err := stop()
		equal(t, "Run of the old owner", err, nil)
		_, _ = takeover()
	})
}

func TestFilteredRecordsMoveThePosition_KIN206(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(numbers(100)...)
		s.End()
		j := newJournal()
		mustRun(t, mustNew(t, s.Source("app"), j.handler(nil), j.config(esm.Config{
			BatchSize: 10, Filter: func(r *sources.Record) bool { return string(r.Data) == "42" },
		})))
		equal(t, "handled", j.seen(), []string{"42"})
		equal(t, "lag", s.Lag("app"), 0)
		equal(t, "filtered out", j.count(esm.FilteredOutEventCount), 99)
	})
}

// Destination in trouble loses nothing (P1, DST-87).
func TestDestinationInTroubleLosesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison", "b")
		s.End()
		j := newJournal()
		tries := 0
		destination := esm.DestinationFunc(func(context.Context, *esm.FailureRecord) error {
			if s.Lag("app") != 2 {
				t.Error("the position moved before the delivery")
			}
			switch tries++; tries {
			case 1:
				panic("destination panics")
			case 2, 3:
				return errors.New("destination is down")
			}
			return nil
		})
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(0), OnFailure: destination,
		})))
		equal(t, "deliveries tried", tries, 4)
		equal(t, "lag", s.Lag("app"), 0)
		equal(t, "delivery errors", j.count(esm.OnFailureDestinationDeliveryErrorCount), 3)
	})
}

// Record too large goes to the destination (ESM-41, KIN-201).
func TestRecordTooLargeGoesToTheDestination(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a", strings.Repeat("x", 3000), "c")
		s.End()
		j, f := newJournal(), &failures{}
		mustRun(t, mustNew(t, s.Source("app"), j.handler(nil), j.config(esm.Config{
			BatchSize: 10, MaximumBatchBytes: 2000, OnFailure: f,
		})))
		equal(t, "handled", j.seen(), []string{"a", "c"})
		equal(t, "failure records", len(f.records), 1)
		equal(t, "condition", f.records[0].Condition, retry.MaximumPayloadSizeExceeded)
		equal(t, "lag", s.Lag("app"), 0)
	})
}

// Stop in mid batch keeps the position (P2, P12).
func TestStopInMidBatchKeepsThePosition(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(numbers(10)...)
		j := newJournal()
		m := mustNew(t, s.Source("app"), j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			<-ctx.Done()
			return esm.Response{}, context.Cause(ctx)
		}), j.config(esm.Config{BatchSize: 5, DrainTimeout: 3 * time.Second}))
		stop := background(t, m)
		synctest.Wait()
		took, err := stop()
		if !errors.Is(err, esm.ErrDrainTimeout) {
			t.Errorf("Run: %v", err)
		}
		equal(t, "took the drain timeout", took, 3*time.Second)
		equal(t, "lag", s.Lag("app"), 10)
	})
}

// TestBatchesFillUpWithoutAWindow has more records waiting than a batch takes (KIN-04, KIN-32).
func TestBatchesFillUpWithoutAWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf(numbers(20_000)...)
		s.End()
		j := newJournal()
		mustRun(t, mustNew(t, s.Source("app"), j.handler(nil), j.config(esm.Config{BatchSize: 1000})))
		full := 0
		for _, n := range j.sizes() {
			if n == 1000 {
				full++
			}
		}
		if full < 18 {
			t.Errorf("%d batches are full, want nearly all of them: %v", full, j.sizes())
		}
	})
}
