package kinesis_test

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/checkpoint/file"
	"github.com/openesm/openesm/sources/kinesis"
)

// stream puts a record of each of many keys every tenth of a second, until stopped.
func (w *world) stream() (stop func() (records int)) {
	var (
		sending sync.WaitGroup
		n       int
		done    = make(chan struct{})
	)
	sending.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(100 * time.Millisecond):
			}
			for _, key := range texts(0, 10) {
				w.send("key "+key, key)
				n++
			}
		}
	})
	return func() int {
		close(done)
		sending.Wait()
		return n
	}
}

// frozen is a store as a process sees it that is paused, or dead: its calls wait.
type frozen struct {
	checkpoint.Store

	mu  sync.Mutex
	ice chan struct{} // nil while it is warm
}

func (s *frozen) freeze() (thaw func()) {
	ice := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ice = ice
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.ice = nil
		close(ice)
	}
}

func (s *frozen) wait() {
	s.mu.Lock()
	ice := s.ice
	s.mu.Unlock()
	if ice != nil {
		<-ice
	}
}

func (s *frozen) Leases(ctx context.Context) ([]checkpoint.Lease, error) {
	s.wait()
	return s.Store.Leases(ctx)
}

func (s *frozen) Create(ctx context.Context, l checkpoint.Lease) error {
	s.wait()
	return s.Store.Create(ctx, l)
}

func (s *frozen) Update(ctx context.Context, last, next checkpoint.Lease) error {
	s.wait()

	// As one whose request was on its way when its process stopped: it does not
	// know that its time is over.
	return s.Store.Update(context.WithoutCancel(ctx), last, next)
}

// Workers share the shards (KIN-66, P5).
func TestWorkersShareTheShards(t *testing.T) {
	t.Parallel()
	inWorld(t, 8, func(t *testing.T, w *world) {
		stop := w.stream()
		one := w.run(w.journal(nil), kinesis.Options{Worker: "one"}, esm.Config{})
		two := w.run(w.journal(nil), kinesis.Options{Worker: "two"}, esm.Config{})
		time.Sleep(2 * time.Minute)
		owners := map[string]int{}
		for _, shard := range w.Shards(telemetry) {
			owners[w.lease(shard.ID).Owner[:3]]++
		}
		if owners["one"] != 4 || owners["two"] != 4 {
			t.Errorf("owners %v, want four shards for each", owners)
		}
		n := stop()
		w.until(n, time.Minute)
		one.end()
		two.end()
		w.allGivenBack()
		w.atLeastOnce()
	})
}

// atLeastOnce looks that every record was done, where owners changed.
func (w *world) atLeastOnce() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for key, all := range w.keys {
		for _, number := range all {
			if w.done[number] == 0 {
				w.t.Errorf("record %s of %q was not done", number, key)
			}
		}
	}
}

// TestWorkerDies has one of two workers stop without giving anything back, and come
// back later as a zombie. It prints how long its shards stay unread (P1, P3, P9, P12).
func TestWorkerDies(t *testing.T) {
	t.Parallel()
	for _, lease := range []time.Duration{5 * time.Second, 10 * time.Second, 30 * time.Second} {
		t.Run(lease.String(), func(t *testing.T) {
			t.Parallel()
			inWorld(t, 4, func(t *testing.T, w *world) {
				options := kinesis.Options{LeaseDuration: lease}
				store := w.store
				dying := &frozen{Store: store}
				w.store = dying
				one := w.source(options)
				w.store = store
				first := w.runSource(one, w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
					dying.wait() // its handlers stop with it
					return esm.Response{}, nil
				}), esm.Config{Timeout: 15 * time.Minute})
				second := w.run(w.journal(nil), options, esm.Config{})
				time.Sleep(4 * lease)
				thaw := dying.freeze()
				for _, key := range texts(0, 40) {
					w.send("key "+key, key)
				}
				took := w.until(40, 10*lease)
				t.Logf("what a worker that died had to read was handled %.2f lease times after its end", float64(took)/float64(lease))
				if maxTime := 2*lease + 2*time.Second; took > maxTime {
					t.Errorf("took %v, want at most %v", took, maxTime)
				}

				// A zombie: what it has on its way is refused, and nothing goes backwards.
				thaw()
				time.Sleep(4 * lease)
				w.send("k", texts(0, 20)...)
				w.until(60, time.Minute)
				first.end()
				second.end()
				w.atLeastOnce()
			})
		})
	}
}

