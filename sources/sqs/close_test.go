package sqs_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

func TestCancelledFetchLosesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, arn := range []string{standardARN, fifoARN} {
			for _, places := range []int{1, 10} {
				s := newStub(arn)
				_, p := open(t, s, sqs.Options{})
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				began := time.Now()
				n, err := p.Fetch(ctx, make([]sources.Record, places), 20*time.Second)
				cancel()
				if n != 0 || !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Second {
					t.Errorf("Fetch: %d, %v after %v", n, err, time.Since(began))
				}
				s.send("a:1")
				time.Sleep(time.Second)
				if got := s.state("a:1"); got != "hidden" {
					t.Errorf("%s: the receive under way brought nothing: %s", arn, got)
				}
				closePartition(t, p)
				if got := s.state("a:1"); got != "visible" {
					t.Errorf("%s: after Close the message is %s", arn, got)
				}
			}
		}
	})
}

func TestCancelledFetchServesTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, arn := range []string{standardARN, fifoARN} {
			s := newStub(arn)
			_, p := open(t, s, sqs.Options{})
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _ = p.Fetch(ctx, make([]sources.Record, 10), 20*time.Second)
			cancel()
			s.send("a:1", "a:2", "b:1")
			time.Sleep(time.Second)
			first := bodies(fetch(t, p, 2, 0))
			second := bodies(fetch(t, p, 3, 0))
			closePartition(t, p)

			// What a FIFO receive brought is not split (P4).
			want := map[string][2]string{standardARN: {"a:1 a:2", "b:1"}, fifoARN: {"", "a:1 a:2 b:1"}}[arn]
			if first != want[0] || second != want[1] {
				t.Errorf("%s: got %q and %q, want %q", arn, first, second, want)
			}
		}
	})
}

func TestCloseWaitsForTheReceive(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		_, p := open(t, s, sqs.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _ = p.Fetch(ctx, make([]sources.Record, 1), 20*time.Second)
		cancel()
		time.AfterFunc(5*time.Second, func() { s.send("late") })
		closePartition(t, p)
		if got := s.state("late"); got != "visible" || len(s.log("ChangeMessageVisibilityBatch")) != 1 {
			t.Errorf("the message that came during Close is %s", got)
		}
	})
}

func TestCloseIsBoundedByContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, p := open(t, newStub(standardARN), sqs.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		_, _ = p.Fetch(ctx, make([]sources.Record, 1), 20*time.Second)
		cancel()
		ctx, cancel = context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		err := p.Close(ctx)
		if err != nil || time.Since(began) != 2*time.Second {
			t.Errorf("Close: %v after %v", err, time.Since(began))
		}
	})
}

// lateRecords has a receive answered after its Fetch left, with messages a:1 and a:2.
func lateRecords(t *testing.T, s *stub, p sources.Partition) {
	t.Helper()
	if n := len(fetch(t, p, 10, time.Second)); n > 0 {
		t.Fatalf("%d records", n)
	}
	s.send("a:1", "a:2")
	time.Sleep(time.Second)
	if s.state("a:1") != "hidden" || s.state("a:2") != "hidden" {
		t.Fatalf("a:1 is %s, a:2 is %s", s.state("a:1"), s.state("a:2"))
	}
}

// slowReceives has every receive answered 1.5 s later.
func slowReceives(s *stub) {
	s.before = func(op string) error {
		if op == "ReceiveMessage" {
			time.Sleep(1500 * time.Millisecond)
		}
		return nil
	}
}

// What came late waits for a Fetch, and is kept as long as it must: given back it
// would count a receive that started nothing, and might end as a dead letter.
func TestLateRecordsAreKept_P5(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{standardARN, fifoARN} {
		synctest.Test(t, func(t *testing.T) {
			s := newStub(arn)
			slowReceives(s)
			s.visibility = 15 * time.Minute
			p := openWith(t, s, sqs.Options{}, sources.Settings{BatchSize: 10, Timeout: 15 * time.Minute})
			lateRecords(t, s, p)
			time.Sleep(15 * time.Minute) // the only lane's handler
			records := fetch(t, p, 10, 0)
			if bodies(records) != "a:1 a:2" || time.Until(records[0].Expires) < 15*time.Minute {
				t.Errorf("got %q, which expire in %v", bodies(records), time.Until(records[0].Expires))
			}
			if got := receives(records[0]); got != "1" {
				t.Errorf("received %s times", got)
			}
			closePartition(t, p)
		})
	}
}

// They are not kept for ever if no Fetch comes.
func TestLateRecordsAreGivenBackInTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		slowReceives(s)
		_, p := open(t, s, sqs.Options{})
		lateRecords(t, s, p)
		time.Sleep(32 * time.Second)
		if got := s.state("a:1"); got != "hidden" {
			t.Errorf("a:1 is %s while a Fetch may come", got)
		}
		time.Sleep(35 * time.Second)
		if got := s.state("a:1"); got != "visible" {
			t.Errorf("a:1 is %s and no Fetch came", got)
		}
		closePartition(t, p)
	})
}

