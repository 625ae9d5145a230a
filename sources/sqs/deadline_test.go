package sqs_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// silentOn is a service that takes calls of one action and never answers them, as on a
// dead connection.
func silentOn(t *testing.T, action string) *sqstest.Server {
	t.Helper()
	server := sqstest.New()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := server.AddQueue(standardARN, map[string]string{"VisibilityTimeout": "60"}); err != nil {
		t.Fatal(err)
	}
	server.SetFault(func(c sqstest.Call) sqstest.Fault {
		if c.Action == action {
			return sqstest.Fault{Cut: sqstest.CutBefore, Delay: 24 * time.Hour}
		}
		return sqstest.Fault{}
	})
	return server
}

// Every call has a deadline, and its error says which call on which queue was not
// answered within how long.
func TestEveryCallHasADeadline_P11(t *testing.T) {
	t.Parallel()
	const call = 15 * time.Second
	for action, test := range map[string]struct {
		do   func(ctx context.Context, source *sqs.Source, p sources.Partition, records []sources.Record) error
		want time.Duration
	}{
		"DeleteMessageBatch": {func(ctx context.Context, _ *sqs.Source, p sources.Partition, records []sources.Record) error {
			return p.Ack(ctx, records)
		}, call},
		"ChangeMessageVisibilityBatch": {func(ctx context.Context, _ *sqs.Source, p sources.Partition, records []sources.Record) error {
			return p.(sources.Releaser).Release(ctx, records)
		}, call},
		"GetQueueUrl": {func(ctx context.Context, source *sqs.Source, _ sources.Partition, _ []sources.Record) error {
			return source.Start(ctx, settings)
		}, call},
		"GetQueueAttributes": {func(ctx context.Context, source *sqs.Source, _ sources.Partition, _ []sources.Record) error {
			return source.Start(ctx, settings)
		}, call},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := silentOn(t, action)
			if _, err := server.Send("orders", "a"); err != nil {
				t.Fatal(err)
			}
			source, err := sqs.New(server.Client(), standardARN, sqs.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var (
				p       sources.Partition
				records []sources.Record
			)
			if !strings.HasPrefix(action, "Get") {
				p = openWith(t, server.Client(), sqs.Options{}, settings)
				records = fetch(t, p, 10, 0)
			}
			began := time.Now()
			err = test.do(t.Context(), source, p, records)
			want := "sqs: " + action + " on queue orders: not answered within " + test.want.String()
			if err == nil || !strings.Contains(err.Error(), want) || time.Since(began) != test.want || errors.Is(err, sources.ErrUnusable) {
				t.Errorf("%v after %v, want %q", err, time.Since(began), want)
			}
			if p != nil {
				closePartition(t, p)
			}
		})
	}
}

// A receive that is never answered fails after its long poll and ten seconds, and the
// next one is made: the mapping goes on reading (P11, P14).
func TestHungReceiveHasADeadline(t *testing.T) {
	t.Parallel()
	for _, places := range []int{1, 10, 1000} {
		synctest.Test(t, func(t *testing.T) {
			server := sqstest.New()
			if _, err := server.AddQueue(standardARN, nil); err != nil {
				t.Fatal(err)
			}
			server.Inject("ReceiveMessage", sqstest.Fault{Cut: sqstest.CutBefore, Delay: 24 * time.Hour})
			var reports atomic.Int64
			p := openWith(t, server.Client(), sqs.Options{}, sources.Settings{
				BatchSize: 10, Timeout: time.Second, Report: func(error) { reports.Add(1) },
			})
			if _, err := server.Send("orders", "a"); err != nil {
				t.Fatal(err)
			}
			began, buf := time.Now(), make([]sources.Record, places)
			n, err := p.Fetch(t.Context(), buf, 20*time.Second)
			if n != 0 || err != nil || time.Since(began) != 20*time.Second {
				t.Errorf("Fetch: %d, %v after %v, want nothing after its wait", n, err, time.Since(began))
			}
			n, err = p.Fetch(t.Context(), buf, 20*time.Second)
			const want = "sqs: ReceiveMessage on queue orders: not answered within 30s"
			if n != 0 || err == nil || err.Error() != want || time.Since(began).Round(time.Second) != 30*time.Second {
				t.Errorf("Fetch: %d, %v after %v, want %q after 30s", n, err, time.Since(began), want)
			}
			if got := bodies(fetch(t, p, places, 20*time.Second)); got != "a" {
				t.Errorf("got %q", got)
			}
			closePartition(t, p)
			if err := server.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A hung call with a wait of 0 costs a moment.
func TestHungReceiveOfAFetchThatMayNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := openWith(t, silentOn(t, "ReceiveMessage").Client(), sqs.Options{}, settings)
		for wait, most := range map[time.Duration]time.Duration{0: time.Second, time.Millisecond: time.Millisecond} {
			began := time.Now()
			n, err := p.Fetch(t.Context(), make([]sources.Record, 10), wait)
			if n != 0 || err != nil || time.Since(began) > most {
				t.Errorf("Fetch: %d, %v after %v, want nothing after %v", n, err, time.Since(began), most)
			}
		}
		closePartition(t, p)
	})
}

// One receive hangs: of three lanes that wait, two read on.
func TestHungReceiveHoldsUpOneLane_P6(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const total = 50
		server := sqstest.New()
		if _, err := server.AddQueue(standardARN, nil); err != nil {
			t.Fatal(err)
		}
		server.Inject("ReceiveMessage", sqstest.Fault{Cut: sqstest.CutBefore, Delay: 24 * time.Hour})
		p := openWith(t, server.Client(), sqs.Options{}, settings)
		var first sync.WaitGroup
		first.Go(func() { fetch(t, p, 1, 20*time.Second) })
		time.Sleep(100 * time.Millisecond)
		if _, err := server.Send("orders", numbers(total)...); err != nil {
			t.Error(err)
		}
		began := time.Now()
		if seen := lanes(t, p, 2, 1, total-1); len(seen) != total-1 || time.Since(began) > 5*time.Second {
			t.Errorf("%d messages in %v", len(seen), time.Since(began))
		}
		first.Wait()
		closePartition(t, p)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}

// An answer that comes late counts from when the receive was sent.
func TestLateAnswerCountsFromWhenItWasSent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		server := sqstest.New()
		if _, err := server.AddQueue(standardARN, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := server.Send("orders", "a"); err != nil {
			t.Fatal(err)
		}
		server.Inject("ReceiveMessage", sqstest.Fault{Delay: 8 * time.Second})
		p := openWith(t, server.Client(), sqs.Options{}, sources.Settings{BatchSize: 10, Timeout: 30 * time.Second})
		began := time.Now()
		records := fetch(t, p, 10, 20*time.Second)
		if len(records) != 1 || records[0].Expires.Sub(began) > 60*time.Second+time.Second/10 || time.Until(records[0].Expires) < 30*time.Second {
			t.Errorf("got %q after %v, which expire in %v", bodies(records), time.Since(began), time.Until(records[0].Expires))
		}
		closePartition(t, p)
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}
