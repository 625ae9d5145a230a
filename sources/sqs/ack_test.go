package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

func TestAckInTens_SQS60(t *testing.T) {
	t.Parallel()
	s := newStub(standardARN)
	for i := range 25 {
		s.send(fmt.Sprint("m", i))
	}
	_, p := open(t, s, sqs.Options{})
	var records []sources.Record
	for range 3 {
		records = append(records, fetch(t, p, 10, 0)...)
	}
	for range 2 { // settling twice is harmless
		err := p.Ack(t.Context(), records)
		if err != nil {
			t.Error(err)
		}
	}
	closePartition(t, p)
	for i := range 25 {
		if got := s.state(fmt.Sprint("m", i)); got != "deleted" {
			t.Errorf("m%d is %s", i, got)
		}
	}
	if calls := len(s.log("DeleteMessageBatch")); calls != 6 {
		t.Errorf("%d calls, want 6", calls)
	}
}

// Ack partial failure (SQS-62, SQS-63).
func TestAckPartialFailure(t *testing.T) {
	t.Parallel()
	s := newStub(standardARN)
	s.send("ok", "throttled", "invalid", "expired", "fault")
	s.entry = func(_ string, i int, handle string) *types.BatchResultErrorEntry {
		entry := [5]*types.BatchResultErrorEntry{
			1: {Code: aws.String("RequestThrottled"), SenderFault: true},
			2: {Code: aws.String("AWS.SimpleQueueService.ReceiptHandleIsInvalid"), SenderFault: true},
			3: {Code: aws.String("InvalidParameterValue"), SenderFault: true},
			4: {Code: aws.String("InternalError")},
		}[i]
		if entry != nil {
			entry.Message = aws.String("Value " + handle + " is invalid")
		}
		return entry
	}
	_, p := open(t, s, sqs.Options{})
	err := p.Ack(t.Context(), fetch(t, p, 10, 0))
	partial, ok := errors.AsType[*sources.AckError](err)
	if !ok || bodies(partial.Unsettled) != "throttled fault" || bodies(partial.Stale) != "invalid expired" {
		t.Fatalf("got %v, %+v", err, partial)
	}
	if strings.Contains(err.Error(), secret) {
		t.Errorf("%q tells a receipt handle", err)
	}
	if got := s.state("ok"); got != "deleted" {
		t.Errorf("ok is %s", got)
	}
	closePartition(t, p)
}

func TestAckNotMentionedIsUnsettled(t *testing.T) {
	t.Parallel()
	s := newStub(standardARN)
	s.send("a", "b")
	s.forget = true
	_, p := open(t, s, sqs.Options{})
	err := p.Ack(t.Context(), fetch(t, p, 10, 0))
	partial, ok := errors.AsType[*sources.AckError](err)
	if !ok || len(partial.Unsettled) != 2 || len(partial.Stale) != 0 {
		t.Errorf("got %v", err)
	}
	closePartition(t, p)
}

func TestAckFaults(t *testing.T) {
	t.Parallel()
	for _, cutAfter := range []bool{false, true} {
		s := newStub(standardARN)
		for i := range 20 {
			s.send(fmt.Sprint("m", i))
		}
		_, p := open(t, s, sqs.Options{})
		records := append(fetch(t, p, 10, 0), fetch(t, p, 10, 0)...)
		fault := apiError("RequestThrottled")
		hook := func(string) error { return fault }
		if cutAfter {
			s.after = hook
		} else {
			s.before = hook
		}
		err := p.Ack(t.Context(), records)
		partial, ok := errors.AsType[*sources.AckError](err)
		if !ok || len(partial.Unsettled) != 20 || !errors.Is(err, fault) || strings.Contains(err.Error(), secret) {
			t.Errorf("got %v", err)
		}
		fault = nil
		err = p.Ack(t.Context(), records) // the engine's next attempt
		if err != nil {
			t.Errorf("second attempt: %v", err)
		}
		closePartition(t, p)
	}
}

// A message that was handled, but whose delete was lost, is not handled again.
func TestRepeatIsDeletedNotHandled_SQS62(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, places := range []int{1, 10} {
			s := newStub(standardARN)
			s.send("a")
			source, p := open(t, s, sqs.Options{})
			s.before = func(op string) error {
				if op == "DeleteMessageBatch" {
					return apiError("ServiceUnavailable")
				}
				return nil
			}
			err := p.Ack(t.Context(), fetch(t, p, places, 20*time.Second))
			if err == nil {
				t.Error("no error")
			}
			time.Sleep(49 * time.Second)

			// Its delete fails again, and is tried again at the next delivery.
			if got := fetch(t, p, places, 0); len(got) != 0 || s.state("a") != "hidden" {
				t.Errorf("handed out %q again", bodies(got))
			}
			time.Sleep(49 * time.Second)
			synctest.Wait() // for the call that asks for the backlog
			s.before = nil
			s.send("b")
			if got := bodies(fetch(t, p, places, 20*time.Second)); got != "b" {
				t.Errorf("got %q, want the other", got)
			}
			synctest.Wait()
			if got := s.state("a"); got != "deleted" || source.Repeats() != 2 {
				t.Errorf("a is %s after %d repeats", got, source.Repeats())
			}
			closePartition(t, p)
		}
	})
}