func receives(r sources.Record) string {
	m, _ := r.Native.(*types.Message)
	return m.Attributes["ApproximateReceiveCount"]
}

// What came late and cannot be kept is given back, and told.
func TestLateRecordsThatCannotBeKept(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{standardARN, fifoARN} {
		synctest.Test(t, func(t *testing.T) {
			var text strings.Builder
			s := newStub(arn)
			slowReceives(s)
			refused := 0
			s.entry = func(_ string, i int, _ string) *types.BatchResultErrorEntry {
				if refused == 0 && i == 1 {
					refused++
					return &types.BatchResultErrorEntry{Code: aws.String("InternalError")}
				}
				return nil
			}
			_, p := open(t, s, sqs.Options{Logger: slog.New(slog.NewTextHandler(&text, nil))})
			lateRecords(t, s, p)
			time.Sleep(31 * time.Second)
			// What came together in a FIFO queue goes back together (P4).
			kept, told := "hidden", "messages=1"
			if arn == fifoARN {
				kept, told = "visible", "messages=2"
			}
			if s.state("a:1") != kept || s.state("a:2") != "visible" {
				t.Errorf("%s: a:1 is %s, a:2 is %s", arn, s.state("a:1"), s.state("a:2"))
			}
			closePartition(t, p)
			if !strings.Contains(text.String(), "not started in time") || !strings.Contains(text.String(), told) {
				t.Errorf("%s: logged %q, want %q", arn, text.String(), told)
			}
		})
	}
}

func TestCloseReleasesWhatCameLate_P11(t *testing.T) {
	t.Parallel()
	for _, heartbeat := range []bool{false, true} {
		for _, age := range []time.Duration{0, 20 * time.Second, 34 * time.Second, time.Hour} {
			synctest.Test(t, func(t *testing.T) {
				s := newStub(standardARN)
				slowReceives(s)
				_, p := open(t, s, sqs.Options{Heartbeat: heartbeat})
				lateRecords(t, s, p)
				time.Sleep(age)
				closePartition(t, p)
				if s.state("a:1") != "visible" || s.state("a:2") != "visible" {
					t.Errorf("after %v and Close a:1 is %s and a:2 %s", age, s.state("a:1"), s.state("a:2"))
				}
			})
		}
	}
}

// Stop ends the reading: what a receive under way brings is still handed out.
func TestStop(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{standardARN, fifoARN} {
		for _, places := range []int{1, 10} {
			synctest.Test(t, func(t *testing.T) {
				s := newStub(arn)
				_, p := open(t, s, sqs.Options{})
				stop := p.(sources.Stopper).Stop
				time.AfterFunc(5*time.Second, stop)
				time.AfterFunc(8*time.Second, func() { s.send("a:1") })
				if got := bodies(fetch(t, p, places, 20*time.Second)); got != "a:1" {
					t.Errorf("got %q", got)
				}
				stop()
				began := time.Now()
				n, err := p.Fetch(t.Context(), make([]sources.Record, places), 20*time.Second)
				if n != 0 || !errors.Is(err, sources.ErrEnd) || time.Since(began) > 0 || len(s.log("ReceiveMessage")) != 1 {
					t.Errorf("Fetch after Stop: %d, %v after %v, %d receives", n, err, time.Since(began), len(s.log("ReceiveMessage")))
				}
				closePartition(t, p)
			})
		}
	}
}

// A Fetch that waits for a receive that others share ends when that ended, and one
// for which none is under way at once.
func TestStopEndsTheFetchesThatWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		_, p := open(t, s, sqs.Options{})
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				began := time.Now()
				n, err := p.Fetch(t.Context(), make([]sources.Record, 10), time.Hour)
				if n != 0 || !errors.Is(err, sources.ErrEnd) || time.Since(began) != 20*time.Second {
					t.Errorf("Fetch: %d, %v after %v", n, err, time.Since(began))
				}
			})
		}
		time.Sleep(5 * time.Second)
		p.(sources.Stopper).Stop()
		wg.Wait()
		closePartition(t, p)
	})
}

// A receive under way is for fewer messages than the Fetch has room for that waits when
// the reading ends: it was another's, which left. What it brings is handed out.
func TestStopLeavesAFetchForEachReceive_P5(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		_, p := open(t, s, sqs.Options{})
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		_, _ = p.Fetch(ctx, make([]sources.Record, 1), 10*time.Second)
		time.AfterFunc(time.Millisecond, p.(sources.Stopper).Stop)
		time.AfterFunc(3*time.Second, func() { s.send("late") })
		got := make([]sources.Record, 9)
		n, err := p.Fetch(t.Context(), got, 20*time.Second)
		if bodies(got[:n]) != "late" || err != nil {
			t.Errorf("got %q, %v, want the message", bodies(got[:n]), err)
		}
		closePartition(t, p)
		if n := len(s.log("ChangeMessageVisibilityBatch")); n != 0 {
			t.Errorf("given back in %d calls", n)
		}
	})
}
