//go:build synctests

package kafka_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// A failed batch is tried again, whole, until it succeeds, and nothing is committed
// before.
func TestRetries_KAF34(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		var tries atomic.Int32
		m := start(t, w.options("g"), quick(unwindowed), func(context.Context, []sources.Record) (esm.Response, error) {
			if tries.Add(1) < 4 {
				if at, ok := w.committed("g")[0]; ok { //nolint:contextcheck // the world has its own
					t.Errorf("committed %d", at)
				}
				return esm.Response{}, errRefused
			}
			return esm.Response{}, nil
		})
		m.seen.await(t, 5)
		m.seen.wantOnce(t, 1, 5)
	})
}

// Of a partial failure only the records that were named are tried again, and what is
// committed stays below the lowest of them (KAF-65, KAF-66, KAF-67, KAF-69, KAF-183, KAF-184).
func TestPartialFailure(t *testing.T) {
	t.Parallel()
	for _, mixed := range []bool{false, true} {
		t.Run(fmt.Sprint("mixed=", mixed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 2)
				w.send(0, 0, 6)
				w.send(1, 0, 6)
				options := w.options("g")
				options.MixPartitions = mixed
				var (
					mu      sync.Mutex
					batches = make(map[string][]string)
					at      int64
				)
				in := &invoker{answer: func(document []byte) ([]byte, error) {
					mu.Lock()
					defer mu.Unlock()
					names := offsetsIn(t, document)
					for partition, offsets := range names {
						batches[partition] = append(batches[partition], fmt.Sprint(offsets))
					}
					if slices.Equal(names["orders-1"], []int64{0, 1, 2, 3, 4, 5}) {
						return []byte(`{"batchItemFailures":[` +
							`{"itemIdentifier":{"partition":"orders-1","offset":4}},{"itemIdentifier":{"partition":"orders-1","offset":2}}]}`), nil
					}
					if slices.Equal(names["orders-1"], []int64{2, 4}) {
						w.until("what is before the first of them is committed", func() bool {
							at = w.committed("g")[1]
							return at > 0
						})
					}
					return nil, nil
				}}
				config := quick(esm.Config{BatchSize: 1000, MaximumBatchingWindow: 200 * time.Millisecond})
				config.ReportBatchItemFailures = true
				w.run(options, esm.Bytes(in), config)
				w.until("all is committed", func() bool {
					at := w.committed("g")
					return at[0] == 6 && at[1] == 6
				})
				mu.Lock()
				defer mu.Unlock()
				if got := batches["orders-1"]; !slices.Equal(got, []string{"[0 1 2 3 4 5]", "[2 4]"}) {
					t.Errorf("orders-1 was handled as %v", got)
				}
				if got := batches["orders-0"]; !slices.Equal(got, []string{"[0 1 2 3 4 5]"}) {
					t.Errorf("orders-0 was handled as %v", got)
				}
				if at != 2 {
					t.Errorf("committed %d while 2 and 4 were open", at)
				}
			})
		})
	}
}

// What success looks like, and what fails a batch as a whole.
func TestResponses_KAF68(t *testing.T) {
	t.Parallel()
	for answer, whole := range map[string]bool{
		"": false, "null": false, "{}": false, `{"batchItemFailures":[]}`: false, `{"batchItemFailures":null}`: false,
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"orders-9","offset":0}}]}`:   true,
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"orders-0","offset":900}}]}`: true,
		`{"batchItemFailures":[{"itemIdentifier":{"partition":"orders-0"}}]}`:              true,
		`{"batchItemFailures":[{"itemIdentifier":"orders-0:1"}]}`:                          true,
		`{"batchItemFailures":[{}]}`: true,
	} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.send(0, 0, 3)
				in := new(invoker)
				in.answer = func([]byte) ([]byte, error) {
					if len(in.documents) == 1 {
						return []byte(answer), nil
					}
					return nil, nil
				}
				config := quick(unwindowed)
				config.ReportBatchItemFailures = true
				stop := w.run(w.options("g"), esm.Bytes(in), config)
				w.until("all is committed", func() bool { return w.committed("g")[0] == 3 })
				if err := stop(); err != nil {
					t.Error(err)
				}
				want := []int64{0, 1, 2}
				documents := in.seen()
				if tried := len(documents) > 1 && slices.Equal(offsetsIn(t, documents[0])["orders-0"], offsetsIn(t, documents[1])["orders-0"]); tried != whole {
					t.Errorf("the whole batch was tried again: %v, want %v; %d documents of %v", tried, whole, len(documents), want)
				}
			})
		})
	}
}