func TestAckedLaterIsForgotten(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.send("a")
		source, p := open(t, s, sqs.Options{})
		records := fetch(t, p, 1, 0)
		s.before = func(string) error { return apiError("ServiceUnavailable") }
		_ = p.Ack(t.Context(), records)
		s.before = nil
		err := p.Ack(t.Context(), records)
		if err != nil {
			t.Error(err)
		}
		s.mu.Lock()
		s.messages[0].deleted = false // as if it were sent again
		s.mu.Unlock()
		time.Sleep(49 * time.Second)
		if got := bodies(fetch(t, p, 1, 0)); got != "a" || source.Repeats() != 0 {
			t.Errorf("got %q after %d repeats", got, source.Repeats())
		}
		closePartition(t, p)
	})
}

func TestRelease(t *testing.T) {
	t.Parallel()
	s := newStub(standardARN)
	for i := range 12 {
		s.send(fmt.Sprint("m", i))
	}
	_, p := open(t, s, sqs.Options{})
	records := append(fetch(t, p, 10, 0), fetch(t, p, 10, 0)...)
	releaser, ok := p.(sources.Releaser)
	if !ok {
		t.Fatal("not a Releaser")
	}
	s.entry = func(_ string, _ int, handle string) *types.BatchResultErrorEntry {
		switch handle {
		case secret + "-1":
			return &types.BatchResultErrorEntry{Code: aws.String("MessageNotInflight"), SenderFault: true}
		default:
			return nil
		}
	}
	err := releaser.Release(t.Context(), records)
	if err != nil || s.state("m0") != "hidden" || s.state("m1") != "visible" || s.state("m11") != "visible" {
		t.Errorf("Release: %v", err)
	}
	s.entry = func(_ string, _ int, handle string) *types.BatchResultErrorEntry {
		return &types.BatchResultErrorEntry{Code: aws.String("InternalError"), Message: &handle}
	}
	err = releaser.Release(t.Context(), records)
	if err == nil || strings.Contains(err.Error(), secret) {
		t.Errorf("Release: %v", err)
	}
	closePartition(t, p)
}

func fail(t *testing.T, p sources.Partition, records []sources.Record) {
	t.Helper()
	failer, ok := p.(sources.Failer)
	if !ok {
		t.Fatal("not a Failer")
	}
	err := failer.Fail(t.Context(), records)
	if err != nil {
		t.Errorf("Fail: %v", err)
	}
}

// Failure is left alone (SQS-81, SQS-44).
func TestFailureIsLeftAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.send("a")
		_, p := open(t, s, sqs.Options{VisibilityTimeout: 2 * time.Minute})
		fail(t, p, fetch(t, p, 1, 0))
		time.Sleep(119 * time.Second)
		if got := s.state("a"); got != "hidden" || len(s.log("ChangeMessageVisibilityBatch")) != 0 {
			t.Errorf("a is %s", got)
		}
		again := fetch(t, p, 1, 20*time.Second)
		if m, ok := again[0].Native.(*types.Message); !ok || m.Attributes["ApproximateReceiveCount"] != "2" {
			t.Errorf("receive count %v", m)
		}
		closePartition(t, p)
	})
}

func TestFailureBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, arn := range []string{standardARN, fifoARN} {
			s := newStub(arn)
			for i := range 10 {
				s.send(fmt.Sprint("a:", i))
			}
			_, p := open(t, s, sqs.Options{FailureBackoff: retry.Backoff{Initial: 100 * time.Second, Max: 300 * time.Second}})
			for i, most := range []int32{100, 200, 300, 300} {
				fail(t, p, fetch(t, p, 10, 0))
				delays := s.log("ChangeMessageVisibilityBatch")[i].seconds
				same := true
				for _, d := range delays {
					same = same && d == delays[0]
					if d < 0 || d > most {
						t.Errorf("%s: delay %d s after %d receives, want at most %d", arn, d, i+1, most)
					}
				}
				if fifo := arn == fifoARN; same != fifo {
					t.Errorf("%s: delays %v", arn, delays)
				}
				time.Sleep(301 * time.Second)
			}
			closePartition(t, p)
		}
	})
}

func TestCancelledAckIsUnsettled(t *testing.T) {
	t.Parallel()
	s := newStub(standardARN)
	s.send("a")
	_, p := open(t, s, sqs.Options{})
	records := fetch(t, p, 1, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.before = func(string) error { return ctx.Err() }
	err := p.Ack(ctx, records)
	if partial, ok := errors.AsType[*sources.AckError](err); !ok || len(partial.Unsettled) != 1 {
		t.Errorf("got %v", err)
	}
	s.before = nil
	closePartition(t, p)
}
