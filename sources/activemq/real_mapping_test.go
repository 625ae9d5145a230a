package activemq_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/activemq"
	"github.com/openesm/openesm/sources/activemq/activemqtest"
)

// bench is a mapping that reads the queue of a real broker.
func (r *realBroker) bench(t *testing.T) *bench {
	t.Helper()
	return &bench{t: t, options: r.options(), counts: make(map[esm.Metric]int), began: time.Now()}
}

// eventually waits until something is true.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !is(); {
		if time.Now().After(end) {
			t.Fatal("not within a minute: ", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// has waits until so many messages were handled.
func (b *bench) has(n int) {
	b.t.Helper()
	eventually(b.t, fmt.Sprint(n, " messages handled"), func() bool { return len(b.handled()) >= n })
}

// empty sees that a queue has nothing left.
func (r *realBroker) empty(t *testing.T, queue string) {
	t.Helper()
	if left := r.browse(queue, time.Second); len(left) > 0 {
		t.Errorf("%d messages are left in %s", len(left), queue)
	}
}

// A mapping handles what is sent, in order where it is of a group, and leaves nothing.
func TestRealMapping(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, r *realBroker) {
		const count = 500
		r.t = t
		b := r.bench(t)
		b.config = esm.Config{BatchSize: 50}
		b.start()
		sent := make([]*amqp.Message, count)
		for i := range sent {
			sent[i] = activemqtest.Grouped(strconv.Itoa(i%4), strconv.Itoa(i))
		}
		r.send(sent...)
		b.has(count)
		b.mustStop()
		next := map[int]int{0: 0, 1: 1, 2: 2, 3: 3}
		for _, body := range b.handled() {
			n, _ := strconv.Atoi(body)
			if n != next[n%4] {
				t.Fatalf("%d came, want %d", n, next[n%4])
			}
			next[n%4] += 4
		}
		r.empty(t, r.queue)
	})
}

// Two mappings share a queue.
func TestRealTwoConsumers(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, r *realBroker) {
		const count = 400
		r.t = t
		first, second := r.bench(t), r.bench(t)
		for _, b := range []*bench{first, second} {
			b.config = esm.Config{BatchSize: 10}
			b.start()
		}
		r.send(textsOf(count)...)
		eventually(t, "all handled", func() bool { return len(first.handled())+len(second.handled()) >= count })
		first.mustStop()
		second.mustStop()
		all := append(first.handled(), second.handled()...)
		slices.Sort(all)
		if len(slices.Compact(all)) != count || len(first.handled())+len(second.handled()) != count {
			t.Errorf("%d and %d handled of %d", len(first.handled()), len(second.handled()), count)
		}
		if len(first.handled()) == 0 || len(second.handled()) == 0 {
			t.Error("one mapping got nothing")
		}
		r.empty(t, r.queue)
	})
}

func textsOf(count int) []*amqp.Message {
	all := make([]*amqp.Message, count)
	for i := range all {
		all[i] = activemqtest.Text(strconv.Itoa(i))
	}
	return all
}

// A stop gives back what was not started, without a delivery more, and nothing that was
// handled comes again.
func TestRealStopGivesBack(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, r *realBroker) {
		r.t = t
		r.send(textsOf(20)...)
		b := r.bench(t)
		b.config = esm.Config{BatchSize: 3, MaximumConcurrency: 1}
		begun := make(chan struct{}, 10)
		b.handle = func(context.Context, []string) error {
			begun <- struct{}{}
			time.Sleep(time.Second)
			return nil
		}
		b.start()
		<-begun
		b.mustStop()
		left := r.browse(r.queue, 2*time.Second)
		if len(b.handled())+len(left) != 20 {
			t.Errorf("handled %v, left %v", b.handled(), shown(left))
		}
		for _, m := range left {
			if m.Header.DeliveryCount > 0 {
				t.Errorf("left %v", shown(left))
				break
			}
		}
	})
}

