package lease

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// deaf is a store whose writes ignore their contexts while it is stuck.
type deaf struct {
	*worker

	stuck atomic.Bool
	free  chan struct{}
	calls atomic.Int64
}

func (s *deaf) Update(ctx context.Context, last, next checkpoint.Lease) error {
	if s.stuck.Load() {
		s.calls.Add(1)
		<-s.free
	}
	return s.worker.Update(ctx, last, next)
}

// Calls that do not end with their contexts are left behind and told of; they are not
// heaped up; and the worker goes on when the store does.
func TestStoreIgnoresItsContext_P14(t *testing.T) {
	t.Parallel()
	for name, alone := range map[string]bool{"shared": false, "exclusive": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				tb := newTable()
				s := &deaf{worker: tb.worker("a"), free: make(chan struct{})}
				var told reports
				options := testOptions("a")
				options.Report = told.add
				var store checkpoint.Store = s
				if alone {
					store = exclusiveDeaf{s}
				}
				m := manager(t, store, newRiver(1), options)
				h := next(t, m)
				s.stuck.Store(true)
				began := time.Now()
				err := h.Commit(t.Context(), at(1), nil)
				if took := time.Since(began); err == nil || took > patience+time.Second {
					t.Errorf("Commit gives %v after %v", err, took)
				}
				if !alone {
					<-h.Lost()
					if err := h.Release(t.Context()); err != nil {
						t.Error(err)
					}
					ctx, cancel := context.WithCancel(t.Context())
					go func() { _, _ = m.Next(ctx) }()
					time.Sleep(12 * time.Hour)
					cancel()
					if told.count("Update: call did not return") == 0 || s.calls.Load() > maxAbandoned {
						t.Errorf("%d calls, told %d times", s.calls.Load(), told.count("Update: call did not return"))
					}
				}
				s.stuck.Store(false)
				close(s.free)
				if alone {
					if err := h.Commit(t.Context(), at(1), nil); err != nil {
						t.Errorf("Commit to a store that goes on: %v", err)
					}
				}
				time.Sleep(time.Minute)
				shut(t, m)
				verify(t, tb)
			})
		})
	}
}

type exclusiveDeaf struct{ *deaf }

func (exclusiveDeaf) Exclusive() {}
