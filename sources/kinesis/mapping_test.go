package kinesis_test

import (
	"context"
	"crypto/md5" // what Kinesis hashes keys with
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// The tests of mappings are those of engine, adapter, lease manager and SDK client
// together, on the fake service: what the engine's own tests cannot show.

// randomFault has a tenth of the calls fail, each in another way.
func randomFault(c kinesistest.Call) kinesistest.Fault {
	switch c.Number % 31 {
	case 3:
		return kinesistest.Fault{Err: kinesistest.ProvisionedThroughputExceeded()}
	case 9:
		return kinesistest.Fault{Err: kinesistest.InternalFailure()}
	case 15:
		return kinesistest.Fault{Cut: kinesistest.CutAfter}
	case 19:
		return kinesistest.Fault{AtMost: 3}
	case 21:
		return kinesistest.Fault{Cut: kinesistest.CutBefore}
	case 25:
		return kinesistest.Fault{Empty: true}
	case 27:
		return kinesistest.Fault{Err: kinesistest.ExpiredIterator()}
	case 29:
		return kinesistest.Fault{LateEnd: true}
	default:
		return kinesistest.Fault{}
	}
}

// Mapping handles each record once (P1, P2, P4, P5, KIN-30, KIN-31).
func TestMappingHandlesEachRecordOnce(t *testing.T) {
	t.Parallel()
	for name, faults := range map[string]faults{"fair": nil, "faults": randomFault} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 3, func(t *testing.T, w *world) {
				const records = 3000
				w.setFault(faults)
				w.send("", texts(0, records)...)
				r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{BatchSize: 100})
				w.until(records, 5*time.Minute)
				r.end()
				w.once()
				if n := w.count(esm.CommittedEventCount); n != records {
					t.Errorf("%d committed, want %d", n, records)
				}
			})
		})
	}
}

// TestMappingWritesEvents has a handler of AWS's own types (KIN-190, KIN-194).
func TestMappingWritesEvents(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a", "b")
		got := make(chan events.KinesisEvent, 1)
		r := w.run(esm.Typed(func(_ context.Context, e events.KinesisEvent) error {
			w.mu.Lock()
			for _, record := range e.Records {
				w.done[record.Kinesis.SequenceNumber]++
			}
			w.mu.Unlock()
			got <- e
			return nil
		}), kinesis.Options{RoleARN: "arn:aws:iam::123456789012:role/reader"}, esm.Config{})
		e := <-got
		r.end()
		if len(e.Records) != 2 || string(e.Records[0].Kinesis.Data) != "a" || e.Records[0].EventSourceArn != telemetry ||
			e.Records[0].InvokeIdentityArn != "arn:aws:iam::123456789012:role/reader" || e.Records[0].AwsRegion != "eu-west-1" ||
			e.Records[0].EventID != firstShard+":"+e.Records[0].Kinesis.SequenceNumber {
			t.Errorf("%+v", e)
		}
	})
}

// TestReshardUnderLoad splits and merges while records come, with and without faults (KIN-65,
// KIN-66, KIN-67, KIN-68, KIN-76, KIN-77, KIN-221, KIN-222, P4).
func TestReshardUnderLoad(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		faults  faults
		options kinesis.Options
		factor  int
	}{
		"fair":   {nil, kinesis.Options{}, 1},
		"faults": {randomFault, kinesis.Options{}, 1},
		"factor": {nil, kinesis.Options{}, 4},
		"latest": {randomFault, kinesis.Options{StartingPosition: kinesis.Latest}, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 2, func(_ *testing.T, w *world) {
				const rounds, keys = 40, 20
				w.setFault(test.faults)
				r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
					time.Sleep(50 * time.Millisecond)
					return esm.Response{}, nil
				}), test.options, esm.Config{BatchSize: 7, ParallelizationFactor: test.factor})
				time.Sleep(2 * time.Second)
				for round := range rounds {
					for key := range keys {
						w.send("key "+strconv.Itoa(key), strconv.Itoa(round))
					}
					if round%8 == 3 {
						reshard(w)
					}
					time.Sleep(time.Second / 2)
				}
				w.until(rounds*keys, 10*time.Minute)
				r.end()
				w.once()
			})
		})
	}
}

// reshard splits an open shard of the stream and merges two others that are adjacent.
func reshard(w *world) {
	w.t.Helper()
	var open []kinesistest.Shard
	for _, shard := range w.Shards(telemetry) {
		if !shard.Closed {
			open = append(open, shard)
		}
	}
	_, err := w.Split(telemetry, open[0].ID)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range open[1:] {
		for _, b := range open[1:] {
			to, _ := new(big.Int).SetString(a.To, 10)
			if to.Add(to, big.NewInt(1)).String() == b.From {
				_, err := w.Merge(telemetry, a.ID, b.ID)
				if err != nil {
					w.t.Fatal(err)
				}
				return
			}
		}
	}
}