// A batch that fails is delivered once, and retried in place; poison is a dead letter in
// the end.
func TestRealPoison(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, r *realBroker) {
		r.t = t
		poison := "poison of " + r.queue
		r.send(activemqtest.Text(poison), activemqtest.Text("a"))
		b := r.bench(t)
		b.config = esm.Config{BatchSize: 1, MaximumRetryAttempts: new(2)}
		b.handle = func(_ context.Context, bodies []string) error {
			if bodies[0] == poison {
				return errHandler
			}
			return nil
		}
		b.start()
		eventually(t, "rejected", func() bool { return b.count(esm.RejectedEventCount) == 1 })
		b.has(4)
		b.mustStop()
		b.equal("invocations", len(b.handled()), 4)
		r.empty(t, r.queue)
		r.deadLetter(t, poison, 0)
	})
}

// deadLetter sees that a message is one, delivered so often.
func (r *realBroker) deadLetter(t *testing.T, body string, deliveries uint32) {
	t.Helper()
	queues := []string{activemqtest.DeadLetters}
	if r.address == os.Getenv(brokers["artemis"]) {
		queues = []string{"DLQ", "ExpiryQueue"}
	}
	eventually(t, body+" is a dead letter", func() bool {
		for _, queue := range queues {
			for _, m := range r.browse(queue, time.Second) {
				if m.Value == body {
					if m.Header.DeliveryCount > deliveries {
						t.Errorf("it was delivered %d times before", m.Header.DeliveryCount)
					}
					return true
				}
			}
		}
		return false
	})
}

// What expires goes the broker's way: in its queue, and in the hands of a mapping that
// fails with it (MQ-41).
func TestRealTTL(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, r *realBroker) {
		r.t = t
		text := func(body string, ttl time.Duration) *amqp.Message {
			m := activemqtest.Text(body + " of " + r.queue)
			m.Header.TTL = ttl
			return m
		}
		r.send(text("in the queue", 50*time.Millisecond))
		time.Sleep(100 * time.Millisecond)
		b := r.bench(t)
		b.handle = func(_ context.Context, bodies []string) error {
			if strings.HasPrefix(bodies[0], "in hand") {
				return errHandler
			}
			return nil
		}
		b.start()
		r.send(text("in hand", 2*time.Second))
		b.has(1)
		r.deadLetter(t, "in hand of "+r.queue, 1)
		r.deadLetter(t, "in the queue of "+r.queue, 0)
		r.send(text("lasts", time.Hour))
		eventually(t, "handled", func() bool { return slices.Contains(b.handled(), "lasts of "+r.queue) })
		b.mustStop()
		b.equal("settled", b.count(esm.DeletedEventCount), 1)
		if slices.Contains(b.handled(), "in the queue of "+r.queue) {
			t.Error("what had expired was handled")
		}
	})
}

// What only people can put right ends Run within seconds.
func TestRealHopelessStart(t *testing.T) {
	t.Parallel()
	secure := func() []string { return []string{"amqp+ssl://" + os.Getenv("OPENESM_ACTIVEMQ_AMQPS")} }
	for name, test := range map[string]struct {
		broker string
		set    func(r *realBroker, o *activemq.Options)
		says   string
	}{
		"password":            {"classic", func(_ *realBroker, o *activemq.Options) { o.Access = activemq.BasicAuth("openesm", "hidden") }, "username or password is wrong"},
		"password of Artemis": {"artemis", func(_ *realBroker, o *activemq.Options) { o.Access = activemq.BasicAuth("openesm", "hidden") }, "username or password is wrong"},
		"queue": {"classic", func(r *realBroker, o *activemq.Options) { o.Access = activemq.BasicAuth("reader", r.password) },
			"the queue does not exist, or the user may not read it"},
		"queue of Artemis": {"artemis", func(r *realBroker, o *activemq.Options) { o.Queue = "missing." + r.queue }, "the queue does not exist"},
		"plain text to TLS": {"classic", func(_ *realBroker, o *activemq.Options) {
			o.Endpoints = []string{"amqp://" + os.Getenv("OPENESM_ACTIVEMQ_AMQPS")}
		}, "the endpoint speaks TLS"},
		"TLS to plain text": {"classic", func(r *realBroker, o *activemq.Options) { o.Endpoints = []string{"amqps://" + r.address} },
			"the endpoint does not speak TLS"},
		"certificate": {"classic", func(_ *realBroker, o *activemq.Options) { o.Endpoints = secure() }, "the broker's certificate is not trusted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newReal(t, test.broker)
			b := r.bench(t)
			test.set(r, &b.options)
			b.start()
			select {
			case err := <-b.done:
				if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error()+b.log.String(), "hidden") {
					t.Errorf("Run: %v, log %s", err, b.log.String())
				}
			case <-time.After(30 * time.Second):
				t.Error("Run goes on")
				_ = b.stop()
			}
		})
	}
}

