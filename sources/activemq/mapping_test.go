package activemq_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/activemq"
	"github.com/openesm/openesm/sources/activemq/activemqtest"
)

// bench is a broker, and a mapping that reads its queue.
type bench struct {
	t       *testing.T
	broker  *activemqtest.Broker
	options activemq.Options
	config  esm.Config
	// handle is what the handler does with the bodies of a batch.
	handle func(ctx context.Context, bodies []string) error

	mu      sync.Mutex
	batches [][]string
	starts  []time.Duration // of the batches, since the bench was made
	counts  map[esm.Metric]int
	errs    []error
	log     bytes.Buffer
	began   time.Time
	done    chan error
	cancel  context.CancelFunc
	// native is the last record.
	native sources.Record
}

// inBench runs a test in a bubble.
func inBench(t *testing.T, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		broker := activemqtest.NewBroker()
		test(&bench{t: t, broker: broker, options: options(broker), counts: make(map[esm.Metric]int), began: time.Now()})
	})
}

func (b *bench) observe(o esm.Observation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[o.Metric] += o.Count
	if o.Err != nil {
		b.errs = append(b.errs, o.Err)
	}
}

func (b *bench) count(m esm.Metric) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[m]
}

// start runs the mapping.
func (b *bench) start() {
	b.t.Helper()
	source, err := activemq.New(b.options)
	if err != nil {
		b.t.Fatal(err)
	}
	c := b.config
	c.Observer = b.observe
	c.Logger = slog.New(slog.NewTextHandler(&b.log, nil))
	mapping, err := esm.New(source, esm.Records(b.invoked), c)
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.t.Context())
	b.cancel, b.done = cancel, make(chan error, 1)
	go func() { b.done <- mapping.Run(ctx) }()
}

func (b *bench) invoked(ctx context.Context, records []sources.Record) (esm.Response, error) {
	bodies := make([]string, len(records))
	for i := range records {
		bodies[i] = string(records[i].Data)
	}
	b.mu.Lock()
	b.batches = append(b.batches, bodies)
	b.starts = append(b.starts, time.Since(b.began))
	b.native = records[len(records)-1]
	b.mu.Unlock()
	if b.handle == nil {
		return esm.Response{}, nil
	}
	return esm.Response{}, b.handle(ctx, bodies)
}

// stop stops the mapping and returns what Run did.
func (b *bench) stop() error {
	b.cancel()
	return <-b.done
}

// mustStop stops a mapping that is well.
func (b *bench) mustStop() {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Fatal(err)
	}
}

// handled are the bodies of all batches, in order.
func (b *bench) handled() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Concat(b.batches...)
}

func (b *bench) equal(what string, got, want any) {
	b.t.Helper()
	if g, w := fmt.Sprint(got), fmt.Sprint(want); g != w {
		b.t.Errorf("%s: %s, want %s", what, g, w)
	}
}

// send sends texts.
func (b *bench) send(bodies ...string) {
	for _, body := range bodies {
		b.broker.Send(queue, activemqtest.Text(body))
	}
}

// left are what the queue has, each with the deliveries that were counted.
func (b *bench) left(name string) []string {
	var all []string
	for _, m := range b.broker.Messages(name) {
		all = append(all, fmt.Sprintf("%v(%d)", m.Value, m.Header.DeliveryCount))
	}
	return all
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(i)
	}
	return all
}

var errHandler = errors.New("handler failed")

// A batch opens with its first message, and closes 500 ms later (MQ-11, MQ-30, MQ-95).
func TestWindow(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.start()
		time.Sleep(time.Minute)
		b.send("a")
		time.Sleep(300 * time.Millisecond)
		b.send("b")
		time.Sleep(time.Minute)
		b.send("c")
		time.Sleep(time.Second)
		b.mustStop()
		b.equal("batches", b.batches, [][]string{{"a", "b"}, {"c"}})
		b.equal("begun", b.starts, []time.Duration{time.Minute + 500*time.Millisecond, 2*time.Minute + 800*time.Millisecond})
		b.equal("left", b.broker.Len(queue), 0)
	})
}

// Full batches, although the broker was asked for less at first (MQ-10).
func TestBatchSize(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 1, 25, 10_000} {
		t.Run(strconv.Itoa(size), func(t *testing.T) {
			t.Parallel()
			inBench(t, func(b *bench) {
				b.config = esm.Config{BatchSize: size, MaximumConcurrency: 1}
				want := size
				if size == 0 {
					want = 100
				}
				b.send(numbers(2 * want)...)
				b.start()
				time.Sleep(time.Second)
				b.mustStop()
				b.equal("batches", len(b.batches), 2)
				b.equal("handled in order", slices.Equal(b.handled(), numbers(2*want)), true)
			})
		})
	}
}

// Up to five batches at once (MQ-25).
func TestConcurrency(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config.BatchSize = 1
		running, most := 0, 0
		var mu sync.Mutex
		b.handle = func(context.Context, []string) error {
			mu.Lock()
			running++
			most = max(most, running)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			running--
			return nil
		}
		b.send(numbers(40)...)
		b.start()
		time.Sleep(time.Minute)
		b.mustStop()
		b.equal("at once", most, 5)
		b.equal("handled", len(b.handled()), 40)
	})
}