// TestParallelizationFactor has the keys of a quarter of the hash range, all with the
// same top bits, and some that were put with a hash key of their own (KIN-100, KIN-101,
// KIN-103, KIN-104, KIN-105, KIN-231, KIN-232).
func TestParallelizationFactor(t *testing.T) {
	t.Parallel()
	inWorld(t, 4, func(t *testing.T, w *world) {
		const (
			factor = 4
			each   = 25
		)
		shard := w.Shards(telemetry)[1]
		var all []kinesistest.Record
		for n := 0; len(all) < 20; n++ {
			key := "key " + strconv.Itoa(n)
			sum := md5.Sum([]byte(key))
			switch {
			case sum[0]>>6 == 1:
				all = append(all, kinesistest.Record{Key: key})
			case n%5 == 0: // its hash lies elsewhere (KIN-104)
				all = append(all, kinesistest.Record{Key: key, HashKey: shard.From})
			}
		}
		for i := range each {
			for j := range all {
				all[j].Data = []byte(strconv.Itoa(i))
				all[j].Arrival = time.Time{}
			}
			w.sendRecords(all)
		}
		var g gauge
		r := w.run(w.journal(g.around(20*time.Millisecond)), kinesis.Options{}, esm.Config{
			BatchSize: 5, ParallelizationFactor: factor,
		})
		w.until(each*len(all), time.Minute)
		r.end()
		w.once()
		if n := g.peak(); n != factor {
			t.Errorf("%d at once, want %d", n, factor)
		}
	})
}

// TestPoisonHoldsItsSubLane has one key fail for ever: others go on, the position does
// not (the world looks at that), and after a restart nothing of it is lost (KIN-105, KIN-107,
// P3, P6).
func TestPoisonHoldsItsSubLane(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		for i := range 10 {
			for key := range 10 {
				w.send("key "+strconv.Itoa(key), strconv.Itoa(i))
			}
		}
		config := esm.Config{BatchSize: 2, ParallelizationFactor: 10, Timeout: time.Second}
		poison := func(_ context.Context, records []sources.Record) (esm.Response, error) {
			for i := range records {
				if records[i].Key == "key 3" {
					return esm.Response{}, errHandler
				}
			}
			return esm.Response{}, nil
		}
		r := w.run(w.journal(poison), kinesis.Options{}, config)
		time.Sleep(10 * time.Minute)
		r.end()
		if n := w.finished(); n < 60 || n > 90 {
			t.Errorf("%d records done, want those of the other sub-lanes", n)
		}
		if l := w.lease(firstShard); strings.Compare(l.Position.Sequence, w.keys["key 3"][0]) >= 0 {
			t.Errorf("position %s is behind the open record %s", l.Position.Sequence, w.keys["key 3"][0])
		}
		r = w.run(w.journal(nil), kinesis.Options{}, config)
		w.until(100, time.Minute)
		r.end()
	})
}

// gauge measures how many invocations run at once.
type gauge struct {
	mu           sync.Mutex
	now, highest int
}

func (g *gauge) add(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now += n
	g.highest = max(g.highest, g.now)
}

// around returns a handler that takes so long.
func (g *gauge) around(d time.Duration) handle {
	return func(context.Context, []sources.Record) (esm.Response, error) {
		g.add(1)
		defer g.add(-1)
		time.Sleep(d)
		return esm.Response{}, nil
	}
}

func (g *gauge) peak() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.highest
}

// Filter (KIN-13, KIN-204, KIN-205, KIN-206).
func TestFilter(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", `{"a":1}`, `{"a":2}`, `text`, `{"a":1,"b":3}`, `{"a":2}`)

		// What is filtered out is done.
		w.mu.Lock()
		for i, number := range w.keys["k"] {
			if i != 0 && i != 3 {
				w.done[number]++
			}
		}
		w.mu.Unlock()
		r := w.run(w.journal(nil), kinesis.Options{}, esm.Config{FilterCriteria: esm.FilterCriteria{
			Filters: []string{`{"data":{"a":[1]},"partitionKey":["k"]}`},
		}})
		w.until(5, time.Minute)
		w.wait(time.Minute, "position behind all", func() bool {
			return w.lease(firstShard).Position.Sequence == w.keys["k"][4]
		})
		r.end()
		if n := w.count(esm.FilteredOutEventCount); n != 3 {
			t.Errorf("%d filtered out, want 3", n)
		}
		source := w.source(kinesis.Options{})
		_, err := esm.New(source, w.journal(nil), esm.Config{FilterCriteria: esm.FilterCriteria{
			Filters: []string{`{"data":["text"]}`},
		}})
		if err == nil {
			t.Error("a pattern of text is taken (KIN-205)")
		}
	})
}
