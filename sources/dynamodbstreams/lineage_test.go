package dynamodbstreams_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/dynamodbstreams"
	"github.com/openesm/openesm/sources/dynamodbstreams/dynamodbstreamstest"
)

// Three generations of shards, one of which is split, with a change every minute: none is
// missed, and parents are done before their children (DDB-02, DDB-03, DDB-04; fault D2).
func TestGenerations(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		r := w.run(w.journal(nil), slow(), esm.Config{BatchSize: 10})
		total := 0
		for generation := range 4 {
			for range 60 {
				w.change(ids(2)...)
				total += 2
				time.Sleep(time.Minute)
			}
			if generation == 1 {
				_, err := w.Split(w.arn, w.open()[0])
				w.must(err)
				continue
			}
			w.roll()
		}
		w.until(total, time.Minute)
		r.end()
		w.once()
	})
}

// slow are options of mappings that run for hours.
func slow() dynamodbstreams.Options {
	return dynamodbstreams.Options{IdleInterval: 20 * time.Second, LeaseDuration: 10 * time.Minute, ListInterval: 5 * time.Minute}
}

// Children are read from their beginning, also where the mapping began at the latest
// record, and after a restart (DDB-53, DDB-114; fault D1).
func TestLatestReadsChildrenWhole(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.change("before")
		w.skip("before")
		time.Sleep(time.Minute)
		options := dynamodbstreams.Options{StartingPosition: dynamodbstreams.Latest}
		r := w.run(w.journal(nil), options, esm.Config{})
		time.Sleep(5 * time.Second)
		w.change("r1")
		w.roll()
		w.change("r2")
		w.until(2, time.Minute)
		r.end()
		w.change("r3")
		w.roll()
		w.change("r4")
		r = w.run(w.journal(nil), options, esm.Config{})
		w.until(4, 2*time.Minute)
		r.end()
		w.once()
		if len(w.done) != 4 {
			t.Error("what came before the start was handled")
		}
	})
}

// A shard that is closed between the start and the first list is read all the same: its
// records came after the start (DDB-53).
func TestLatestMissesNothingAtTheStart(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		w.setFaults(func(c dynamodbstreamstest.Call) fault {
			if c.Action == "DescribeStream" && c.Number > 1 && c.Number < 4 {
				return fault{Err: dynamodbstreamstest.InternalServerError()}
			}
			return fault{}
		})
		r := w.run(w.journal(nil), dynamodbstreams.Options{StartingPosition: dynamodbstreams.Latest}, esm.Config{})
		time.Sleep(20 * time.Millisecond)
		w.change("a")
		w.roll()
		w.change("b")
		w.roll()
		w.until(2, time.Minute)
		r.end()
		w.once()
	})
}

// A record of the second in which the mapping began bears that second, and is not
// missed: times are whole seconds (DDB-83, DDB-48).
func TestLatestWithinASecond(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		time.Sleep(2700 * time.Millisecond)
		r := w.run(w.journal(nil), dynamodbstreams.Options{StartingPosition: dynamodbstreams.Latest}, esm.Config{})
		w.change("a")
		w.until(1, time.Minute)
		r.end()
		w.once()
	})
}

// Children that nobody finds at first are looked for until they are there, and other
// shards are read meanwhile (DDB-27, DDB-28, DDB-31, DDB-111, DDB-112; fault D11).
func TestLateChildren(t *testing.T) {
	t.Parallel()
	for _, delay := range []time.Duration{300 * time.Millisecond, 3 * time.Second, 10 * time.Minute} {
		t.Run(delay.String(), func(t *testing.T) {
			t.Parallel()
			inWorld(t, 3, func(t *testing.T, w *world) {
				w.must(w.SetChildDelay(w.arn, delay))
				r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
				time.Sleep(time.Second)
				w.roll()
				w.change(ids(30)...)
				here := 0
				for _, id := range w.open() {
					if n := len(w.Numbers(w.arn, id)); w.hasParent(id) {
						t.Logf("the child has %d records", n)
					} else {
						here += n
					}
				}
				w.until(here, 2*time.Second)
				took := w.until(30, delay+2*time.Minute)
				if most := delay + 70*time.Second; took > most {
					t.Errorf("the child's records came after %v, want %v at most", took, most)
				}
				r.end()
				w.once()
			})
		})
	}
}

func (w *world) hasParent(id string) bool {
	return slices.ContainsFunc(w.Shards(w.arn), func(s dynamodbstreamstest.Shard) bool { return s.ID == id && s.Parent != "" })
}

// A roll-over is gone on with at once where the children are there (DDB-23).
func TestRollOverIsQuick(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
		w.change("a")
		w.until(1, time.Minute)
		w.roll()
		w.change("b")
		if took := w.until(2, time.Minute); took > 2*time.Second {
			t.Errorf("the child was read after %v", took)
		}
		r.end()
		w.once()
	})
}

