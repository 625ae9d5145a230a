package sqs_test

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

// One failed receive is one error, whoever waits for it; the others get nothing, and
// the partition makes no further receive for them.
func TestReceiveFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []string{"RequestThrottled", "InternalFailure", "ServiceUnavailable", "AccessDenied"} {
			for places, receives := range map[int]int{1: 10, 10: 100} {
				s := newStub(standardARN)
				fault := apiError(code)
				s.before = func(op string) error {
					if op == "ReceiveMessage" {
						time.Sleep(10 * time.Millisecond)
						return fault
					}
					return nil
				}
				_, p := open(t, s, sqs.Options{})
				var (
					wg   sync.WaitGroup
					errs atomic.Int64
				)
				for range 100 {
					wg.Go(func() {
						n, err := p.Fetch(t.Context(), make([]sources.Record, places), 20*time.Second)
						if err != nil {
							errs.Add(1)
						}
						if n != 0 || err != nil && (!errors.Is(err, fault) || errors.Is(err, sources.ErrUnusable)) {
							t.Errorf("%s: Fetch: %d, %v", code, n, err)
						}
					})
				}
				wg.Wait()
				if got := len(s.log("ReceiveMessage")); got != receives || int(errs.Load()) != receives {
					t.Errorf("%s: %d receives and %d errors for 100 Fetches of %d places, want %d of each",
						code, got, errs.Load(), places, receives)
				}
				fault = nil
				s.send("a")
				if got := bodies(fetch(t, p, places, 20*time.Second)); got != "a" {
					t.Errorf("%s: got %q after the fault", code, got)
				}
				closePartition(t, p)
			}
		}
	})
}

// An error that nobody waits for is told to the mapping.
func TestErrorWithoutAFetchIsReported_P14(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.before = func(op string) error {
			if op == "ReceiveMessage" {
				time.Sleep(5 * time.Second)
				return apiError("InternalFailure")
			}
			return nil
		}
		var reported atomic.Value
		p := openWith(t, s, sqs.Options{}, sources.Settings{
			BatchSize: 10, Timeout: time.Second, Report: func(err error) { reported.Store(err) },
		})
		if n, err := p.Fetch(t.Context(), make([]sources.Record, 10), time.Second); n != 0 || err != nil {
			t.Errorf("Fetch: %d, %v", n, err)
		}
		time.Sleep(5 * time.Second)
		if err, _ := reported.Load().(error); err == nil || !strings.Contains(err.Error(), "ReceiveMessage on queue orders: InternalFailure") {
			t.Errorf("reported %v", err)
		}
		closePartition(t, p)
	})
}

// A queue that is deleted while it is read is told as such; it may be made again.
func TestDeletedQueueIsToldAsSuch(t *testing.T) {
	t.Parallel()
	s := newStub(standardARN)
	_, p := open(t, s, sqs.Options{})
	s.before = func(string) error { return apiError("AWS.SimpleQueueService.NonExistentQueue") }
	_, err := p.Fetch(t.Context(), make([]sources.Record, 10), 20*time.Second)
	if err == nil || errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "does not exist any more (create it") {
		t.Errorf("Fetch: %v", err)
	}
	closePartition(t, p)
}

// A receive whose answer is lost leaves its messages to the visibility timeout.
func TestReceiveCutAfter_SQS40(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.send("a")
		var once sync.Once
		s.after = func(string) error {
			var err error
			once.Do(func() { err = errors.New("connection cut") })
			return err
		}
		_, p := open(t, s, sqs.Options{})
		_, err := p.Fetch(t.Context(), make([]sources.Record, 1), 20*time.Second)
		if err == nil {
			t.Error("no error")
		}
		time.Sleep(25 * time.Second)
		fetch(t, p, 1, 20*time.Second)
		if got := bodies(fetch(t, p, 1, 20*time.Second)); got != "a" {
			t.Errorf("got %q, want the message again", got)
		}
		closePartition(t, p)
	})
}
