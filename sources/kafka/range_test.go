//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// ranged is a world whose group has committed offset 3 of a partition with records 8 to 19.
func ranged(t *testing.T) *world {
	t.Helper()
	w := newVirtualWorld(t, 1)
	w.send(0, 0, 20)
	w.commit(0, 3)
	if err := w.cluster.DeleteRecords(w.topic, 0, 8); err != nil {
		t.Fatal(err)
	}
	return w
}

// A loss is told, with its true number, without a record that comes later, and what comes
// then is read (KAF-37).
func TestLossIsToldWithoutARecord_KAF37(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		for position, want := range map[kafka.StartingPosition]int{kafka.TrimHorizon: 5, kafka.Latest: 17} {
			t.Run(fmt.Sprint("position ", position, " mixed=", mixed), func(t *testing.T) {
				t.Parallel()
				eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
					t.Helper()
					w := ranged(t)
					options := w.options("g")
					options.StartingPosition, options.MixPartitions = position, mixed
					vary(&options)
					source, err := kafka.New(options)
					if err != nil {
						t.Fatal(err)
					}
					var seen errorsOf
					config := unwindowed
					config.Observer = seen.observe
					handled := w.follow(source, config)
					w.until("the loss is told", func() bool { return seen.loss() != nil })
					w.until("the position is stored", func() bool { return w.committed("g")[0] == 20 })
					if loss := seen.loss(); loss.From != 3 || loss.Count != int64(want) || loss.Partition != "orders-0" {
						t.Errorf("told of %+v, want %d from 3 on", loss, want)
					}
					if got := lost(source); got != want {
						t.Errorf("measured a loss of %d, want %d", got, want)
					}
					w.until("there is no lag", func() bool { lag, known := lagOf(source, "orders-0"); return known && lag == 0 })
					w.send(0, 20, 23)
					w.until("all is handled", func() bool { return w.committed("g")[0] == 23 })
					if got := handled.of("orders-0"); len(got) != 20-want || got[len(got)-1] != "22" || seen.count("offsets from") != 1 {
						t.Errorf("handled %v, told %d times", got, seen.count("offsets from"))
					}
				})
			})
		}
	}
}

// A mapping that reads, and whose next records are deleted, goes on with the oldest one
// that there is, with Latest too: no more is lost than that.
func TestLossWhileReading_KAF37(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.fill(0, 20_000, 1<<10) // more than a lane buffers
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		options.ClientOptions = append(options.ClientOptions, kgo.FetchMaxPartitionBytes(64<<10)) // not all at once, compressed as it is
		w.commit(0, 0)
		source, err := kafka.New(options)
		if err != nil {
			t.Fatal(err)
		}
		var seen errorsOf
		config := unwindowed
		config.Observer, config.BatchSize = seen.observe, 1000
		g := newGate()
		handled := newLedger()
		background(t, source, esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
			handled.add(records)
			return g.hold(ctx, records)
		}), config)
		g.await(t)
		if err := w.cluster.DeleteRecords(w.topic, 0, 19_990); err != nil {
			t.Fatal(err)
		}
		g.release()
		w.until("all is handled", func() bool { return w.committed("g")[0] == 20_000 })
		got := handled.of("orders-0")
		if loss := seen.loss(); loss == nil || int(loss.Count)+len(got) != 20_000 || got[len(got)-10] != "19990" {
			t.Errorf("handled %d records, the last ones %v, told of %+v", len(got), got[len(got)-11:], loss)
		}
	})
}

// A position behind the end of the topic is told at once, and a new one is stored.
func TestPositionPastTheEndIsToldAtOnce_KAF37(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 20)
		w.commit(0, 500)
		options := w.options("g")
		options.StartingPosition = kafka.Latest
		var seen errorsOf
		config := unwindowed
		config.Observer = seen.observe
		m := start(t, options, config, nil)
		w.until("it is told", func() bool { return seen.has("goes on at offset 20, before 500") })
		w.until("the position is stored", func() bool { return w.committed("g")[0] == 20 })
		w.send(0, 20, 23)
		w.until("all is handled", func() bool { return w.committed("g")[0] == 23 })
		if got := m.seen.of("orders-0"); !slices.Equal(got, []string{"20", "21", "22"}) {
			t.Errorf("handled %v", got)
		}
	})
}

