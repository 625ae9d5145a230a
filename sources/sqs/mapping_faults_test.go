package sqs_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/sqs"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// randomFaults are drawn from a seed.
type randomFaults struct {
	mu         sync.Mutex
	random     *rand.Rand
	duplicates bool
}

func (s *randomFaults) intn(n int) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.random.IntN(n)
}

// fault has two calls in five go wrong. Sends go well.
func (s *randomFaults) fault(c sqstest.Call) sqstest.Fault {
	if strings.HasPrefix(c.Action, "Send") {
		return sqstest.Fault{}
	}
	switch s.intn(20) {
	case 0:
		return sqstest.Fault{Err: sqstest.RequestThrottled()}
	case 1:
		return sqstest.Fault{Err: sqstest.InternalFailure()}
	case 2:
		return sqstest.Fault{Err: sqstest.ServiceUnavailable()}
	case 3:
		return sqstest.Fault{Cut: sqstest.CutBefore}
	case 4:
		return sqstest.Fault{Cut: sqstest.CutAfter}
	case 5:
		return sqstest.Fault{Delay: time.Duration(s.intn(5000)) * time.Millisecond}
	case 6:
		return sqstest.FailEntries(c, sqstest.InternalFailure(), s.intn(10), s.intn(10))
	case 7:
		if s.duplicates {
			return sqstest.Fault{Duplicates: 1 + s.intn(3)}
		}
	}
	return sqstest.Fault{}
}

// A mapping outlives faults (P1, P2, P9).
func TestMappingOutlivesFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", map[string]string{"VisibilityTimeout": "30"}, func(t *testing.T, w *world) {
				const messages = 300
				s := &randomFaults{random: rand.New(rand.NewPCG(seed, 2)), duplicates: true}
				w.setFaults(s.fault)
				r := w.run(w.journal(func(context.Context, []sources.Record) (esm.Response, error) {
					time.Sleep(time.Duration(s.intn(2000)) * time.Millisecond)
					if s.intn(10) == 0 {
						return esm.Response{}, errHandler
					}
					return esm.Response{}, nil
				}), sqs.Options{}, esm.Config{Timeout: 10 * time.Second, BatchSize: 1 + int(seed)*3%10})
				for _, body := range numbers(messages) {
					w.send("", body)
					time.Sleep(300 * time.Millisecond)
				}
				w.setFaults(nil)
				w.until(messages, 30*time.Minute)
				r.end()
				w.left(sqstest.Counts{Deleted: messages})
				if seen := w.seen(); len(seen) != messages || len(w.done) != messages {
					t.Errorf("%d different messages handled, %d with success, want %d", len(seen), len(w.done), messages)
				}
				if n := w.Calls("ReceiveMessage"); n > 10*messages {
					t.Errorf("%d receives for %d messages: a hot loop", n, messages)
				}
			})
		})
	}
}

// Groups keep their order under faults (P1, P2, P4, P9).
func TestMappingKeepsGroupsUnderFaults(t *testing.T) {
	t.Parallel()
	for seed := range uint64(6) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders.fifo", map[string]string{"VisibilityTimeout": "20"}, func(t *testing.T, w *world) {
				const messages = 20
				names := []string{"a", "b", "c", "d"}
				for i := range messages {
					for _, name := range names {
						w.send(name, fmt.Sprintf("%s:%d", name, i))
					}
				}
				s := &randomFaults{random: rand.New(rand.NewPCG(seed, 3))}
				w.setFaults(s.fault)
				g := newGroups(seed)
				g.repeats = true // a delete may be lost together with the mapping's memory of it
				r := w.run(w.journal(g.handle(func() bool { return g.float() < 0.1 })), sqs.Options{},
					esm.Config{Timeout: 5 * time.Second, ReportBatchItemFailures: true})
				time.Sleep(5 * time.Minute)
				w.setFaults(nil)
				w.until(messages*len(names), time.Hour)
				r.end()
				g.check(t, names, messages)
				w.left(sqstest.Counts{Deleted: messages * len(names)})
			})
		})
	}
}

// always has every call of the actions fail so.
func always(err func() *sqstest.Error) faults {
	return func(c sqstest.Call) sqstest.Fault {
		if strings.HasPrefix(c.Action, "Send") {
			return sqstest.Fault{}
		}
		return sqstest.Fault{Err: err()}
	}
}

