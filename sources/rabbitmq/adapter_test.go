package rabbitmq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/rabbitmq"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

// bubble runs a test of one site in virtual time.
func bubble(t *testing.T, f func(t *testing.T, s *site, broker *rabbitmqtest.Broker)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		broker, ok := s.options.Dialer.(*rabbitmqtest.Broker)
		if !ok {
			t.Fatal("no broker")
		}
		f(t, s, broker)
	})
}

// opened starts a source as a mapping would, and hands out its partition.
func opened(t *testing.T, source sources.Source, settings sources.Settings) sources.Partition {
	t.Helper()
	if err := source.(sources.Starter).Start(t.Context(), settings); err != nil {
		t.Fatal(err)
	}
	p, err := source.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func fetch(t *testing.T, p sources.Partition, places int, wait time.Duration) []sources.Record {
	t.Helper()
	buf := make([]sources.Record, places)
	n, err := p.Fetch(t.Context(), buf, wait)
	if err != nil {
		t.Fatal(err)
	}
	return buf[:n]
}

// collect fetches so many records.
func collect(t *testing.T, p sources.Partition, n int) []sources.Record {
	t.Helper()
	var all []sources.Record
	for len(all) < n {
		all = append(all, fetch(t, p, n-len(all), time.Minute)...)
	}
	return all
}

func closed(t *testing.T, p sources.Partition, source sources.Source) {
	t.Helper()
	if err := errors.Join(p.Close(t.Context()), source.Close(t.Context())); err != nil {
		t.Error(err)
	}
}

func TestOptionsAreChecked_P13(t *testing.T) {
	t.Parallel()
	_, err := rabbitmq.New(rabbitmq.Options{
		Endpoints: []string{"amqp://user:hidden@host", "http://host", "amqps://host/vhost"}, PrefetchBytes: -2,
		ConsumerTimeout: -5, DeliveryLimit: -1, ConsumerTag: strings.Repeat("x", 300),
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"Endpoints[0] has a login in it", "Endpoints[1] host has a scheme that is not known", "Endpoints[2] is not of the form",
		"Queue has 0 bytes", "Access is nil", "ConsumerTimeout is -5ns", "PrefetchBytes is -2", "DeliveryLimit is -1", "ConsumerTag has 300 bytes",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q lacks %q", err, want)
		}
	}
	if strings.Contains(err.Error(), "hidden") {
		t.Error("a secret in the error")
	}
}

func TestTraits_MQ10(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, _ *rabbitmqtest.Broker) {
		s.options.Queue = s.queue
		traits := s.source().Traits()
		if b := traits.BatchSize; b.Default != 100 || b.Max != 10_000 {
			t.Errorf("BatchSize %+v", b)
		}
		if w := traits.Window; w.Default != 500*time.Millisecond || w.Max != 300*time.Second || !traits.WindowFromRecord { // MQ-11
			t.Errorf("Window %+v", w)
		}
		if traits.MaxTimeout != 14*time.Minute || traits.Scaling.Max != 1 || traits.Redelivers || traits.Rejects { // MQ-12, MQ-25
			t.Errorf("%+v", traits)
		}
	})
}

// A prefetch that AMQP cannot say is refused, not cut (M22), and so is a consumer timeout
// that would strike while messages are handled (M9).
func TestSettingsThatCannotWork(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, _ *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		err := s.source().Start(t.Context(), sources.Settings{BatchSize: 10_000, Concurrency: 7})
		if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "65535") {
			t.Errorf("prefetch of 70000: %v", err)
		}
		s.options.ConsumerTimeout = time.Minute
		err = s.source().Start(t.Context(), sources.Settings{BatchSize: 1, Timeout: time.Minute})
		if !errors.Is(err, sources.ErrUnusable) || !strings.Contains(err.Error(), "ConsumerTimeout 1m0s is too short") {
			t.Errorf("consumer timeout: %v", err)
		}
		s.options.ConsumerTimeout = rabbitmq.NoConsumerTimeout
		source := s.source()
		closed(t, opened(t, source, sources.Settings{BatchSize: 1, Timeout: time.Minute}), source)
	})
}

