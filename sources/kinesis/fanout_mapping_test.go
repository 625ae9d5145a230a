package kinesis_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// live puts records and reshards, at random, for so long.
func (f *fan) live(random *rand.Rand, d time.Duration) {
	f.t.Helper()
	const keys = 16
	for until := time.Now().Add(d); time.Now().Before(until); {
		switch n := random.IntN(40); {
		case n == 0:
			f.reshard(random)
		case n < 5:
			time.Sleep(time.Duration(random.Int64N(int64(8 * time.Minute))))
		case n < 8:
			f.put(1500, keys) // more than an event takes
		default:
			f.put(1+random.IntN(20), keys)
			time.Sleep(time.Duration(random.Int64N(int64(20 * time.Second))))
		}
	}
}

// reshard splits a shard or merges two.
func (f *fan) reshard(random *rand.Rand) {
	f.t.Helper()
	const maxShards = 6
	open := slices.DeleteFunc(f.Shards(telemetry), func(s kinesistest.Shard) bool { return s.Closed })
	slices.SortFunc(open, func(a, b kinesistest.Shard) int {
		return cmp.Or(cmp.Compare(len(a.From), len(b.From)), strings.Compare(a.From, b.From))
	})
	var err error
	if n := len(open); n == 1 || n < maxShards && random.IntN(2) == 0 {
		_, err = f.Split(telemetry, open[random.IntN(n)].ID)
	} else {
		i := random.IntN(n - 1)
		_, err = f.Merge(telemetry, open[i].ID, open[i+1].ID)
	}
	if err != nil {
		f.t.Fatal(err)
	}
}

// randomFaults has calls and event streams fail at random.
func (f *fan) randomFaults(random *rand.Rand) func(kinesistest.Call) kinesistest.Fault {
	var errs []*kinesistest.Error
	for _, e := range exceptions() {
		errs = append(errs, e)
	}
	slices.SortFunc(errs, func(a, b *kinesistest.Error) int { return strings.Compare(a.Type, b.Type) })
	var faults []kinesistest.Fault
	for _, e := range refusals() {
		faults = append(faults, e)
	}
	slices.SortFunc(faults, func(a, b kinesistest.Fault) int {
		return strings.Compare(fmt.Sprint(a.Err), fmt.Sprint(b.Err))
	})
	return func(c kinesistest.Call) kinesistest.Fault { // f.mu is held
		if c.Action != "SubscribeToShard" {
			return kinesistest.Fault{}
		}
		switch random.IntN(8) {
		case 0:
			return faults[random.IntN(len(faults))]
		case 1:
			return kinesistest.Fault{Cut: kinesistest.CutAfter}
		case 2:
			return kinesistest.Fault{Delay: time.Duration(random.Int64N(int64(time.Minute)))}
		case 3, 4:
			return kinesistest.Fault{Stream: &kinesistest.Break{After: random.IntN(20)}}
		case 5, 6:
			return kinesistest.Fault{Stream: &kinesistest.Break{After: random.IntN(20), Err: errs[random.IntN(len(errs))]}}
		default:
			return kinesistest.Fault{}
		}
	}
}

// Hours without faults: each record once, in the order of its key, and no error (P1, P4, P5).
func TestFanOutMapping(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4 / fanScale) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			inFan(t, 2, func(t *testing.T, f *fan) {
				random := rand.New(rand.NewPCG(seed, 1))
				w := f.run(kinesis.Options{}, esm.Config{}, nil)
				f.live(random, 4*time.Hour/fanScale)
				f.until(time.Minute)
				w.end(time.Second)
				f.complete(false)
				f.apart()
				f.mu.Lock()
				defer f.mu.Unlock()
				if len(f.errs) > 0 {
					t.Errorf("%d errors, the first: %v", len(f.errs), f.errs[0])
				}
			})
		})
	}
}

// Hours of faults: nothing is lost, and as no shard gets another owner, nothing
// comes twice either (P1, P4, P9).
func TestFanOutMappingUnderFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8 / fanScale) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			inFan(t, 2, func(_ *testing.T, f *fan) {
				random := rand.New(rand.NewPCG(seed, 2))
				f.setFault(f.randomFaults(rand.New(rand.NewPCG(seed, 3))))
				w := f.run(kinesis.Options{}, esm.Config{}, nil)
				f.live(random, 4*time.Hour/fanScale)
				f.setFault(nil)
				f.until(10 * time.Minute)
				w.end(time.Second)
				f.complete(false)
				f.apart()
			})
		})
	}
}

// A handler that takes longer than a subscription lives.
func TestFanOutMappingSlowHandler_KIN81(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(_ *testing.T, f *fan) {
		random := rand.New(rand.NewPCG(1, 4))
		w := f.run(kinesis.Options{}, esm.Config{BatchSize: 4, Timeout: 15 * time.Minute}, func() time.Duration {
			return time.Duration(random.Int64N(int64(12 * time.Minute)))
		})
		for range 30 { // of which 40 records are held
			f.put(10, 8)
			time.Sleep(3 * time.Minute)
		}
		f.until(12 * time.Hour)
		w.end(time.Second)
		f.complete(false)
	})
}

// Stopping does not wait for anything of a subscription.
func TestFanOutMappingStop_P11(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]kinesistest.Fault{
		"idle": {}, "before the answer": {Delay: time.Hour}, "failing": {Err: kinesistest.InternalFailure()},
		"refused": {Err: kinesistest.ResourceInUse()}, "broken": {Stream: &kinesistest.Break{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 3, func(_ *testing.T, f *fan) {
				f.setFault(every(fault))
				w := f.run(kinesis.Options{}, esm.Config{}, nil)
				time.Sleep(17 * time.Second)
				w.end(0)
				synctest.Wait()
				if n := f.subscribers(); n != 0 {
					f.t.Errorf("%d subscriptions are left", n)
				}
			})
		})
	}
}

// Workers come and go and hand shards over: nothing is lost, keys stay in order, and
// a shard that was handed over is read again within seconds.
func TestFanOutHandover_KIN83(t *testing.T) {
	t.Parallel()
	for seed := range uint64(4 / fanScale) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			inFan(t, 4, func(_ *testing.T, f *fan) {
				const patience = 40 * time.Second // to find the shard, and KIN-83
				random := rand.New(rand.NewPCG(seed, 5))
				first := f.run(kinesis.Options{Worker: "first"}, esm.Config{}, nil)
				f.live(random, 20*time.Minute)
				for range 8 / fanScale {
					second := f.run(kinesis.Options{Worker: "second"}, esm.Config{}, nil)
					f.live(random, time.Minute+time.Duration(random.Int64N(int64(10*time.Minute))))
					f.until(patience)
					first.end(time.Second)
					f.put(100, 16)
					f.until(patience)
					first = second
					f.live(random, time.Duration(random.Int64N(int64(10*time.Minute))))
				}
				f.until(patience)
				first.end(time.Second)
				f.complete(true)
			})
		})
	}
}
