package esm_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// lingering is a source whose partitions take a while to settle, and to close.
type lingering struct {
	*stub
	ack, end time.Duration
}

func (s lingering) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := s.stub.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return lingeringPartition{p.(*stubPartition), s}, nil
}

type lingeringPartition struct {
	*stubPartition
	source lingering
}

func (p lingeringPartition) Ack(ctx context.Context, records []sources.Record) error {
	if err := wait(ctx, p.source.ack); err != nil {
		return err
	}
	return p.stubPartition.Ack(ctx, records)
}

func (p lingeringPartition) Close(ctx context.Context) error {
	return errors.Join(wait(ctx, p.source.end), p.stubPartition.Close(ctx))
}

// A batch that ends in the last moment of the drain is settled, though that takes as long
// as a call may, and Run waits no longer than that.
func TestWhatEndsWithTheDrainIsSettled_P5(t *testing.T) {
	const drain = 10 * time.Second
	for name, ack := range map[string]time.Duration{
		"a quick call": 10 * time.Millisecond, "a slow call": 8 * time.Second, "as slow as one may be": 20 * time.Second,
	} {
		t.Run(name, func(t *testing.T) {
			inBoth(t, func(t *testing.T, source sources.Source, left func() int) {
				j := newJournal()
				stop := background(t, mustNew(t, lingering{stub: &stub{Source: source}, ack: ack}, j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
					time.Sleep(drain - time.Millisecond)
					return esm.Response{}, nil
				}), j.config(esm.Config{Timeout: drain, DrainTimeout: drain, MaximumConcurrency: oneLane(source)})))
				took, err := stop()
				equal(t, "Run", err, nil)
				equal(t, "took", took, drain-time.Millisecond+ack)
				equal(t, "handled and not settled", len(j.seen())-(50-left()), 0)
			})
		})
	}
}

// A settlement that hangs until its own deadline is not made again after the drain.
func TestSettlementThatHangsCostsItsOwnDeadline_P11(t *testing.T) {
	inBoth(t, func(t *testing.T, source sources.Source, left func() int) {
		const deadline = 15 * time.Second
		j := newJournal()
		hang := &stub{Source: source, ack: func([]sources.Record) error {
			time.Sleep(deadline)
			return errDown
		}}
		stop := background(t, mustNew(t, hang, j.handler(nil), j.config(esm.Config{DrainTimeout: time.Second})))
		took, err := stop()
		if !errors.Is(err, esm.ErrDrainTimeout) || took > deadline+time.Second {
			t.Errorf("Run: %v after %v", err, took)
		}
		equal(t, "left for the next run", left(), 50)
	})
}

// One without a deadline is cut off in the end.
func TestSettlementThatHangsIsCutInTheEnd_P11(t *testing.T) {
	inBoth(t, func(t *testing.T, source sources.Source, left func() int) {
		j := newJournal()
		stop := background(t, mustNew(t, lingering{stub: &stub{Source: source}, ack: time.Hour}, j.handler(nil),
			j.config(esm.Config{DrainTimeout: 3 * time.Second})))
		took, err := stop()
		if !errors.Is(err, esm.ErrDrainTimeout) || took > 50*time.Second {
			t.Errorf("Run: %v after %v", err, took)
		}
		equal(t, "left for the next run", left(), 50)
	})
}

// A stream's position may be stored by Close only, where its store is written to rarely.
func TestCloseMayStoreThePositionAfterTheDrain_P5(t *testing.T) {
	for name, test := range map[string]struct {
		end, took time.Duration
		want      error
	}{
		"slow":  {end: 20 * time.Second, took: 20 * time.Second},
		"hangs": {end: time.Hour, took: 45*time.Second + 1, want: esm.ErrDrainTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j := newJournal()
				stop := background(t, mustNew(t, lingering{stub: &stub{Source: streamOf("a").Source("app")}, end: test.end},
					j.handler(nil), j.config(esm.Config{DrainTimeout: time.Nanosecond})))
				took, err := stop()
				if !errors.Is(err, test.want) || took != test.took {
					t.Errorf("Run: %v after %v, want %v after %v", err, took, test.want, test.took)
				}
			})
		})
	}
}

// What follows a settlement that was slow has as much time as after a quick one: the
// partition and the source are closed.
func TestSlowSettlementLeavesTimeToClose_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		q := queueOf(memory.QueueOptions{}, "a")
		const ack, end = 4900 * time.Millisecond, 4 * time.Second
		stop := background(t, mustNew(t, lingering{stub: &stub{Source: q.Source()}, ack: ack, end: end}, j.handler(nil),
			j.config(esm.Config{DrainTimeout: time.Nanosecond})))
		took, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "took", took, ack+end)
		equal(t, "left", q.Len(), 0)
	})
}

// The polls of a queue are no settlement: an idle mapping stops as soon as before.
func TestSlowCloseOfAQueueIsCut_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		j := newJournal()
		stop := background(t, mustNew(t, lingering{stub: &stub{Source: memory.NewQueue(memory.QueueOptions{}).Source()}, end: time.Hour},
			j.handler(nil), j.config(esm.Config{DrainTimeout: time.Second})))
		if took, _ := stop(); took > 7*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// oneLane is a concurrency of one, where there is one.
func oneLane(source sources.Source) int {
	if source.Traits().Ordered {
		return 0
	}
	return 1
}
