package lease

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/checkpoint"
)

// reports are what a manager told of.
type reports struct {
	mu   sync.Mutex
	errs []error
}

func (r *reports) add(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.errs = append(r.errs, err)
}

// count is how many say this.
func (r *reports) count(text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, err := range r.errs {
		if strings.Contains(err.Error(), text) {
			n++
		}
	}
	return n
}

// Renewals that hang, more of them than are made at once, keep no other from being made
// in time, and are told of (P11, P14).
func TestHungRenewalsHoldUpNoOther(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const shards, hanging, duration = 200, 5 * maxWrites, 10 * time.Second
		var hung atomic.Bool
		tb := newTable()
		tb.plan = func(c call) fault {
			if hung.Load() && c.method == "Update" && c.shard < "s160" {
				return hang
			}
			return none
		}
		var told reports
		options := testOptions("a")
		options.Report = told.add
		m := manager(t, tb.worker("a"), newRiver(shards), options)
		held := make([]*Held, shards)
		for i := range held {
			held[i] = next(t, m)
		}
		m.mu.Lock()
		for _, h := range held {
			h.since = time.Now() // as they are after a look that all of them waited for
		}
		m.mu.Unlock()
		hung.Store(true)
		time.Sleep(2 * duration)
		lost := 0
		for _, h := range held {
			select {
			case <-h.Lost():
				lost++
				if h.Shard() >= "s160" {
					t.Errorf("%s is lost, although its renewals do not hang", h.Shard())
				}
			default:
			}
		}
		if lost != hanging {
			t.Errorf("%d leases are given up, want the %d that could not be renewed", lost, hanging)
		}
		if n := told.count("not renewed"); n == 0 || n > int(duration/time.Second) {
			t.Errorf("failed renewals were told %d times: %v", n, told.errs)
		}
		hung.Store(false)
		for _, h := range held {
			if err := h.Release(t.Context()); err != nil {
				t.Error(err)
			}
		}
		shut(t, m)
		verify(t, tb)
	})
}

// A write that hangs ends in time in a store whose leases do not run out, and with a
// lease that is valid for very long.
func TestHungWriteEnds_P11(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		store    func(*worker) checkpoint.Store
		duration time.Duration
	}{
		"exclusive": {func(w *worker) checkpoint.Store { return exclusive{w} }, 0},
		"long":      {func(w *worker) checkpoint.Store { return w }, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var hung atomic.Bool
				tb := newTable()
				tb.plan = func(c call) fault {
					if hung.Load() && c.method == "Update" {
						return hang
					}
					return none
				}
				options := testOptions("a")
				options.Duration = test.duration
				m := manager(t, test.store(tb.worker("a")), newRiver(1), options)
				h := next(t, m)
				hung.Store(true)
				began := time.Now()
				err := h.Commit(t.Context(), at(1), nil)
				if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 30*time.Second {
					t.Errorf("Commit: %v after %v, want an error of a deadline within 30 s", err, took)
				}
				hung.Store(false)
				if err := h.Commit(t.Context(), at(1), nil); err != nil {
					t.Errorf("Commit again: %v", err)
				}
				if err := h.Release(t.Context()); err != nil {
					t.Error(err)
				}
				shut(t, m)
				verify(t, tb)
			})
		})
	}
}

// What the loops meet is told: a list, a look at the leases, a lease that cannot be
// created or taken, and each again and again.
func TestFailuresOfTheLoopsAreTold_P14(t *testing.T) {
	t.Parallel()
	for method, words := range map[string]string{
		"Leases": "leases not read: ",
		"Create": "lease of shard s000 not created: ",
		"Update": "lease of shard s000 not taken: ",
		"list":   "shards not listed: ",
	} {
		for name, f := range map[string]fault{"fails": before, "hangs": hang} {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					tb := newTable()
					tb.plan = func(c call) fault {
						if c.method == method {
							return f
						}
						return none
					}
					var told reports
					options := testOptions("a")
					options.Report = told.add
					r := newRiver(1)
					if method == "list" && f == hang {
						r.delay = time.Hour
					} else if method == "list" {
						r.fail(errFault)
					}
					m := manager(t, tb.worker("a"), r, options)
					ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
					defer cancel()
					go func() { _, _ = m.Next(ctx) }()
					time.Sleep(time.Minute + time.Second)
					if told.count(words) == 0 {
						t.Errorf("after a minute %q was not told: %v", words, told.errs)
					}
					time.Sleep(time.Hour)
					if n := told.count(words); n < 25 || n > 3600 {
						t.Errorf("%q was told %d times in an hour", words, n)
					}
					shut(t, m)
				})
			})
		}
	}
}