// Large messages are fetched in smaller numbers (P7).
func TestPrefetchIsBoundInBytes_P7(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		s.options.PrefetchBytes = 100_000
		source := s.source()
		p := opened(t, source, sources.Settings{BatchSize: 1000})
		body := strings.Repeat("x", 10_000)
		for range 1000 {
			s.send(body)
		}
		handled := 0
		for handled < 1000 {
			records := fetch(t, p, 1000, time.Minute)
			synctest.Wait()
			if held := broker.Unacked(s.queue); handled > 200 && held > 20 {
				t.Fatalf("%d messages of 10,000 bytes are held", held)
			}
			if err := p.Ack(t.Context(), records); err != nil {
				t.Fatal(err)
			}
			handled += len(records)
		}
		if most := broker.MostUnacked(); most > 110 {
			t.Errorf("%d were held before it was known how large they are", most)
		}
		closed(t, p, source)
	})
}

// The next batch is fetched ahead if that is asked for.
func TestReadAhead(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		s.options.ReadAhead = true
		s.send(numbers(100)...)
		source := s.source()
		p := opened(t, source, sources.Settings{BatchSize: 10, Concurrency: 2})
		fetch(t, p, 1, time.Minute)
		synctest.Wait()
		if held := broker.Unacked(s.queue); held != 40 {
			t.Errorf("%d held, want 40", held)
		}
		closed(t, p, source)
	})
}

// Small messages are fetched in full batches.
func TestPrefetchGrows(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		s.send(numbers(1000)...)
		source := s.source()
		p := opened(t, source, sources.Settings{BatchSize: 500})
		fetch(t, p, 1, time.Minute)
		synctest.Wait()
		if held := broker.Unacked(s.queue); held < 500 || held > 600 {
			t.Errorf("%d held, want a batch of 500 and what came first", held)
		}
		closed(t, p, source)
	})
}

// The next endpoint is tried when one cannot be connected to (MQ-22), and a login is read
// anew for each connection (MQ-04).
func TestFailover_MQ22(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		var tried []string
		var mu sync.Mutex
		s.options.Endpoints = []string{"amqp://one", "amqps://two:99"}
		s.options.Dialer = dialerFunc(func(ctx context.Context, target rabbitmq.Target) (rabbitmq.Connection, error) {
			mu.Lock()
			defer mu.Unlock()
			tried = append(tried, fmt.Sprint(target.Address, " ", target.TLS != nil))
			if target.Address == "one:5672" {
				return nil, errors.New("connection refused")
			}
			return broker.Dial(ctx, target)
		})
		var logins atomic.Int32
		s.options.Access = rabbitmq.BasicAuthSecret(func(context.Context) ([]byte, error) {
			logins.Add(1)
			return []byte(`{"username":"guest","password":"guest"}`), nil
		})
		s.send("a")
		r := s.run(esm.Config{}, nil)
		s.eventually("it is handled", func() bool { return r.counts(esm.DeletedEventCount) == 1 })
		broker.Cut()
		s.send("b")
		s.eventually("it is handled", func() bool { return r.counts(esm.DeletedEventCount) == 2 })
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		equalTexts(t, "tried", tried, "one:5672 false", "two:99 true", "two:99 true")
		if logins.Load() != 2 {
			t.Errorf("%d logins", logins.Load())
		}
	})
}

type dialerFunc func(ctx context.Context, target rabbitmq.Target) (rabbitmq.Connection, error)

func (f dialerFunc) Dial(ctx context.Context, target rabbitmq.Target) (rabbitmq.Connection, error) {
	return f(ctx, target)
}

