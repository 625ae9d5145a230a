package rabbitmq_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/rabbitmq"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

// site is a broker that scenarios are played on: the one of rabbitmqtest, in a bubble, or a
// real one. Each has a queue of its own, and one for dead letters.
type site struct {
	t       *testing.T
	options rabbitmq.Options
	queue   string
	dead    string
	declare func(queue string, options rabbitmqtest.QueueOptions)
	publish func(queue string, messages ...amqp.Publishing)
	// ready is how many messages wait, and take takes them all.
	ready  func(queue string) int
	take   func(queue string) []amqp.Delivery
	remove func(queue string)
	// cut cuts the connections of the source.
	cut func()
	log *logBuffer
}

// play plays a scenario in the process, and TestReal plays it on a real broker.
func play(t *testing.T, scenario func(s *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		scenario(newSite(t))
	})
}

func newSite(t *testing.T) *site {
	t.Helper()
	broker := rabbitmqtest.NewBroker(rabbitmqtest.Options{ConsumerTimeout: 8 * time.Second})
	t.Cleanup(broker.Close)
	return &site{
		t: t, options: options(broker), queue: queueName, dead: "dead", log: &logBuffer{},
		declare: broker.Declare, ready: broker.Ready, remove: broker.Delete, cut: broker.Cut,
		publish: func(queue string, messages ...amqp.Publishing) {
			if err := broker.Publish(queue, messages...); err != nil {
				t.Fatal(err)
			}
		},
		take: func(queue string) []amqp.Delivery { return taken(t, broker, queue) },
	}
}

// taken takes all messages of a queue, over a connection of its own.
func taken(t *testing.T, broker rabbitmq.Dialer, queue string) []amqp.Delivery {
	t.Helper()
	conn, err := broker.Dial(t.Context(), rabbitmq.Target{VirtualHost: "/", Login: rabbitmq.Login{Username: "guest", Password: "guest"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Abort()
	channel, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	return takeAll(t, channel, queue)
}

func takeAll(t *testing.T, channel rabbitmq.Channel, queue string) []amqp.Delivery {
	t.Helper()
	var all []amqp.Delivery
	for {
		d, ok, err := channel.Get(queue, false)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		all = append(all, d)
		if err = channel.Ack(d.DeliveryTag, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := channel.Close(); err != nil {
		t.Fatal(err)
	}
	return all
}

// queues declares the site's two queues.
func (s *site) queues(options rabbitmqtest.QueueOptions) {
	s.declare(s.dead, rabbitmqtest.QueueOptions{})
	options.DeadLetters = s.dead
	s.declare(s.queue, options)
	s.options.Queue = s.queue
}

// send publishes bodies.
func (s *site) send(bodies ...string) {
	s.t.Helper()
	for _, body := range bodies {
		s.publish(s.queue, amqp.Publishing{Body: []byte(body)})
	}
}

func (s *site) source() *rabbitmq.Source {
	s.t.Helper()
	source, err := rabbitmq.New(s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	return source
}

// running is a mapping that runs, and what it did.
type running struct {
	s      *site
	cancel context.CancelFunc
	ended  chan error
	counts func(esm.Metric) int

	mu      sync.Mutex
	batches [][]string
	redone  int // messages that came as redelivered
}

// run runs a mapping. handle gets the bodies of a batch.
func (s *site) run(config esm.Config, handle func(ctx context.Context, bodies []string) error) *running {
	s.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{s: s, cancel: cancel, ended: make(chan error, 1)}
	var mu sync.Mutex
	counts := map[esm.Metric]int{}
	config.Observer = func(o esm.Observation) {
		mu.Lock()
		defer mu.Unlock()
		counts[o.Metric] += o.Count
	}
	r.counts = func(m esm.Metric) int {
		mu.Lock()
		defer mu.Unlock()
		return counts[m]
	}
	config.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	mapping, err := esm.New(s.source(), esm.Records(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		bodies := make([]string, len(records))
		r.mu.Lock()
		for i := range records {
			bodies[i] = string(records[i].Data)
			if records[i].Native.(*amqp.Delivery).Redelivered {
				r.redone++
			}
		}
		r.batches = append(r.batches, bodies)
		r.mu.Unlock()
		if handle == nil {
			return esm.Response{}, nil
		}
		return esm.Response{}, handle(ctx, bodies)
	}), config)
	if err != nil {
		cancel()
		s.t.Fatal(err)
	}
	go func() {
		defer close(r.ended)
		r.ended <- mapping.Run(ctx)
	}()
	s.t.Cleanup(func() {
		cancel()
		for range r.ended {
		}
	})
	return r
}

// stop stops the mapping, and returns what Run does.
func (r *running) stop() error {
	r.s.t.Helper()
	r.cancel()
	return r.wait()
}

func (r *running) wait() error {
	r.s.t.Helper()
	const patience = time.Minute
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-r.ended:
		return err
	case <-timer.C:
		r.s.t.Fatal("Run does not return")
		return nil
	}
}

// handled are the batches so far.
func (r *running) handled() [][]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.batches)
}

// messages are those of all batches so far.
func (r *running) messages() []string { return slices.Concat(r.handled()...) }

func (r *running) redelivered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.redone
}

// eventually waits until something holds.
func (s *site) eventually(what string, holds func() bool) {
	s.t.Helper()
	const patience, step = time.Minute, 20 * time.Millisecond
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	for began := time.Now(); !holds(); {
		if time.Since(began) > patience {
			s.t.Fatalf("not within %v: %s; log:\n%s", patience, what, s.log)
		}
		<-ticker.C
	}
}

// elapse lets time pass.
func elapse(d time.Duration) { <-time.After(d) }

func equal[T any](t *testing.T, what string, got, want []T, same func(a, b T) bool) {
	t.Helper()
	if !slices.EqualFunc(got, want, same) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func equalBatches(t *testing.T, got [][]string, want ...[]string) {
	t.Helper()
	equal(t, "batches", got, want, slices.Equal)
}

func equalTexts(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	equal(t, what, got, want, func(a, b string) bool { return a == b })
}

func numbers(n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = strconv.Itoa(i)
	}
	return all
}

func bodiesOf(all []amqp.Delivery) []string {
	var bodies []string
	for i := range all {
		bodies = append(bodies, string(all[i].Body))
	}
	return bodies
}

var errHandler = errors.New("handler failed")

// patterns are filter criteria of one pattern.
func patterns(pattern string) esm.FilterCriteria {
	return esm.FilterCriteria{Filters: []string{pattern}}
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu     sync.Mutex
	buffer bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buffer.String()
}

func (b *logBuffer) has(text string) bool { return strings.Contains(b.String(), text) }
