package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

// Record (SQS-04, SQS-80).
func TestRecord(t *testing.T) {
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
		if left := r.Expires.Sub(before); left < 33*time.Second || left > 34*time.Second {
			t.Errorf("%s: expires in %v, want between 33s and 34s", arn, left)
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
			{3, 1, 3, 0}, {3, 999 * time.Millisecond, 3, 0}, {3, time.Second, 3, 1}, {3, 1900 * time.Millisecond, 3, 1},
			{3, 4 * time.Second, 3, 4}, {3, time.Minute, 3, 5}, {10, time.Minute, 10, 5}, {1000, time.Minute, 10, 5},
		} {
			s := newStub(standardARN)
			_, p := open(t, s, sqs.Options{WaitTime: 5 * time.Second})
			began := time.Now()
			ctx, cancel := context.WithTimeout(t.Context(), max(test.wait, time.Second)+time.Second)
			n, _ := p.Fetch(ctx, make([]sources.Record, test.places), test.wait)
			cancel()
			in := s.log("ReceiveMessage")[0].receive
			if n != 0 || in.MaxNumberOfMessages != test.max || in.WaitTimeSeconds != test.long {
				t.Errorf("%+v: asked for %d, %d s", test, in.MaxNumberOfMessages, in.WaitTimeSeconds)
			}
			if took := time.Since(began); took > max(test.wait, 0) && test.wait > 0 {
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
		for id, n := range lanes(t, p, 10, 1, total) {
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

		// However they come, there is one a second at most.
		if calls := len(s.log("ReceiveMessage")); calls > 8*31 {
			t.Errorf("%d receives in ten minutes, want at most eight each 20 s", calls)
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

// Receives ask for what the waiting Fetches have places for and nothing more, packed
// into as few receives as may be.
func TestReceivesAskForWhatIsWanted(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		places []int   // of the Fetches that wait
		want   []int32 // what the receives ask for
	}{
		{places: []int{1}, want: []int32{1}},
		{places: []int{1, 1, 1}, want: []int32{3}},
		{places: []int{1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, want: []int32{10}},
		{places: []int{9, 9}, want: []int32{8, 10}},
		{places: []int{10, 10}, want: []int32{10, 10}},
		{places: []int{1000, 3}, want: []int32{3, 10}},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newStub(standardARN)
			_, p := open(t, s, sqs.Options{})
			var wg sync.WaitGroup
			for _, places := range test.places {
				wg.Go(func() { fetch(t, p, places, 20*time.Second) })
			}
			wg.Wait()
			var got []int32
			for _, c := range s.log("ReceiveMessage") {
				got = append(got, c.receive.MaxNumberOfMessages)
			}
			slices.Sort(got)
			if !slices.Equal(got, test.want) {
				t.Errorf("%v waiting: receives for %v, want %v", test.places, got, test.want)
			}
			closePartition(t, p)
		})
	}
}

// What one Fetch does not take is not received for it: no message is hidden that
// nobody can start.
func TestNoMessageIsReceivedAhead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		s.send("a", "b", "c")
		_, p := open(t, s, sqs.Options{})
		if got := bodies(fetch(t, p, 1, 20*time.Second)); got != "a" {
			t.Errorf("got %q", got)
		}
		time.Sleep(time.Second)
		if s.state("b") != "visible" || s.state("c") != "visible" {
			t.Errorf("b is %s, c is %s, and nobody asked for them", s.state("b"), s.state("c"))
		}
		closePartition(t, p)
	})
}