// TestStoreDownForAMinute has nobody lose a record, and goes on by itself (P1, P9).
func TestStoreDownForAMinute(t *testing.T) {
	t.Parallel()
	inWorld(t, 3, func(t *testing.T, w *world) {
		stop := w.stream()
		r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
		time.Sleep(20 * time.Second)
		w.breakStore(true)
		time.Sleep(30 * time.Second)
		_, err := w.Split(telemetry, firstShard)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(30 * time.Second)
		w.breakStore(false)
		n := stop()
		w.until(n, 2*time.Minute)
		time.Sleep(time.Minute)
		r.end()
		w.atLeastOnce()
		w.allGivenBack()
	})
}

// TestStopIsPromptAtAnyMoment stops again and again, in the middle of everything. With
// a factor, what one sub-lane finished behind an open record of another comes again
// (KIN-105) (P5, P11, P12).
func TestStopIsPromptAtAnyMoment(t *testing.T) {
	t.Parallel()
	for _, factor := range []int{1, 2} {
		t.Run(strconv.Itoa(factor), func(t *testing.T) {
			t.Parallel()
			inWorld(t, 2, func(t *testing.T, w *world) {
				stop := w.stream()
				for i := range 20 {
					r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
						time.Sleep(70 * time.Millisecond)
						return esm.Response{}, nil
					}), kinesis.Options{Worker: "one"}, esm.Config{BatchSize: 5, ParallelizationFactor: factor})
					time.Sleep(time.Duration(i) * 313 * time.Millisecond)
					took, err := r.stop()
					if err != nil || took > time.Second {
						t.Errorf("Run: %v after %v", err, took)
					}
					w.allGivenBack()
				}
				n := stop()
				r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
				w.until(n, 2*time.Minute)
				r.end()
				if factor == 1 {
					w.once()
				} else {
					w.atLeastOnce()
				}
			})
		})
	}
}

// allGivenBack looks that no lease has an owner.
func (w *world) allGivenBack() {
	w.t.Helper()
	for _, shard := range w.Shards(telemetry) {
		if l := w.lease(shard.ID); l.Owner != "" {
			w.t.Errorf("%s is still owned by %s", shard.ID, l.Owner)
		}
	}
}

// TestStopCutsAHangingCall has a call that never ends.
func TestStopCutsAHangingCall_P11(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
		time.Sleep(5 * time.Second)
		w.setFault(on("GetRecords", hang))
		time.Sleep(2 * time.Second)
		took, err := r.stop()
		if err != nil || took > time.Second {
			t.Errorf("Run: %v after %v", err, took)
		}
	})
}

// File store goes on (KIN-47, KIN-52, P12).
func TestFileStoreGoesOn(t *testing.T) {
	t.Parallel()
	inWorld(t, 2, func(t *testing.T, w *world) {
		path := filepath.Join(t.TempDir(), "positions")
		memory := w.store
		for i := range 5 {
			store, err := file.Open(path, file.Options{})
			if err != nil {
				t.Fatal(err)
			}
			w.send("", texts(100*i, 100*(i+1))...)
			w.store = store
			r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{BatchSize: 10})
			w.until(100*(i+1), time.Minute)
			r.end()
			w.store = memory
			err = store.Close()
			if err != nil {
				t.Error(err)
			}
		}
		w.once()
	})
}

func TestLostShardIsDropped_P3(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a", "b")
		p := w.open(kinesis.Options{})
		all := p.want("a", "b")
		l := w.lease(firstShard)
		next := l
		next.Owner, next.Counter = "thief", l.Counter+1
		err := w.store.Update(t.Context(), l, next)
		if err != nil {
			t.Fatal(err)
		}
		err = p.Ack(t.Context(), all)
		if !errors.Is(err, sources.ErrLost) {
			t.Errorf("Ack: %v, want that the shard is lost", err)
		}
		_, err = p.read(1, time.Minute)
		if !errors.Is(err, sources.ErrLost) {
			t.Errorf("Fetch: %v, want that the shard is lost", err)
		}
		p.close()
		if got := w.lease(firstShard); !got.Equal(next) {
			t.Errorf("lease %+v, want it as the thief wrote it", got)
		}
	})
}

// A store that wants a position a second fails from the moment of the stop on: that the
// last positions, which were counted as committed, are not stored is told.
func TestUnstoredPositionIsTold_P14(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.paced()
		r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{BatchSize: 1})
		w.send("k", texts(0, 10)...)
		last := w.keys["k"][9]
		w.wait(time.Minute, "10 records committed", func() bool { return w.count(esm.CommittedEventCount) == 10 })
		w.breakStore(true)
		r.end()
		if stored := w.lease(firstShard).Position.Sequence; stored == last {
			t.Fatal("the last position is stored, which was not to be")
		}
		if w.reported("position "+last, "not known to be stored") == nil || w.count(esm.CommitErrorCount) != 1 {
			t.Errorf("%d commit errors, observed %v, want one that names %s", w.count(esm.CommitErrorCount), w.errs, last)
		}
	})
}
