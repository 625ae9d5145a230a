package sqs_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
)

// After a stop, the Fetch that may wait the longest stays for the last receive under
// way: what that brings is handled, and not given back with one receive spent.
func TestAStopKeepsTheFetchThatWaitsLongest_P5(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newStub(standardARN)
		_, p := open(t, s, sqs.Options{})
		got := make(chan int, 2)
		for range 2 { // two receives: until 20 s and until 23 s
			go func() {
				n, _ := p.Fetch(t.Context(), make([]sources.Record, 1), 21*time.Second)
				got <- n
			}()
			time.Sleep(3 * time.Second)
		}
		p.(sources.Stopper).Stop()
		time.Sleep(16 * time.Second)
		s.send("late") // at 22 s, when the first Fetch would have given up
		if n := <-got + <-got; n != 1 {
			t.Errorf("%d messages came, want the one of the second receive", n)
		}
		closePartition(t, p)
	})
}
