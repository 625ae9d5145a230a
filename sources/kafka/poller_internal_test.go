package kafka

import (
	"context"
	"errors"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/sources"
)

// crowd is lanes of one source, each of which got a record, that take turns one by one.
func crowd(t *testing.T, number int32) (*Source, []*lane) {
	t.Helper()
	s, err := New(Options{BootstrapServers: []string{"b:9092"}, Topics: []string{"orders"}, ConsumerGroupID: "g"})
	if err != nil {
		t.Fatal(err)
	}
	s.maxAwake = 1
	s.mu.Lock()
	defer s.mu.Unlock()
	var lanes []*lane
	for i := range number {
		a := newAssignment(key{"orders", i})
		a.lane = newLane(s, a.name)
		a.lane.members = []*assignment{a}
		a.lane.put(chunk{of: a, records: []*kgo.Record{{Topic: "orders", Partition: i}}})
		lanes = append(lanes, a.lane)
	}
	return s, lanes
}

// woken tells which lanes have been woken since it was asked last.
func woken(lanes []*lane) (all []bool) {
	for _, l := range lanes {
		select {
		case <-l.wake:
			all = append(all, true)
		default:
			all = append(all, false)
		}
	}
	return all
}

func expectWoken(t *testing.T, when string, lanes []*lane, want ...bool) {
	t.Helper()
	got := woken(lanes)
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: woken are %v, want %v", when, got, want)
			return
		}
	}
}

// A lane that has taken what it got, or is closed, lets the next one have its turn.
func TestLanesTakeTurns(t *testing.T) {
	t.Parallel()
	s, lanes := crowd(t, 4)
	expectWoken(t, "at first", lanes, true, false, false, false)
	s.closeLane(lanes[1]) // it was not woken yet, and is passed over
	expectWoken(t, "with one closed that waited", lanes, false, false, true, false)
	buf := make([]sources.Record, 1)
	n, err := lanes[0].Fetch(t.Context(), buf, 0)
	if n != 1 || err != nil {
		t.Fatal(n, err)
	}
	expectWoken(t, "when the first has taken all", lanes, false, false, false, true)
	s.closeLane(lanes[2])
	s.closeLane(lanes[3])
	if s.busy() {
		t.Error("closed lanes keep the source busy")
	}
}

// A lane that does not take what it got holds the others up for no more than a moment
// (P6), and the client for a little longer.
func TestTurnsAreShort_P6(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, lanes := crowd(t, 3)
		expectWoken(t, "at first", lanes, true, false, false)
		begin := time.Now()
		done := make(chan time.Duration)
		go func() {
			s.relieve(t.Context())
			done <- time.Since(begin)
		}()
		time.Sleep(laneTime - time.Nanosecond)
		synctest.Wait()
		expectWoken(t, "a little before a turn is over", lanes, false, false, false)
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		expectWoken(t, "after it", lanes, false, true, true)
		if took := <-done; took != maxRelief {
			t.Errorf("the client waited for %v, want %v", took, maxRelief)
		}
		for i, l := range lanes {
			if !l.slow {
				t.Errorf("lane %d took nothing in time, and is not left behind", i)
			}
		}
	})
}

// A stop wakes all that wait for their turn.
func TestTurnsEndWithTheMapping(t *testing.T) {
	t.Parallel()
	s, lanes := crowd(t, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	s.relieve(ctx)
	expectWoken(t, "after the end", lanes, true, true, true)
}

// A Fetch that waits for ever needs no timer, and still wakes for records and for the
// end.
func TestFetchForEver(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, lanes := crowd(t, 1)
		l := lanes[0]
		ctx, cancel := context.WithCancel(t.Context())
		var (
			ns   = make(chan int)
			errs = make(chan error, 3)
		)
		go func() {
			for range 3 {
				n, err := l.Fetch(ctx, make([]sources.Record, 1), math.MaxInt64)
				errs <- err
				ns <- n
			}
		}()
		if n := <-ns; n != 1 {
			t.Fatalf("%d records, want the one that was there", n)
		}
		time.Sleep(365 * 24 * time.Hour)
		synctest.Wait()
		if len(errs) != 1 {
			t.Fatalf("%d calls returned within a year without records, want none but the first", len(errs)-1)
		}
		s.mu.Lock()
		l.put(chunk{of: l.members[0], records: []*kgo.Record{{Topic: "orders", Offset: 1}}})
		s.mu.Unlock()
		if n := <-ns; n != 1 {
			t.Fatalf("%d records, want the one that came", n)
		}
		cancel()
		<-ns
		for _, want := range []error{nil, nil, context.Canceled} {
			if err := <-errs; !errors.Is(err, want) {
				t.Errorf("error %v, want %v", err, want)
			}
		}
	})
}