// A broker that is away is connected to again with growing waits, and told of (P9, P14,
// MQ-23).
func TestBrokerAway_MQ23(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		var dials atomic.Int32
		s.options.Dialer = dialerFunc(func(ctx context.Context, target rabbitmq.Target) (rabbitmq.Connection, error) {
			dials.Add(1)
			return broker.Dial(ctx, target)
		})
		r := s.run(esm.Config{}, nil)
		elapse(time.Minute)
		broker.Refuse(true)
		broker.Cut()
		elapse(10 * time.Minute)
		if n := dials.Load(); n < 10 || n > 120 {
			t.Errorf("%d attempts in ten minutes", n)
		}
		if r.counts(esm.PollingErrorCount) == 0 || !s.log.has("connection refused") {
			t.Error("nobody heard of it")
		}
		broker.Refuse(false)
		s.send("a")
		s.eventually("it is handled", func() bool { return r.counts(esm.DeletedEventCount) == 1 })
		if err := r.stop(); err != nil {
			t.Error(err)
		}
	})
}

// A call that never returns costs its deadline, and no more: the connection is cut (P11).
func TestAckThatHangs_P11(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		s.send("a")
		var hung atomic.Bool
		s.options.Dialer = dialerFunc(func(ctx context.Context, target rabbitmq.Target) (rabbitmq.Connection, error) {
			conn, err := broker.Dial(ctx, target)
			return &hangingConn{Connection: conn, hung: &hung, cut: make(chan struct{})}, err
		})
		r := s.run(esm.Config{}, nil)
		began := time.Now()
		s.eventually("it is settled", func() bool { return r.counts(esm.DeletedEventCount) == 1 })
		if took := time.Since(began); took > 30*time.Second {
			t.Errorf("it took %v", took)
		}
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		equalTexts(t, "handled", r.messages(), "a", "a")
	})
}

// hangingConn is a connection whose first Ack of all hangs until it is cut.
type hangingConn struct {
	rabbitmq.Connection
	hung *atomic.Bool
	once sync.Once
	cut  chan struct{}
}

func (c *hangingConn) Abort() {
	c.once.Do(func() { close(c.cut) })
	c.Connection.Abort()
}

func (c *hangingConn) Channel() (rabbitmq.Channel, error) {
	channel, err := c.Connection.Channel()
	return &hangingChannel{channel, c}, err
}

type hangingChannel struct {
	rabbitmq.Channel
	conn *hangingConn
}

func (c *hangingChannel) Ack(tag uint64, multiple bool) error {
	if !c.conn.hung.Swap(true) {
		<-c.conn.cut
		return errors.New("use of closed connection")
	}
	return c.Channel.Ack(tag, multiple)
}

// One frame acknowledges a batch where all below it is settled, and each record has its own
// where not.
func TestAckFrames(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		var acks atomic.Int32
		s.options.Dialer = broker.Client(func(c rabbitmqtest.Call) error {
			if c.Name == "Ack" {
				acks.Add(1)
			}
			return c.Do()
		})
		s.send(numbers(10)...)
		source := s.source()
		p := opened(t, source, sources.Settings{BatchSize: 10})
		records := collect(t, p, 10)
		ack := func(frames int32, some ...sources.Record) {
			t.Helper()
			acks.Store(0)
			if err := p.Ack(t.Context(), some); err != nil || acks.Load() != frames {
				t.Errorf("%d frames, want %d; %v", acks.Load(), frames, err)
			}
		}
		ack(1, records[2:3]...)
		ack(2, records[5:7]...)
		ack(1, records[0:2]...)        // 0 to 2 are settled
		ack(0, records[0:3]...)        // again
		ack(1, records[4], records[3]) // 0 to 6
		ack(1, records[9:10]...)       // alone
		ack(1, records[7], records[8]) // all
		if n := broker.Acked(s.queue); n != 10 {
			t.Errorf("%d acknowledged", n)
		}
		closed(t, p, source)
	})
}