func TestMappingOutlivesOutages_P9(t *testing.T) {
	t.Parallel()
	for name, err := range map[string]func() *sqstest.Error{
		"throttled": sqstest.RequestThrottled, "unavailable": sqstest.ServiceUnavailable,
		"access denied": sqstest.AccessDenied, "over limit": sqstest.OverLimit,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", nil, func(t *testing.T, w *world) {
				const outage = 10 * time.Minute
				r := w.run(w.journal(nil), sqs.Options{}, esm.Config{})
				w.send("", "before")
				w.until(1, time.Minute)
				w.setFaults(always(err))
				before := w.Calls("ReceiveMessage")
				w.send("", "during")
				time.Sleep(outage)

				// Five lanes, each of which soon waits 10 s on average.
				if n := w.Calls("ReceiveMessage") - before; n > 600 || n < 20 {
					t.Errorf("%d receives in %v without an answer", n, outage)
				}
				w.setFaults(nil)
				w.until(2, time.Minute)
				r.end()
				w.once([]string{"before", "during"})
			})
		})
	}
}

// Mapping deletes after an outage (P2, P5, SQS-62).
func TestMappingDeletesAfterAnOutage(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		w.setFaults(func(c sqstest.Call) sqstest.Fault {
			if c.Action == "DeleteMessageBatch" {
				return sqstest.Fault{Err: sqstest.ServiceUnavailable()}
			}
			return sqstest.Fault{}
		})
		r := w.run(w.journal(nil), sqs.Options{}, esm.Config{})
		w.send("", "a", "b", "c")
		time.Sleep(70 * time.Second)
		if n := w.Calls("DeleteMessageBatch"); n > 120 {
			t.Errorf("%d deletes in 70 s without an answer", n)
		}
		w.setFaults(nil)
		w.until(3, time.Minute)
		r.end()
		w.once([]string{"a", "b", "c"})
	})
}

func TestMappingOutlivesItsQueue_P9(t *testing.T) {
	t.Parallel()
	inWorld(t, "orders", nil, func(t *testing.T, w *world) {
		r := w.run(w.journal(nil), sqs.Options{}, esm.Config{})
		w.send("", "old")
		w.until(1, time.Minute)
		_, err := w.Client().DeleteQueue(t.Context(), &awssqs.DeleteQueueInput{QueueUrl: &w.url})
		if err != nil {
			t.Fatal(err)
		}
		before := w.Calls("ReceiveMessage")
		time.Sleep(10 * time.Minute)
		if n := w.Calls("ReceiveMessage") - before; n > 600 || n < 10 {
			t.Errorf("%d receives in 10 minutes without a queue", n)
		}
		w.create("orders", nil)
		w.send("", "new")
		w.until(1, time.Minute)
		r.end()
		w.once([]string{"old", "new"})
	})
}

// Mapping refused at start (API-64, API-77, SQS-03, SQS-41).
func TestMappingRefusedAtStart(t *testing.T) {
	t.Parallel()
	denied := func(action string) faults {
		return func(c sqstest.Call) sqstest.Fault {
			if c.Action == action {
				return sqstest.Fault{Err: sqstest.AccessDenied()}
			}
			return sqstest.Fault{}
		}
	}
	for name, test := range map[string]struct {
		queue   string
		faults  faults
		timeout time.Duration
		want    []string
	}{
		"missing": {queue: "nobody", want: []string{"queue nobody", "does not exist", "create it"}},
		"denied": {
			queue: "orders", faults: denied("GetQueueAttributes"),
			want: []string{"queue orders", "lacks the permission sqs:GetQueueAttributes", "sqs:ReceiveMessage"},
		},
		"timeout": {
			queue: "orders", timeout: 31 * time.Second,
			want: []string{"queue orders", "Queue visibility timeout: 30 seconds is less than Function timeout: 31 seconds"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, "orders", nil, func(t *testing.T, w *world) {
				w.setFaults(test.faults)
				w.name = test.queue
				err := w.mapping(w.journal(nil), sqs.Options{}, esm.Config{Timeout: test.timeout}).Run(t.Context())
				if !errors.Is(err, sources.ErrUnusable) {
					t.Fatalf("Run: %v, want ErrUnusable", err)
				}
				for _, want := range test.want {
					if !strings.Contains(err.Error(), want) {
						t.Errorf("Run: %v, does not say %q", err, want)
					}
				}
			})
		})
	}
}
