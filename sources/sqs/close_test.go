package sqs_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

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

// TestCloseReleasesOldStock_P11 closes when stock is too old to be handed out
// before the next heartbeat, but not the queue's again yet.
func TestCloseReleasesOldStock_P11(t *testing.T) {
	t.Parallel()

	const visibility = 30 * time.Second

	for name, test := range map[string]struct {
		heartbeat bool
		age       time.Duration
		want      string
		calls     int
	}{
		"young":             {age: visibility / 3, want: "visible", calls: 1},
		"beating":           {heartbeat: true, age: visibility * 2 / 3, want: "visible", calls: 1},
		"the queue's":       {age: visibility - time.Second, want: "hidden"},
		"the queue's, beat": {heartbeat: true, age: visibility - time.Second, want: "hidden"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := newStub(standardARN)
				s.send("handled", "a", "b")

				_, p := open(t, s, sqs.Options{Heartbeat: test.heartbeat})

				err := p.Ack(t.Context(), fetch(t, p, 1, 20*time.Second))
				if err != nil {
					t.Error(err)
				}

				time.Sleep(test.age)
				closePartition(t, p)

				calls := len(s.log("ChangeMessageVisibilityBatch"))
				if s.state("a") != test.want || s.state("b") != test.want || calls != test.calls {
					t.Errorf("after Close the stock is %s and %s with %d calls, want %s with %d",
						s.state("a"), s.state("b"), calls, test.want, test.calls)
				}
			})
		})
	}
}