// The methods of a native delivery do nothing: an acknowledgement of the user's would be the
// second (M16).
func TestNativeDeliveryRefuses(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		s.send("a")
		source := s.source()
		p := opened(t, source, sources.Settings{BatchSize: 1})
		d, ok := fetch(t, p, 1, time.Minute)[0].Native.(*amqp.Delivery)
		if !ok || d.Ack(false) == nil || d.Nack(false, true) == nil || d.Reject(false) == nil {
			t.Error("a delivery can be settled past the mapping")
		}
		closed(t, p, source)
		if broker.Ready(s.queue) != 1 {
			t.Error("it is not ready again")
		}
	})
}

// A broker in need is told of (M14), and a message near the limit of its queue (M5).
func TestWarnings(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{Quorum: true})
		s.options.DeliveryLimit = 4
		s.send("a")
		r := s.run(esm.Config{RetryBackoff: promptly()}, func(context.Context, []string) error { return errHandler })
		elapse(time.Second)
		broker.Block(true, "low on memory")
		elapse(time.Second)
		broker.Block(false, "")
		elapse(time.Second)
		for _, want := range []string{`"low on memory"`, "blocks connections no more"} {
			if !s.log.has(want) {
				t.Errorf("the log lacks %s", want)
			}
		}
		if s.log.has("delivery limit") {
			t.Error("a warning too early")
		}
		broker.Cut()
		elapse(time.Minute)
		if !s.log.has("about to reach the delivery limit of its quorum queue") {
			t.Error("no warning of the delivery limit")
		}
		_ = r.stop()
	})
}

// A failure record names the queue; what has no message ID is named otherwise.
func TestFailureRecord(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		s.publish(s.queue, amqp.Publishing{MessageId: "m-1", Body: []byte("poison")}, amqp.Publishing{Body: []byte("poison")})
		var document atomic.Pointer[string]
		r := s.run(esm.Config{
			MaximumRetryAttempts: new(1), RetryBackoff: promptly(),
			OnFailure: esm.DestinationFunc(func(_ context.Context, f *esm.FailureRecord) error {
				text, err := f.Marshal(esm.ObjectPayload)
				document.Store(new(string(text)))
				return err
			}),
		}, func(context.Context, []string) error { return errHandler })
		s.eventually("it is settled", func() bool { return broker.Acked(s.queue) == 2 })
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		want := `"MQBatchInfo":{"queue":"stock","virtualHost":"/","firstMessageId":"m-1","lastMessageId":"1-2","batchSize":2,"eventSourceArn":"` + s.options.ARN + `"}`
		if got := *document.Load(); !strings.Contains(got, want) || !json.Valid([]byte(got)) {
			t.Errorf("%s lacks %s", got, want)
		}
	})
}

// Patterns see the properties of a message too.
func TestFilterOfProperties_FILT56(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, broker *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		s.publish(s.queue, amqp.Publishing{ContentType: "a", Body: []byte("1")}, amqp.Publishing{ContentType: "b", Body: []byte("2")})
		r := s.run(esm.Config{FilterCriteria: patterns(`{"basicProperties":{"contentType":["b"]}}`)}, nil)
		s.eventually("both are settled", func() bool { return broker.Acked(s.queue) == 2 })
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		equalTexts(t, "handled", r.messages(), "2")
	})
}

func TestMeasures(t *testing.T) {
	t.Parallel()
	bubble(t, func(t *testing.T, s *site, _ *rabbitmqtest.Broker) {
		s.queues(rabbitmqtest.QueueOptions{})
		s.send(numbers(3)...)
		source := s.source()
		p := opened(t, source, sources.Settings{BatchSize: 10})
		collect(t, p, 3)
		got := map[sources.Metric]int{}
		for _, m := range source.Measure(nil) {
			got[m.Name] = m.Count
		}
		if got[rabbitmq.UnsettledMessages] != 3 || got[rabbitmq.Connections] != 1 || got[rabbitmq.RedeliveredMessages] != 0 {
			t.Errorf("%v", got)
		}
		closed(t, p, source)
	})
}
