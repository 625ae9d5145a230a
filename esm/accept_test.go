package esm_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// reluctant fails so many times before it hands a partition out.
type reluctant struct {
	sources.Source
	ahead bool
	left  int
}

func (r *reluctant) Traits() sources.Traits {
	t := r.Source.Traits()
	t.TumblingWindow, t.ReadsAhead = 0, r.ahead
	return t
}

func (r *reluctant) Accept(ctx context.Context) (sources.Partition, error) {
	if r.left > 0 {
		r.left--
		return nil, errors.New("not yet")
	}
	return r.Source.Accept(ctx)
}

// Partitions behind a series of errors are not waited for long, where the source has a
// pace of its own (P9).
func TestAcceptAfterErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ahead          bool
		least, longest time.Duration
	}{{true, 2 * time.Second, 15 * time.Second}, {false, 30 * time.Second, 5 * time.Minute}} {
		synctest.Test(t, func(t *testing.T) {
			s := memory.NewStream(memory.StreamOptions{})
			s.Put("key", []byte("body"))
			source := &reluctant{Source: s.Source("app"), ahead: c.ahead, left: 15}
			began := time.Now()
			var took time.Duration
			ctx, cancel := context.WithCancel(t.Context())
			mustRunUntil(t, ctx, mustNew(t, source, esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
				took = time.Since(began)
				cancel()
				return esm.Response{}, nil
			}), esm.Config{Jitter: func() float64 { return 0.5 }}))
			if took < c.least || took > c.longest {
				t.Errorf("ahead %t: handled after %v, want %v to %v", c.ahead, took, c.least, c.longest)
			}
		})
	}
}

func mustRunUntil(t *testing.T, ctx context.Context, m *esm.Mapping) { //nolint:revive // the test first
	t.Helper()
	if err := m.Run(ctx); err != nil {
		t.Error(err)
	}
}
