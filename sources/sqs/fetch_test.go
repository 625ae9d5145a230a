package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

func TestRecord_SQS04_SQS80(t *testing.T) {
	t.Parallel()

	for _, arn := range []string{standardARN, fifoARN} {
		s := newStub(arn)
		s.send("g:1")

		source, p := open(t, s, sqs.Options{})
		before := time.Now()
		r := fetch(t, p, 10, 0)[0]

		m, ok := r.Native.(*types.Message)
		if !ok || *m.Body != "g:1" || string(r.Data) != "g:1" || r.ID != "id-g:1" || r.Time.UnixMilli() != 1763900000123 {
			t.Errorf("%s: record %+v", arn, r)
		}

		if key := map[string]string{standardARN: "", fifoARN: "g"}[arn]; r.Key != key {
			t.Errorf("%s: key %q, want %q", arn, r.Key, key)
		}

		if left := r.Expires.Sub(before); left < 29*time.Second || left > 30*time.Second {
			t.Errorf("%s: expires in %v, want between 29s and 30s", arn, left)
		}

		size := len(source.AppendEvent(nil, p.ID(), []sources.Record{r})) - source.Traits().EventOverhead
		if r.Size < size {
			t.Errorf("%s: size %d is less than %d", arn, r.Size, size)
		}

		in := s.log("ReceiveMessage")[0].receive
		if in.MessageAttributeNames[0] != "All" || in.MessageSystemAttributeNames[0] != "All" {
			t.Errorf("%s: does not ask for all attributes", arn)
		}

		closePartition(t, p)
	}
}

func TestReceiveParameters_SQS05(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			places    int
			wait      time.Duration
			max, long int32
		}{
			{3, 0, 3, 0}, {25, 0, 10, 0}, {3, -time.Second, 3, 0},
			{3, 1, 3, 1}, {3, 1001 * time.Millisecond, 3, 2}, {3, 4 * time.Second, 3, 4},
			{3, time.Hour, 10, 5}, {10, time.Hour, 10, 5},
		} {
			s := newStub(standardARN)
			_, p := open(t, s, sqs.Options{WaitTime: 5 * time.Second})

			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), max(test.wait, time.Second))
			n, _ := p.Fetch(ctx, make([]sources.Record, test.places), test.wait)
			cancel()

			in := s.log("ReceiveMessage")[0].receive
			if n != 0 || in.MaxNumberOfMessages != test.max || in.WaitTimeSeconds != test.long {
				t.Errorf("%+v: asked for %d, %d s", test, in.MaxNumberOfMessages, in.WaitTimeSeconds)
			}

			if took := time.Since(began); took > max(test.wait, 0)+time.Second {
				t.Errorf("%+v: took %v", test, took)
			}

			closePartition(t, p)
		}
	})
}

// lanes runs n lanes that fetch places at a time and ack, until all messages
// are deleted; it returns how often each was handed out.
func lanes(t *testing.T, p sources.Partition, n, places, total int) map[string]int {
	t.Helper()

	var (
		mu   sync.Mutex
		seen = map[string]int{}
		wg   sync.WaitGroup
	)

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	for range n {
		wg.Go(func() {
			buf := make([]sources.Record, places)

			for ctx.Err() == nil {
				got, err := p.Fetch(ctx, buf, 20*time.Second)
				if err != nil && !errors.Is(err, context.Canceled) {
					time.Sleep(time.Second)
				}

				time.Sleep(50 * time.Millisecond)

				err = p.Ack(context.WithoutCancel(ctx), buf[:got])
				if err != nil {
					t.Errorf("Ack: %v", err)
				}

				mu.Lock()
				for _, r := range buf[:got] {
					seen[r.ID]++
				}

				if len(seen) == total {
					cancel()
				}
				mu.Unlock()
			}
		})
	}

	wg.Wait()

	return seen
}

func TestSharedReceives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const total = 200

		s := newStub(standardARN)
		for i := range total {
			s.send(fmt.Sprint("m", i))
		}

		_, p := open(t, s, sqs.Options{})
		for id, n := range lanes(t, p, 7, 1, total) {
			if n != 1 {
				t.Errorf("%s handed out %d times", id, n)
			}
		}

		closePartition(t, p)

		if calls := len(s.log("ReceiveMessage")); calls > total/10+10 {
			t.Errorf("%d receives for %d messages", calls, total)
		}
	})
}