// A server that does not know the filter for children, or does not heed it, is asked for
// all shards (DDB-23, DDB-28).
func TestWithoutChildShards(t *testing.T) {
	t.Parallel()
	for name, odd := range map[string]fault{
		"refused": {Err: &dynamodbstreamstest.Error{Status: 400, Type: "ValidationException"}},
		"ignored": {Unfiltered: true},
		"failing": {Err: dynamodbstreamstest.InternalServerError()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 2, func(t *testing.T, w *world) {
				asked := 0
				w.setFaults(func(c dynamodbstreamstest.Call) fault {
					if !c.Children {
						return fault{}
					}
					w.mu.Lock()
					defer w.mu.Unlock()
					asked++
					return odd
				})
				r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
				for range 3 {
					w.change(ids(10)...)
					w.roll()
					w.until(len(w.place), 2*time.Minute)
				}
				r.end()
				w.once()
				w.mu.Lock()
				defer w.mu.Unlock()
				if asked == 0 || name == "refused" && asked != 1 {
					t.Errorf("children were asked for %d times", asked)
				}
			})
		})
	}
}

// Lists are read page by page to their end, whatever is on a page, and in any order; a
// page that cannot be had leaves everything as it was (DDB-20, DDB-21, DDB-110; faults D7
// and D8).
func TestPages(t *testing.T) {
	t.Parallel()
	for name, odd := range map[string]faults{
		"short": func(dynamodbstreamstest.Call) fault { return fault{AtMost: 7} },
		"empty": func(c dynamodbstreamstest.Call) fault { return fault{Empty: c.Number%2 == 0, AtMost: 50} },
		"failing": func(c dynamodbstreamstest.Call) fault {
			if c.Number%5 == 4 {
				return fault{Err: dynamodbstreamstest.InternalServerError()}
			}
			return fault{AtMost: 60}
		},
		"cut": func(c dynamodbstreamstest.Call) fault {
			if c.After != "" && c.Number%7 == 3 { // the shard to go on behind was trimmed
				return fault{Err: dynamodbstreamstest.ResourceNotFound()}
			}
			return fault{AtMost: 60}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 150, func(_ *testing.T, w *world) {
				w.SetUnordered(true)
				w.change(ids(300)...)
				for _, id := range w.open()[:20] {
					_, err := w.Roll(w.arn, id)
					w.must(err)
				}
				w.change(ids(300)...)
				w.setFaults(func(c dynamodbstreamstest.Call) fault {
					if c.Action != "DescribeStream" || c.Children {
						return fault{}
					}
					return odd(c)
				})
				r := w.run(w.journal(nil), slow(), esm.Config{})
				w.until(600, 20*time.Minute)
				r.end()
				w.once()
			})
		})
	}
}

// A list may tell closed shards as open, and leave shards out that it told before
// (DDB-29; fault D11).
func TestInconsistentLists(t *testing.T) {
	t.Parallel()
	inWorld(t, 2, func(_ *testing.T, w *world) {
		w.setFaults(func(c dynamodbstreamstest.Call) fault {
			if c.Action != "DescribeStream" {
				return fault{}
			}
			f := fault{Unended: true}
			if shards := w.Shards(w.arn); c.Number%3 == 0 && len(shards) > 2 {
				f.Hidden = []string{shards[len(shards)-1].ID}
			}
			return f
		})
		r := w.run(w.journal(nil), dynamodbstreams.Options{ListInterval: 5 * time.Second}, esm.Config{})
		for range 6 {
			w.change(ids(20)...)
			time.Sleep(20 * time.Second)
			w.roll()
		}
		w.until(120, 5*time.Minute)
		r.end()
		w.once()
	})
}

// A child waits until its parent's last batch is done, however long that takes, over a
// restart too (DDB-04, P4; fault D8).
func TestChildWaitsForItsParent(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.change("a", "b")
		w.roll()
		w.change("a", "b")
		var works atomic.Bool
		handler := w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
			if !works.Load() {
				return esm.Response{}, errors.New("failed")
			}
			return esm.Response{}, nil
		})
		r := w.run(handler, dynamodbstreams.Options{}, esm.Config{})
		time.Sleep(10 * time.Minute)
		r.end()
		r = w.run(handler, dynamodbstreams.Options{}, esm.Config{})
		time.Sleep(10 * time.Minute)
		for _, n := range append(slices.Clone(w.keys["a"][1:]), w.keys["b"][1:]...) {
			if w.begun(n) {
				t.Error("a child was begun before its parent was done")
			}
		}
		works.Store(true)
		w.until(4, 10*time.Minute)
		r.end()
		w.once()
	})
}