// No more is asked for than the lanes have places for.
func TestPrefetch(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config.BatchSize = 10
		release := make(chan struct{})
		b.handle = func(context.Context, []string) error {
			<-release
			return nil
		}
		b.send(numbers(300)...)
		b.start()
		time.Sleep(5 * time.Second)
		b.equal("in flight", b.broker.Unsettled(queue), 50)
		close(release)
		time.Sleep(time.Minute)
		b.mustStop()
		b.equal("handled", len(b.handled()), 300)
	})
}

// A failed batch is tried again in place: the broker has delivered it once and hears
// nothing, and each try waits for its back-off (MQ-32, MQ-33).
func TestRetryInPlace(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		failures := 5
		b.handle = func(context.Context, []string) error {
			failures--
			if failures >= 0 {
				return errHandler
			}
			return nil
		}
		delivered := 0
		b.broker.SetWatch(func(e activemqtest.Event) {
			if e.What == activemqtest.Delivered {
				delivered++
			}
		})
		b.send("a", "b")
		b.start()
		time.Sleep(10 * time.Minute)
		b.mustStop()
		b.equal("batches", b.batches, slices.Repeat([][]string{{"a", "b"}}, 6))
		b.equal("delivered", delivered, 2)
		for i := 1; i < len(b.starts); i++ {
			if b.starts[i]-b.starts[i-1] < 100*time.Millisecond {
				b.t.Errorf("tried again after %v", b.starts[i]-b.starts[i-1])
			}
		}
		b.equal("left", b.broker.Len(queue), 0)
	})
}

// Messages are acknowledged one by one: what others have in hand stays (MQ-30), and what
// the filter drops is acknowledged before the invocation (MQ-31, MQ-93).
func TestAcknowledgesItsOwn(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{BatchSize: 2, FilterCriteria: esm.FilterCriteria{Filters: []string{`{"data":{"n":[{"numeric":[">",0]}]}}`}}}
		var runs []string // the batch that runs on
		b.handle = func(ctx context.Context, bodies []string) error {
			if slices.Contains(bodies, `{"n":1}`) {
				for _, body := range bodies {
					runs = append(runs, body+"(0)")
				}
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		}
		b.send(`{"n":1}`, `{"n":0}`, `{"n":2}`, `{"n":3}`, `{"n":-1}`, `{"n":4}`)
		b.start()
		time.Sleep(700 * time.Millisecond)
		left := b.left(queue)
		_ = b.stop() // which cuts the batch off
		slices.Sort(runs)
		slices.Sort(left)
		b.equal("left while a batch runs", left, runs)
		b.equal("handled", len(b.handled()), 4)
	})
}

// Partial responses are ignored, unless the user wants them (MQ-94).
func TestPartialResponse(t *testing.T) {
	t.Parallel()
	for _, report := range []bool{false, true} {
		t.Run(strconv.FormatBool(report), func(t *testing.T) {
			t.Parallel()
			inBench(t, func(b *bench) {
				b.send("a", "b")
				source, err := activemq.New(b.options)
				if err != nil {
					b.t.Fatal(err)
				}
				handler := esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
					var r esm.Response
					for i := range records {
						if string(records[i].Data) == "b" {
							r.BatchItemFailures = append(r.BatchItemFailures, records[i].ID)
						}
					}
					return r, nil
				})
				mapping, err := esm.New(source, handler, esm.Config{ReportBatchItemFailures: report})
				if err != nil {
					b.t.Fatal(err)
				}
				ctx, cancel := context.WithTimeout(b.t.Context(), time.Minute)
				defer cancel()
				if err := mapping.Run(ctx); err != nil {
					b.t.Fatal(err)
				}
				want := []string(nil)
				if report {
					want = []string{"b(0)"}
				}
				b.equal("left", b.left(queue), want)
			})
		})
	}
}

// Messages of a group are handled in order, one batch at a time, by whatever lane, and
// hold no other group up.
func TestGroupsStayInOrder(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		const groups, each = 7, 30
		b.config.BatchSize = 3
		var mu sync.Mutex
		running := make(map[string]bool)
		seen := make(map[string][]string)
		calls := 0
		b.handle = func(_ context.Context, bodies []string) error {
			mine := make(map[string]bool)
			for _, body := range bodies {
				mine[body[:1]] = true
			}
			mu.Lock()
			for g := range mine {
				if running[g] {
					b.t.Errorf("two batches of group %s at once", g)
				}
				running[g] = true
			}
			calls++
			fails := calls%4 == 0
			mu.Unlock()
			time.Sleep(time.Duration(len(bodies)) * 100 * time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			for g := range mine {
				running[g] = false
			}
			if fails {
				return errHandler
			}
			for _, body := range bodies {
				seen[body[:1]] = append(seen[body[:1]], body[1:])
			}
			return nil
		}
		for i := range each {
			for g := range groups {
				b.broker.Send(queue, activemqtest.Grouped(strconv.Itoa(g), fmt.Sprintf("%d%d", g, i)))
			}
		}
		b.start()
		time.Sleep(time.Hour)
		b.mustStop()
		for g := range groups {
			b.equal(fmt.Sprint("group ", g), seen[strconv.Itoa(g)], numbers(each))
		}
		b.equal("left", b.broker.Len(queue), 0)
	})
}