// commitAt is commit with the epoch of the leader, as members commit.
func (w *world) commitAt(partition int32, at int64, epoch int32) {
	w.t.Helper()
	var offsets kadm.Offsets
	offsets.AddOffset(w.topic, partition, at, epoch)
	answers, err := w.admin.CommitOffsets(context.Background(), "g", offsets)
	if err := errors.Join(err, answers.Error()); err != nil {
		w.t.Fatal(err)
	}
}

// A committed offset behind the end of the topic, with an epoch or without: it is gone on
// as StartingPosition says, and what Latest passes by is counted and told (KAF-37).
func TestPositionPastTheEndWithAnEpoch_KAF37(t *testing.T) {
	t.Parallel()
	for _, epoch := range []int32{-1, 0} {
		for _, mixed := range []bool{false, true} {
			for position, want := range map[kafka.StartingPosition]int{kafka.TrimHorizon: 0, kafka.Latest: 30} {
				t.Run(fmt.Sprint("epoch ", epoch, " position ", position, " mixed=", mixed), func(t *testing.T) {
					t.Parallel()
					eachProtocolInBubbles(t, func(t *testing.T, vary func(*kafka.Options)) {
						t.Helper()
						w := newVirtualWorld(t, 1)
						w.send(0, 0, 30)
						w.commitAt(0, 100, epoch)
						options := w.options("g")
						options.StartingPosition, options.MixPartitions = position, mixed
						vary(&options)
						source, err := kafka.New(options)
						if err != nil {
							t.Fatal(err)
						}
						var seen errorsOf
						config := unwindowed
						config.Observer = seen.observe
						handled := w.follow(source, config)
						w.until("it is told", func() bool { return seen.has(fmt.Sprintf("goes on at offset %d, before 100", want)) })
						w.until("the position is stored", func() bool { return w.committed("g")[0] == 30 })
						w.send(0, 30, 33)
						w.until("all is handled", func() bool { return w.committed("g")[0] == 33 })
						if got := handled.of("orders-0"); len(got) != 33-want || got[0] != strconv.Itoa(want) {
							t.Errorf("handled %v", got)
						}
						if got := lost(source); got != want {
							t.Errorf("measured a loss of %d, want %d", got, want)
						}
						loss := seen.loss()
						if (loss == nil) != (want == 0) || loss != nil && (loss.From != 0 || loss.Count != int64(want)) {
							t.Errorf("told of %+v, want %d", loss, want)
						}
					})
				})
			}
		}
	}
}

// Brokers that lost the end of a topic say where, and a commit of the mapping says that it is
// of that very topic: it goes on there, whatever StartingPosition is, and nothing is lost
// (KAF-37).
func TestTopicCutOffIsGoneOnWithAtTheCut_KAF37(t *testing.T) {
	t.Parallel()
	for _, position := range []kafka.StartingPosition{kafka.TrimHorizon, kafka.Latest} {
		t.Run(fmt.Sprint("position ", position), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.commit(0, 0)
				w.send(0, 0, 30)
				options := w.options("g")
				options.StartingPosition = position
				first := start(t, options, unwindowed, nil)
				w.until("all is handled", func() bool { return w.committed("g")[0] == 30 })
				if err := first.stop(); err != nil {
					t.Fatal(err)
				}
				w.commitFurther(100)
				source, err := kafka.New(options)
				if err != nil {
					t.Fatal(err)
				}
				var seen errorsOf
				config := unwindowed
				config.Observer = seen.observe
				handled := w.follow(source, config)
				w.until("it is told", func() bool { return seen.has("goes on at offset 30, before 100") })
				w.until("the position is stored", func() bool { return w.committed("g")[0] == 30 })
				w.send(0, 30, 33)
				w.until("all is handled", func() bool { return w.committed("g")[0] == 33 })
				if got := handled.of("orders-0"); !slices.Equal(got, []string{"30", "31", "32"}) || lost(source) != 0 || seen.loss() != nil {
					t.Errorf("handled %v, lost %d, told of %+v", got, lost(source), seen.loss())
				}
			})
		})
	}
}

// commitFurther commits another offset as the mapping has committed the one that there is.
func (w *world) commitFurther(at int64) {
	w.t.Helper()
	all, err := w.admin.FetchOffsets(context.Background(), "g")
	if err != nil {
		w.t.Fatal(err)
	}
	one, _ := all.Lookup(w.topic, 0)
	one.At = at
	var offsets kadm.Offsets
	offsets.Add(one.Offset)
	answers, err := w.admin.CommitOffsets(context.Background(), "g", offsets)
	if err := errors.Join(err, answers.Error()); err != nil {
		w.t.Fatal(err)
	}
}