// A parent that is not listed any more is done, whether a position of it was stored or not
// (DDB-05, DDB-26; fault D10).
func TestParentIsGone(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		t.Run(strconv.FormatBool(stored), func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(_ *testing.T, w *world) {
				w.change("a")
				if stored {
					r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
					w.until(1, time.Minute)
					r.end()
				}
				parent, _ := w.roll()
				w.must(w.Vanish(w.arn, parent))
				if !stored {
					w.skip("a")
				}
				w.change("b")
				r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
				w.wait(2*time.Minute, "b done", func() bool {
					w.mu.Lock()
					defer w.mu.Unlock()
					return w.done[w.keys["b"][0]] == 1
				})
				r.end()
				w.once()
			})
		})
	}
}

// What the store has of shards that are gone is removed (DDB-120).
func TestPositionsOfGoneShardsAreRemoved(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		r := w.run(w.journal(nil), slow(), esm.Config{})
		const generations = 20
		for range generations {
			w.change("a")
			time.Sleep(4 * time.Hour)
			w.roll()
		}
		w.until(generations, time.Minute)
		r.end()
		leases, err := w.store.Leases(t.Context())
		w.must(err)
		if n := len(leases); n > 12 {
			t.Errorf("%d positions are kept of %d shards", n, generations+1)
		}
		w.once()
	})
}

// Hundreds of shards, most of them closed, some of which cannot be had at first, with the
// service's limit of lists: what can be read is read (DDB-22; fault D15).
func TestManyShards(t *testing.T) {
	t.Parallel()
	inWorld(t, 60, func(t *testing.T, w *world) {
		for range 6 {
			for _, id := range w.open() {
				_, err := w.Roll(w.arn, id)
				w.must(err)
			}
			w.change(ids(50)...)
		}
		w.SetLimits(true)
		w.setFaults(func(c dynamodbstreamstest.Call) fault {
			if c.Action == "GetShardIterator" && c.Number%50 == 0 {
				return fault{Err: dynamodbstreamstest.InternalServerError()}
			}
			return fault{}
		})
		throttled := 0
		r := w.run(w.journal(nil), slow(), esm.Config{})
		w.until(300, 15*time.Minute)
		r.end()
		w.once()
		for _, err := range w.told() {
			if strings.Contains(err.Error(), "ThrottlingException") {
				throttled++
			}
		}
		if throttled > 0 {
			t.Errorf("lists were throttled %d times", throttled)
		}
	})
}

// A disabled stream is read to its end, which is told once, with what took its place;
// when it is gone the mapping ends (DDB-09, DDB-10, DDB-30, DDB-31; fault D14).
func TestDisabledStream(t *testing.T) {
	t.Parallel()
	inWorld(t, 3, func(t *testing.T, w *world) {
		w.change(ids(30)...)
		w.must(w.Disable("orders"))
		next, err := w.Enable("orders", dynamodbstreamstest.Setup{})
		w.must(err)
		_, err = w.Put("orders", item{"id": text("elsewhere")})
		w.must(err)
		r := w.run(w.journal(nil), slow(), esm.Config{})
		w.until(30, time.Minute)
		calls := w.called()
		time.Sleep(10 * time.Hour)
		if n := w.called() - calls; n > 5_000 {
			t.Errorf("%d calls of a stream that is over, in 10 hours", n)
		}
		told := 0
		for _, err := range w.told() {
			if over, ok := errors.AsType[*dynamodbstreams.DisabledError](err); ok {
				told++
				if over.Successor != next || over.Stream != w.arn || !strings.Contains(err.Error(), next) {
					t.Errorf("told %v", err)
				}
			}
		}
		if told != 1 {
			t.Errorf("told %d times that the stream is disabled: %v", told, w.told())
		}
		w.once()
		time.Sleep(15 * time.Hour)
		if err := <-r.ended; !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "Stream not found: "+w.arn) {
			t.Errorf("Run: %v", err)
		}
	})
}

// A stream that is being enabled has no shards yet: they are waited for (DDB-30).
func TestEnablingStream(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(_ *testing.T, w *world) {
		w.must(w.SetStatus(w.arn, types.StreamStatusEnabling))
		hidden := []string{w.open()[0]}
		w.setFaults(func(c dynamodbstreamstest.Call) fault {
			if c.Action != "DescribeStream" {
				return fault{}
			}
			w.mu.Lock()
			defer w.mu.Unlock()
			return fault{Hidden: hidden}
		})
		w.change("a")
		r := w.run(w.journal(nil), dynamodbstreams.Options{}, esm.Config{})
		time.Sleep(5 * time.Second)
		w.mu.Lock()
		hidden = nil
		w.mu.Unlock()
		w.must(w.SetStatus(w.arn, types.StreamStatusEnabled))
		w.until(1, 2*time.Minute)
		r.end()
		w.once()
	})
}