// With a destination, a batch without a limit of its own is retried ten times (KAF-60, KAF-61,
// KAF-72, KAF-186).
func TestRetriesWithDestination(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]*int{"unset": nil, "without limit": new(-1), "two": new(2)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newVirtualWorld(t, 1)
				w.send(0, 0, 3)
				var tries, given atomic.Int32
				config := quick(unwindowed)
				config.BatchSize = 3
				config.MaximumBatchingWindow = time.Second
				config.MaximumRetryAttempts = limit
				config.OnFailure = esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
					given.Store(int32(record.ApproximateInvokeCount))
					return nil
				})
				start(t, w.options("g"), config, func(context.Context, []sources.Record) (esm.Response, error) {
					tries.Add(1)
					return esm.Response{}, errRefused
				})
				w.until("it is given up and committed", func() bool { return w.committed("g")[0] == 3 })
				want := int32(11)
				if name == "two" {
					want = 3
				}
				if tries.Load() != want || given.Load() != want {
					t.Errorf("%d tries, %d told, want %d", tries.Load(), given.Load(), want)
				}
			})
		})
	}
}

// A record that alone is too large for an event document is given up without an
// invocation, and the others are handled (KAF-36, DST-23).
func TestOversize(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 1)
		w.fill(0, 1, 4000)
		w.send(0, 2, 3)
		conditions := make(chan string, 10)
		config := unwindowed
		config.MaximumBatchBytes = 4000
		config.OnFailure = esm.DestinationFunc(func(_ context.Context, record *esm.FailureRecord) error {
			document, err := record.Marshal(esm.NoPayload)
			conditions <- fmt.Sprint(record.Condition, len(record.Records), record.Response == nil, err)
			if want := `"responseContext":null`; !strings.Contains(string(document), want) {
				t.Errorf("%s lacks %s", document, want)
			}
			return nil
		})
		m := start(t, w.options("g"), config, nil)
		m.seen.await(t, 2)
		if got, want := <-conditions, fmt.Sprint(retry.MaximumPayloadSizeExceeded, 1, true, nil); got != want {
			t.Errorf("given up as %s, want %s", got, want)
		}
		w.until("all is committed", func() bool { return w.committed("g")[0] == 3 })
	})
}

// Sub-lanes by key: a key that is held up holds up no other, and nothing behind it is
// committed.
func TestSubLanes_KAF69(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		for i := range 40 {
			w.put(0, fmt.Sprint("key-", i%8), strconv.Itoa(i))
		}
		config := unwindowed
		config.ParallelizationFactor = 4
		g := newGate()
		m := start(t, w.options("g"), config, func(ctx context.Context, batch []sources.Record) (esm.Response, error) {
			if slices.ContainsFunc(batch, func(r sources.Record) bool { return r.Key == "key-1" }) {
				return esm.Response{}, g.pass(ctx)
			}
			return esm.Response{}, nil
		})
		g.await(t)
		m.seen.await(t, 10)
		if at := w.committed("g")[0]; at > 1 {
			t.Errorf("committed %d although 1 is open", at)
		}
		g.release()
		m.seen.await(t, 40)
		w.until("all is committed", func() bool { return w.committed("g")[0] == 40 })
	})
}

// The position is taken up where it was committed, after a stop in the middle of a
// batch that was partly done (KAF-39, KAF-40).
func TestRestart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 20)
		config := quick(unwindowed)
		config.DrainTimeout = time.Nanosecond
		g := newGate()
		var calls atomic.Int32
		options := w.options("g")
		source, err := kafka.New(options)
		if err != nil {
			t.Fatal(err)
		}
		seen := newLedger()
		cancel, ended := launch(t, source, esm.Records(func(ctx context.Context, batch []sources.Record) (esm.Response, error) {
			if calls.Add(1) == 2 {
				return esm.Response{}, g.pass(ctx)
			}
			seen.add(batch)
			return esm.Response{}, nil
		}), config)
		g.await(t)
		cancel()
		if err := <-ended; !errors.Is(err, esm.ErrDrainTimeout) {
			t.Errorf("Run returned %v", err)
		}
		first := seen.total()
		if at := w.committed("g")[0]; at != int64(first) {
			t.Errorf("committed %d, %d were handled", at, first)
		}
		m := start(t, options, unwindowed, nil)
		m.seen.await(t, 20-first)
		if got := m.seen.of("orders-0"); got[0] != strconv.Itoa(first) {
			t.Errorf("went on at %s, want %d", got[0], first)
		}
	})
}

// The response of the specification, to the byte.
func TestEventResponse_KAF66(t *testing.T) {
	t.Parallel()
	var response kafka.EventResponse
	response.Add("orders-0", 100)
	response.Add("orders-3", 7)
	got, err := json.Marshal(response)
	want := `{"batchItemFailures":[{"itemIdentifier":{"partition":"orders-0","offset":100}},{"itemIdentifier":{"partition":"orders-3","offset":7}}]}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
