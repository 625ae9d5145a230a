package esm_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// retaining is a stream whose records expire so long after they came; negative for a
// stream whose records have no time either.
type retaining struct {
	sources.Source
	retention time.Duration
	// ack stands in for Ack until it returns nil.
	ack func() error
}

func (r *retaining) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := r.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &retainingPartition{p, r}, nil
}

type retainingPartition struct {
	sources.Partition
	stream *retaining
}

func (p *retainingPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	for i := range buf[:n] {
		if p.stream.retention < 0 {
			buf[i].Time = time.Time{}
			continue
		}
		buf[i].Expires = buf[i].Time.Add(p.stream.retention)
	}
	return n, err
}

func (p *retainingPartition) Ack(ctx context.Context, records []sources.Record) error {
	if p.stream.ack != nil {
		if err := p.stream.ack(); err != nil {
			return err
		}
	}
	return p.Partition.Ack(ctx, records)
}

// What expires in a stream ends there, with the defaults too, and does not hold up what
// comes after it (KIN-124, KIN-130).
func TestExpiredRecordIsGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const day = 24 * time.Hour
		s := streamOf("poison")
		j, f := newJournal(), &failures{}
		source := &retaining{Source: s.Source("app"), retention: day}
		stop := background(t, mustNew(t, source, j.handler(failIf("poison")), j.config(esm.Config{OnFailure: f})))
		time.Sleep(day - time.Second)
		equal(t, "given up before", j.count(esm.OnFailureDestinationDeliveredEventCount), 0)
		s.Put("b", []byte("b"))
		time.Sleep(time.Second + 10*time.Millisecond)
		synctest.Wait()
		if n := len(j.seen()); n < 2000 {
			t.Errorf("%d tries in a day", n)
		}
		equal(t, "last", j.seen()[len(j.seen())-1], "b")
		equal(t, "given up", f.summary()[0][:len("RecordAgeExceeded poison x")], "RecordAgeExceeded poison x")
		equal(t, "delivered", j.count(esm.OnFailureDestinationDeliveredEventCount), 1)
		equal(t, "lag", s.Lag("app"), 0)
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestExpiredRecordIsNotTried_KIN124(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("old")
		time.Sleep(time.Hour)
		s.Put("new", []byte("new"))
		s.End()
		j := newJournal()
		mustRun(t, mustNew(t, &retaining{Source: s.Source("app"), retention: time.Hour}, j.handler(nil), j.config(esm.Config{})))
		equal(t, "handled", j.seen(), []string{"new"})
		equal(t, "dropped", j.count(esm.DroppedEventCount), 1)
		equal(t, "lag", s.Lag("app"), 0)
	})
}

// The position is stored even if its record has expired meanwhile.
func TestPositionOutlivesItsRecord_P12(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a")
		began := time.Now()
		source := &retaining{Source: s.Source("app"), retention: time.Minute, ack: func() error {
			if time.Since(began) < time.Hour {
				return errors.New("store is down")
			}
			return nil
		}}
		j := newJournal()
		stop := background(t, mustNew(t, source, j.handler(nil), j.config(esm.Config{})))
		time.Sleep(2 * time.Hour)
		equal(t, "lag", s.Lag("app"), 0)
		equal(t, "stale", j.count(esm.StaleEventCount), 0)
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestRecordWithoutTimeHasNoAge(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a")
		s.End()
		j := newJournal()
		mustRun(t, mustNew(t, &retaining{Source: s.Source("app"), retention: -1}, j.handler(nil), j.config(esm.Config{MaximumRecordAge: time.Minute})))
		equal(t, "handled", j.seen(), []string{"a"})
	})
}