// Over TLS, with the first endpoint of two not there (MQ-05, MQ-22).
func TestRealTLS(t *testing.T) {
	t.Parallel()
	r := newReal(t, "classic")
	b := r.bench(t)
	b.options.Endpoints = []string{"amqp+ssl://127.0.0.1:1", "amqp+ssl://" + os.Getenv("OPENESM_ACTIVEMQ_AMQPS")}
	b.options.TLS = realTLS(t)
	b.start()
	r.send(activemqtest.Text("a"))
	b.has(1)
	b.mustStop()
	r.empty(t, r.queue)
}

// What a JMS client sends: here by way of STOMP, of which the broker makes JMS messages as
// of those of OpenWire (MQ-51, MQ-53..65).
func TestRealJMSMessages(t *testing.T) {
	t.Parallel()
	r := newReal(t, "classic")
	expires := time.Now().Add(time.Hour).UnixMilli()
	r.stomp(t, "SEND\ndestination:/queue/%s\nreceipt:1\npersistent:true\npriority:7\ncorrelation-id:c1\nreply-to:/queue/answers\ntype:order\n"+
		"expires:%d\nsite:north\nJMSXGroupID:g1\n\nJMS text\x00", r.queue, expires)
	r.stomp(t, "SEND\ndestination:/queue/%s\nreceipt:1\ncontent-length:3\n\n\xff\x00\x01\x00", r.queue)
	source, err := activemq.New(r.options())
	if err != nil {
		t.Fatal(err)
	}
	var documents [][]byte
	got := make(chan struct{}, 10)
	handler := esm.Bytes(invokerFunc(func(payload []byte) {
		documents = append(documents, slices.Clone(payload))
		got <- struct{}{}
	}))
	mapping, err := esm.New(source, handler, esm.Config{BatchSize: 1, MaximumConcurrency: 1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- mapping.Run(ctx) }()
	<-got
	<-got
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for i, parts := range [][]string{
		{
			`"messageID":"ID:`, `"messageType":"jms/text-message"`, `"deliveryMode":2`, `"correlationID":"c1"`, `"replyTo":"queue://answers"`,
			`"destination":{"physicalName":"` + r.queue + `"}`, `"redelivered":false`, `"type":"order"`, fmt.Sprintf(`"expiration":%d`, expires/1000)[:20],
			`"priority":7`, `"data":"Sk1TIHRleHQ="`, `"properties":{"site":"north"}`,
		},
		{`"messageType":"jms/bytes-message"`, `"deliveryMode":1`, `"correlationID":""`, `"replyTo":"null"`, `"type":""`, `"expiration":0`, `"priority":4`, `"data":"/wAB"`},
	} {
		for _, part := range parts {
			if !strings.Contains(string(documents[i]), part) {
				t.Errorf("%s is not in %s", part, documents[i])
			}
		}
	}
}

// invokerFunc is an invoker that always succeeds.
type invokerFunc func(payload []byte)

func (f invokerFunc) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	f(payload)
	return nil, nil
}