// A stop gives back what was not started, without a delivery more, and nothing that was
// handled comes again (MQ-38).
func TestStopGivesBack(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{BatchSize: 2, MaximumConcurrency: 1}
		b.handle = func(context.Context, []string) error {
			time.Sleep(5 * time.Second)
			return nil
		}
		b.send("a", "b", "c", "d", "e")
		b.start()
		time.Sleep(time.Second)
		b.mustStop()
		b.equal("handled", b.handled(), []string{"a", "b"})
		b.equal("left", b.left(queue), []string{"c(0)", "d(0)", "e(0)"})
		b.equal("unsettled", b.broker.Unsettled(queue), 0)
		b.equal("links", b.broker.Links(queue), 0)
	})
}

// What the broker was asked for and sends when nobody waits any more is not lost.
func TestLateMessagesAreKept(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{BatchSize: 10, MaximumConcurrency: 1, Timeout: 2 * time.Minute}
		b.handle = func(context.Context, []string) error {
			time.Sleep(time.Minute)
			return nil
		}
		b.send("a")
		b.start()
		time.Sleep(time.Second) // a runs, and nine were asked for
		b.send(numbers(9)...)
		time.Sleep(time.Second)
		b.equal("delivered", b.broker.Unsettled(queue), 10)
		time.Sleep(2 * time.Minute)
		b.mustStop()
		b.equal("batches", b.batches, [][]string{{"a"}, numbers(9)})
	})
}

// An expired message of a batch that fails is not acknowledged: it goes where the broker
// has what expired (MQ-41).
func TestExpiresInHand(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.handle = func(context.Context, []string) error { return errHandler }
		m := activemqtest.Text("short")
		m.Header.TTL = 10 * time.Second
		b.broker.Send(queue, m)
		b.send("long")
		b.start()
		time.Sleep(time.Minute)
		b.equal("dead letters", b.left(activemqtest.DeadLetters), []string{"short(0)"})
		b.equal("settled", b.count(esm.DeletedEventCount), 0)
		b.equal("told", b.count(esm.StaleEventCount), 1)
		b.mustStop()
		b.equal("left", b.left(queue), []string{"long(0)"})
		last := b.batches[len(b.batches)-1]
		b.equal("goes on with", last, []string{"long"})
	})
}

// A user's rule ends a poison batch: it goes to the broker's dead letters (MQ-34, MQ-35).
func TestPoison(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{BatchSize: 1, MaximumRetryAttempts: new(6)}
		b.handle = func(_ context.Context, bodies []string) error {
			if bodies[0] == "poison" {
				return errHandler
			}
			return nil
		}
		b.send("poison", "a")
		b.start()
		time.Sleep(time.Hour)
		b.mustStop()
		b.equal("dead letters", b.left(activemqtest.DeadLetters), []string{"poison(0)"})
		b.equal("invocations", len(b.batches), 8)
		b.equal("rejected", b.count(esm.RejectedEventCount), 1)
	})
}

// Without such a rule poison is tried for ever (MQ-32).
func TestPoisonForEver_MQ32(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.handle = func(context.Context, []string) error { return errHandler }
		b.send("poison")
		b.start()
		time.Sleep(24 * time.Hour)
		b.mustStop()
		b.equal("left", b.left(queue), []string{"poison(0)"})
		b.equal("dead letters", b.broker.Len(activemqtest.DeadLetters), 0)
		if n := len(b.batches); n < 100 || n > 20_000 {
			b.t.Errorf("%d invocations in a day", n)
		}
	})
}

// A message that fits into no event document is a dead letter, or stays in its queue where
// the broker would drop it (MQ-40).
func TestTooLarge(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{MaximumBatchBytes: 2000}
		large := strings.Repeat("x", 2000)
		b.send("a", large, "b")
		b.broker.Send(queue, &amqp.Message{Header: &amqp.MessageHeader{Priority: 4}, Value: large})
		b.send("c")
		b.start()
		time.Sleep(time.Minute)
		b.mustStop()
		got := b.handled()
		slices.Sort(got)
		b.equal("handled", got, []string{"a", "b", "c"})
		b.equal("dead letters", b.broker.Len(activemqtest.DeadLetters), 1)
		b.equal("left", b.broker.Len(queue), 1)
	})
}

// A batch takes more of its group while it gathers, and does not wait out its window.
func TestGroupFillsItsBatch(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{BatchSize: 10, MaximumBatchingWindow: time.Minute}
		b.start()
		for i := range 20 {
			time.Sleep(100 * time.Millisecond)
			b.broker.Send(queue, activemqtest.Grouped("g", strconv.Itoa(i)))
		}
		time.Sleep(time.Second)
		b.mustStop()
		b.equal("batches", b.batches, [][]string{numbers(20)[:10], numbers(20)[10:]})
	})
}
