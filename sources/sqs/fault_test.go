package sqs_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

func TestReceiveFaults(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, code := range []string{"RequestThrottled", "InternalFailure", "ServiceUnavailable", "AccessDenied"} {
			for _, places := range []int{1, 10} {
				s := newStub(standardARN)
				fault := apiError(code)
				s.before = func(op string) error {
					if op == "ReceiveMessage" {
						return fault
					}

					return nil
				}
				_, p := open(t, s, sqs.Options{})

				var wg sync.WaitGroup

				for range 12 { // everybody who waits is told
					wg.Go(func() {
						n, err := p.Fetch(t.Context(), make([]sources.Record, places), 20*time.Second)
						if n != 0 || !errors.Is(err, fault) || errors.Is(err, sources.ErrUnusable) {
							t.Errorf("%s: Fetch: %d, %v", code, n, err)
						}
					})
				}

				wg.Wait()

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

		fetch(t, p, 1, 20*time.Second)

		if got := bodies(fetch(t, p, 1, 20*time.Second)); got != "a" {
			t.Errorf("got %q, want the message again", got)
		}

		closePartition(t, p)
	})
}