// stomp sends one frame, and waits for its receipt.
func (r *realBroker) stomp(t *testing.T, frame string, args ...any) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", os.Getenv("OPENESM_ACTIVEMQ_STOMP"), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	answers := bufio.NewReader(conn)
	for _, text := range []string{"CONNECT\nlogin:openesm\npasscode:" + r.password + "\naccept-version:1.2\nhost:h\n\n\x00", fmt.Sprintf(frame, args...)} {
		_, err := conn.Write([]byte(text))
		answer := ""
		for err == nil && !strings.HasSuffix(answer, "\x00") {
			var c byte
			c, err = answers.ReadByte()
			answer += string(c)
		}
		if err != nil || strings.Contains(answer, "ERROR") {
			t.Fatalf("%v: %s", err, answer)
		}
	}
}

// A text with a NUL in it comes whole, also where the broker makes a JMS message of it.
func TestRealNUL(t *testing.T) {
	t.Parallel()
	r := newReal(t, "classic")
	sender, err := r.sessionAt(os.Getenv("OPENESM_ACTIVEMQ_JMS")).NewSender(t.Context(), r.queue, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"before\x00after", "next"} {
		if err := sender.Send(t.Context(), activemqtest.Text(body), nil); err != nil {
			t.Fatal(err)
		}
	}
	b := r.bench(t)
	b.start()
	b.has(2)
	b.mustStop()
	b.equal("handled", fmt.Sprintf("%q", b.handled()), `["before\x00after" "next"]`)
}

// A quiet queue keeps its link, for longer than a silent broker is taken for dead.
func TestRealQuietLink(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, r *realBroker) {
		r.t = t
		b := r.bench(t)
		b.start()
		time.Sleep(activemq.IdleTimeout + 10*time.Second)
		r.send(activemqtest.Text("a"))
		b.has(1)
		b.mustStop()
		if len(b.errs) > 0 {
			t.Errorf("failures of a quiet link: %v", b.errs)
		}
	})
}

// A mapping holds no more than its lanes have places for, and what they asked for before
// their windows closed, whatever the queue has.
func TestRealPrefetch(t *testing.T) {
	t.Parallel()
	r := newReal(t, "classic")
	r.send(textsOf(300)...)
	b := r.bench(t)
	b.config = esm.Config{BatchSize: 10}
	release := make(chan struct{})
	b.handle = func(context.Context, []string) error {
		<-release
		return nil
	}
	b.start()
	b.has(5 * 10)
	if held, _ := r.statistics(t)["inflightCount"].(int64); held < 5*10 || held > 2*5*10 {
		t.Errorf("%d messages are in flight, want %d and little more", held, 5*10)
	}
	close(release)
	b.has(300)
	b.mustStop()
	r.empty(t, r.queue)
}

// statistics are those of the queue.
func (r *realBroker) statistics(t *testing.T) map[string]any {
	t.Helper()
	session := r.session()
	replies, err := session.NewReceiver(t.Context(), "", &amqp.ReceiverOptions{DynamicAddress: true, Credit: 1})
	if err != nil {
		t.Fatal(err)
	}
	sender, err := session.NewSender(t.Context(), "ActiveMQ.Statistics.Destination."+r.queue, nil)
	if err != nil {
		t.Fatal(err)
	}
	address := replies.Address()
	ask := &amqp.Message{Value: "", Properties: &amqp.MessageProperties{ReplyTo: &address}}
	reply, err := (*amqp.Message)(nil), sender.Send(t.Context(), ask, nil)
	if err == nil {
		reply, err = replies.Receive(t.Context(), nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	values, ok := reply.Value.(map[string]any)
	if !ok {
		t.Fatal(errors.New("no statistics"), reply.Value)
	}
	return values
}
