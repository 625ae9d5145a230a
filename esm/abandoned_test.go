package esm_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/memory"
)

// deaf is a destination, or a call to a source, that ignores its context until the
// test lets go of it.
type deaf struct {
	free  chan struct{}
	mu    sync.Mutex
	calls int
	under int
	most  int
}

func newDeaf() *deaf { return &deaf{free: make(chan struct{})} }

func (d *deaf) hang() {
	d.mu.Lock()
	d.calls++
	d.under++
	d.most = max(d.most, d.under)
	d.mu.Unlock()
	<-d.free
	d.mu.Lock()
	defer d.mu.Unlock()
	d.under--
}

func (d *deaf) Deliver(context.Context, *esm.FailureRecord) error {
	d.hang()
	return nil
}

func (d *deaf) called() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

// Destination that ignores its context is abandoned once (P7, P11).
func TestDestinationThatIgnoresItsContextIsAbandonedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison", "b")
		j, d, log := newJournal(), newDeaf(), new(logbook)
		config := j.config(esm.Config{BatchSize: 1, MaximumRetryAttempts: new(0), OnFailure: d, DrainTimeout: time.Second})
		config.Logger = log.logger()
		stop := background(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), config))
		time.Sleep(10 * time.Minute)
		equal(t, "deliveries", d.called(), 1)
		equal(t, "abandoned", j.count(esm.AbandonedDeliveryCount), 1)
		if n := j.count(esm.OnFailureDestinationDeliveryErrorCount); n < 7 || n > 11 {
			t.Errorf("told of %d times in ten minutes", n)
		}
		if n := len(log.lines("on-failure destination failed", "did not return")); n < 7 || n > 11 {
			t.Errorf("logged %d times in ten minutes", n)
		}
		took, err := stop()
		if err != nil || took > time.Second {
			t.Errorf("Run: %v after %v", err, took)
		}
		equal(t, "lag", s.Lag("app"), 2)
		close(d.free)
	})
}

func TestDeliveryThatReturnsLateCounts(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison", "b")
		s.End()
		j, d := newJournal(), newDeaf()
		time.AfterFunc(100*time.Second, func() { close(d.free) })
		start := time.Now()
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")),
			j.config(esm.Config{BatchSize: 1, MaximumRetryAttempts: new(0), OnFailure: d})))
		equal(t, "deliveries", d.called(), 1)
		equal(t, "delivered", j.count(esm.OnFailureDestinationDeliveredEventCount), 1)
		equal(t, "handled", j.seen(), []string{"poison", "b"})
		equal(t, "took", time.Since(start).Round(time.Second), 100*time.Second)
	})
}

func TestHangingDestinationIsBoundedByOnFailureTimeout_P6(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison", "a", "poison", "b")
		s.End()
		j, d := newJournal(), newDeaf()
		start := time.Now()
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(0), OnFailure: d, OnFailureTimeout: time.Minute,
		})))
		equal(t, "handled", j.seen(), []string{"poison", "a", "poison", "b"})
		equal(t, "dropped", j.count(esm.DroppedEventCount), 2)
		equal(t, "deliveries", d.called(), 1)
		if took := time.Since(start); took < 2*time.Minute || took > 3*time.Minute {
			t.Errorf("took %v, want a minute for each record", took)
		}
		close(d.free)
	})
}

func TestHangingDestinationDoesNotHoldTheStop_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison")
		j, d := newJournal(), newDeaf()
		stop := background(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")),
			j.config(esm.Config{MaximumRetryAttempts: new(0), OnFailure: d, DrainTimeout: time.Second})))
		took, err := stop()
		if !errors.Is(err, esm.ErrDrainTimeout) {
			t.Errorf("Run: %v", err)
		}
		equal(t, "took the drain timeout and a second", took, 2*time.Second)
		equal(t, "lag", s.Lag("app"), 1)
		close(d.free)
	})
}

// The handler may take new batches while an abandoned destination still looks at the
// records of an old one. The race detector tells if they share memory.
func TestAbandonedDestinationKeepsItsRecords_P7(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		for _, body := range []string{"poison", "a", "b", "c", "d"} {
			s.Put(body, []byte(body))
		}
		s.End()
		j, free, looked := newJournal(), make(chan struct{}), make(chan string, 1)
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(0), OnFailureTimeout: time.Minute,
			OnFailure: esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
				<-free
				looked <- string(record.Records[0].Data)
				return nil
			}),
		})))
		equal(t, "handled", len(j.seen()), 5)
		close(free)
		synctest.Wait()
		equal(t, "the destination's record", <-looked, "poison")
	})
}

func TestDestinationThatPanicsIsTriedAgain_P10(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("poison")
		s.End()
		j, calls := newJournal(), 0
		config := noRetries(func(context.Context, *esm.FailureRecord) error {
			if calls++; calls < 3 {
				panic("no room")
			}
			return nil
		})
		mustRun(t, mustNew(t, s.Source("app"), j.handler(failIf("poison")), j.config(config)))
		equal(t, "calls", calls, 3)
		equal(t, "error", j.errs[esm.OnFailureDestinationDeliveryErrorCount][0].Error(), "on-failure destination panicked: no room")
	})
}