// An idle source costs its long polls and nothing else.
func TestIdleLanesShareReceives(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		_, p := open(t, s, sqs.Options{})

		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()

		var wg sync.WaitGroup

		fetches := make([]int, 25)
		for lane := range fetches {
			wg.Go(func() {
				time.Sleep(time.Duration(lane) * 300 * time.Millisecond)

				for ctx.Err() == nil {
					began := time.Now()
					n, err := p.Fetch(ctx, make([]sources.Record, 1), 20*time.Second)

					if ctx.Err() == nil && (n != 0 || err != nil || time.Since(began) < 20*time.Second ||
						time.Since(began) > 41*time.Second) {
						t.Errorf("Fetch: %d, %v after %v", n, err, time.Since(began))
					}

					fetches[lane]++
				}
			})
		}

		wg.Wait()
		closePartition(t, p)

		if calls := len(s.log("ReceiveMessage")); calls > 3*31+3 {
			t.Errorf("%d receives in ten minutes, want three each 20 s", calls)
		}
	})
}

func TestEmptyAnswersAreNoHotLoop(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, places := range []int{1, 10} {
			s := newStub(standardARN)
			s.empty = true
			_, p := open(t, s, sqs.Options{})

			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)

			for ctx.Err() == nil {
				_, _ = p.Fetch(ctx, make([]sources.Record, places), 20*time.Second)
			}

			cancel()
			closePartition(t, p)

			if calls := len(s.log("ReceiveMessage")); calls > 62 {
				t.Errorf("%d receives in a minute", calls)
			}
		}
	})
}

// Stock that lay too long ends the surplus for a minute.
func TestSurplusOnlyWhileItMoves(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		_, p := open(t, s, sqs.Options{})

		s.send("a", "b")
		fetch(t, p, 1, 20*time.Second) // b is stock

		time.Sleep(4 * time.Second) // more than a tenth of 30 s

		if got := bodies(fetch(t, p, 1, 20*time.Second)); got != "b" {
			t.Errorf("got %q, want the stock", got)
		}

		s.send("c", "d")
		fetch(t, p, 1, 20*time.Second)
		time.Sleep(61 * time.Second)
		s.send("e")
		fetch(t, p, 1, 20*time.Second)
		closePartition(t, p)

		calls := s.log("ReceiveMessage")
		for i, want := range []int32{10, 1, 10} {
			if got := calls[i].receive.MaxNumberOfMessages; got != want {
				t.Errorf("receive %d asked for %d, want %d", i, got, want)
			}
		}
	})
}

func TestExpiredStockIsDropped_SQS40(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		_, p := open(t, s, sqs.Options{})

		s.send("a", "b")
		fetch(t, p, 1, 20*time.Second)
		time.Sleep(29500 * time.Millisecond)

		if got := fetch(t, p, 2, 0); len(got) != 0 {
			t.Errorf("got %q, which is about to be visible again", bodies(got))
		}

		closePartition(t, p)

		if calls := s.log("ChangeMessageVisibilityBatch"); len(calls) != 0 {
			t.Errorf("gave back what had expired: %v", calls)
		}
	})
}

func TestFIFOReceivesAreNotShared_SQS30(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(fifoARN)
		_, p := open(t, s, sqs.Options{})

		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() { fetch(t, p, 2, 20*time.Second) })
		}

		wg.Wait()
		s.send("a:1", "a:2", "a:3", "b:1")

		first, second := bodies(fetch(t, p, 2, 0)), bodies(fetch(t, p, 2, 0))
		if first != "a:1 a:2" || second != "b:1" {
			t.Errorf("got %q and %q", first, second)
		}

		closePartition(t, p)

		for _, c := range s.log("ReceiveMessage") {
			if c.receive.MaxNumberOfMessages != 2 {
				t.Errorf("asked for %d", c.receive.MaxNumberOfMessages)
			}
		}
	})
}