// A large batch is gathered by several receives at once.
func TestLargeFetchGathersByManyReceives(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ messages, places, want int }{
		{5, 1000, 5}, {10, 1000, 10}, {35, 1000, 35}, {1200, 1000, 1000}, {1200, 995, 995},
	} {
		synctest.Test(t, func(t *testing.T) {
			const answer = 20 * time.Millisecond
			s := newStub(standardARN)
			for i := range test.messages {
				s.send(fmt.Sprint("m", i))
			}
			p := openWith(t, s, sqs.Options{}, sources.Settings{BatchSize: 1000, Timeout: time.Second, Window: time.Second})
			s.before = func(string) error {
				time.Sleep(answer)
				return nil
			}
			began := time.Now()
			records := fetch(t, p, test.places, 20*time.Second)
			if len(records) != test.want || time.Since(began) > 400*time.Millisecond {
				t.Errorf("%+v: %d records in %v", test, len(records), time.Since(began))
			}
			seen := map[string]bool{}
			for _, r := range records {
				seen[r.ID] = true
			}
			if len(seen) != test.want {
				t.Errorf("%+v: %d different records", test, len(seen))
			}
			hidden := 0
			for i := range test.messages {
				if s.state(fmt.Sprint("m", i)) == "hidden" {
					hidden++
				}
			}
			if hidden != test.want {
				t.Errorf("%+v: %d messages are hidden", test, hidden)
			}
			for i, c := range s.log("ReceiveMessage") {
				if (c.receive.WaitTimeSeconds > 0) != (i == 0) {
					t.Errorf("%+v: receive %d waits %d s", test, i, c.receive.WaitTimeSeconds)
				}
			}
			closePartition(t, p)
		})
	}
}

// While a batch gathers, a receive that hangs costs the window and no more.
func TestGatheringKeepsToTheWindow_P8(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		for i := range 100 {
			s.send(fmt.Sprint("m", i))
		}
		p := openWith(t, s, sqs.Options{}, sources.Settings{BatchSize: 1000, Timeout: time.Second, Window: time.Second})
		var receives atomic.Int64
		s.before = func(op string) error {
			if op == "ReceiveMessage" && receives.Add(1) == 2 {
				time.Sleep(8 * time.Second)
			}
			return nil
		}
		began := time.Now()
		records := fetch(t, p, 1000, 20*time.Second)
		if len(records) != 10 || time.Since(began) != time.Second {
			t.Errorf("%d records after %v, want ten after the window of 1s", len(records), time.Since(began))
		}
		// What it brings goes to the next Fetch.
		time.Sleep(8 * time.Second)
		if got := fetch(t, p, 10, 0); len(got) != 10 || got[0].Expires.Sub(began) > 33*time.Second {
			t.Errorf("%d records of the late receive, which expire after %v", len(got), got[0].Expires.Sub(began))
		}
		closePartition(t, p)
	})
}

// A Fetch that waits less than a second makes short polls, a few a second.
func TestShortWaitMakesShortPolls(t *testing.T) {
	t.Parallel()
	for _, arn := range []string{standardARN, fifoARN} {
		synctest.Test(t, func(t *testing.T) {
			for wait, most := range map[time.Duration]int{
				time.Millisecond: 1, 100 * time.Millisecond: 1, 300 * time.Millisecond: 2, 900 * time.Millisecond: 5,
			} {
				s := newStub(arn)
				_, p := open(t, s, sqs.Options{})
				began := time.Now()
				if got := fetch(t, p, 10, wait); len(got) > 0 || time.Since(began) != wait {
					t.Errorf("%v: %d records after %v", wait, len(got), time.Since(began))
				}
				calls := s.log("ReceiveMessage")
				if len(calls) == 0 || len(calls) > most || calls[0].receive.WaitTimeSeconds != 0 {
					t.Errorf("%v: %d receives, at most %d; the first waits %d s", wait, len(calls), most, calls[0].receive.WaitTimeSeconds)
				}
				time.AfterFunc(100*time.Millisecond, func() { s.send("a:1") })
				began = time.Now()
				if got := bodies(fetch(t, p, 10, 900*time.Millisecond)); got != "a:1" || time.Since(began) > 300*time.Millisecond {
					t.Errorf("got %q after %v", got, time.Since(began))
				}
				closePartition(t, p)
			}
		})
	}
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
		synctest.Wait() // their receives have ended too
		s.send("a:1", "a:2", "a:3", "b:1")
		first, second := bodies(fetch(t, p, 2, 0)), bodies(fetch(t, p, 2, 0))
		if first != "a:1 a:2" || second != "b:1" || len(s.log("ReceiveMessage")) != 3+2 {
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
