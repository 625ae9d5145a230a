package rabbitmq_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/rabbitmq"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
	"github.com/openesm/openesm/sources/sourcetest"
)

// realAddress is that of a RabbitMQ, under the environment variable given.
func realAddress(tb testing.TB, variable string) string {
	tb.Helper()
	address := os.Getenv(variable)
	if address == "" {
		tb.Skipf("%s is not set: .ci/real/rabbitmq starts a RabbitMQ and sets it", variable)
	}
	return address
}

func realLogin() (username, password string) {
	return os.Getenv("OPENESM_RABBITMQ_USER"), os.Getenv("OPENESM_RABBITMQ_PASSWORD")
}

// realConnection is a connection of the test's own.
func realConnection(tb testing.TB) *amqp.Connection {
	tb.Helper()
	username, password := realLogin()
	conn, err := amqp.Dial("amqp://" + username + ":" + password + "@" + realAddress(tb, "OPENESM_RABBITMQ") + "/")
	if err != nil {
		tb.Fatal(err)
	}
	return conn
}

func realChannel(tb testing.TB, conn *amqp.Connection) *amqp.Channel {
	tb.Helper()
	channel, err := conn.Channel()
	if err != nil {
		tb.Fatal(err)
	}
	return channel
}

// realSerial counts the names of queues.
var realSerial atomic.Int64

// newRealSite is a site on the real broker, whose queues are removed in the end.
func newRealSite(t *testing.T) *site {
	t.Helper()
	address := realAddress(t, "OPENESM_RABBITMQ")
	conn := realConnection(t)
	name := "openesm-" + strconv.FormatInt(time.Now().UnixNano(), 36) + "-" + strconv.FormatInt(realSerial.Add(1), 10)
	channel := realChannel(t, conn)
	if err := channel.Confirm(false); err != nil {
		t.Fatal(err)
	}
	proxy := newProxy(t, address)
	username, password := realLogin()
	s := &site{
		t: t, queue: name, dead: name + "-dead", log: &logBuffer{}, cut: proxy.cut,
		options: rabbitmq.Options{
			Endpoints: []string{"amqp://" + proxy.address()}, Access: rabbitmq.BasicAuth(username, password), ARN: "arn:" + name,
		},
	}
	var mu sync.Mutex // of channel
	s.declare = func(queue string, options rabbitmqtest.QueueOptions) { realDeclare(t, conn, queue, options) }
	s.remove = func(queue string) { realRemove(conn, queue) }
	s.publish = func(queue string, messages ...amqp.Publishing) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range messages {
			confirmation, err := channel.PublishWithDeferredConfirmWithContext(context.Background(), "", queue, true, false, m)
			if err != nil || !confirmation.Wait() {
				t.Fatalf("publish to %s: %v", queue, err)
			}
		}
	}
	s.ready = func(queue string) int {
		own := realChannel(t, conn)
		defer func() { _ = own.Close() }()
		q, err := own.QueueDeclarePassive(queue, false, false, false, false, nil)
		if err != nil {
			t.Fatal(err)
		}
		return q.Messages
	}
	s.take = func(queue string) []amqp.Delivery { return takeAll(t, realChannel(t, conn), queue) }
	t.Cleanup(func() {
		_ = conn.CloseDeadline(time.Now().Add(5 * time.Second)) // it may have been killed
		last := realConnection(t)
		realRemove(last, s.queue)
		realRemove(last, s.dead)
		if err := last.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func realDeclare(t *testing.T, conn *amqp.Connection, queue string, options rabbitmqtest.QueueOptions) {
	t.Helper()
	args := amqp.Table{}
	switch {
	case options.Quorum:
		args["x-queue-type"] = "quorum"
	case options.Stream:
		args["x-queue-type"] = "stream"
	}
	if options.DeliveryLimit > 0 {
		args["x-delivery-limit"] = options.DeliveryLimit
	}
	if options.MessageTTL > 0 {
		args["x-message-ttl"] = options.MessageTTL.Milliseconds()
	}
	if options.DeadLetters != "" {
		args["x-dead-letter-exchange"] = ""
		args["x-dead-letter-routing-key"] = options.DeadLetters
	}
	channel := realChannel(t, conn)
	defer func() { _ = channel.Close() }()
	if _, err := channel.QueueDeclare(queue, true, false, false, false, args); err != nil {
		t.Fatal(err)
	}
}

func realRemove(conn *amqp.Connection, queue string) {
	channel, err := conn.Channel()
	if err != nil {
		return
	}
	defer func() { _ = channel.Close() }()
	_, _ = channel.QueueDelete(queue, false, false, false)
}

// proxy passes connections on, and cuts them.
type proxy struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	conns    map[net.Conn]bool
	all      sync.WaitGroup
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, to: to, conns: map[net.Conn]bool{}}
	p.all.Go(p.serve)
	t.Cleanup(func() {
		_ = listener.Close()
		p.cut()
		p.all.Wait()
	})
	return p
}

func (p *proxy) address() string { return p.listener.Addr().String() }

func (p *proxy) serve() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.to)
		if err != nil {
			_ = in.Close()
			continue
		}
		p.mu.Lock()
		p.conns[in], p.conns[out] = true, true
		p.mu.Unlock()
		p.all.Go(func() { p.pass(in, out) })
		p.all.Go(func() { p.pass(out, in) })
	}
}

func (p *proxy) pass(from, to net.Conn) {
	_, _ = io.Copy(to, from)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range []net.Conn{from, to} {
		_ = c.Close()
		delete(p.conns, c)
	}
}

func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func TestRealScenarios(t *testing.T) {
	t.Parallel()
	realAddress(t, "OPENESM_RABBITMQ")
	for name, scenario := range scenarios() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			scenario(newRealSite(t))
		})
	}
}

func realHarness(t *testing.T, queue rabbitmqtest.QueueOptions) sourcetest.Harness {
	t.Helper()
	s := newRealSite(t)
	s.queues(queue)
	return sourcetest.Harness{
		Send: func(_ context.Context, messages ...sourcetest.Message) error {
			for _, m := range messages {
				s.publish(s.queue, amqp.Publishing{Body: m.Data})
			}
			return nil
		},
		Open:       func(context.Context) (sources.Source, error) { return rabbitmq.New(s.options) },
		Settings:   sources.Settings{BatchSize: 100},
		NoTime:     true,
		ComposedID: true,
	}
}

func TestRealConformance(t *testing.T) {
	t.Parallel()
	realAddress(t, "OPENESM_RABBITMQ")
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		t.Helper()
		return realHarness(t, rabbitmqtest.QueueOptions{})
	})
}

func TestRealQuorumConformance(t *testing.T) {
	t.Parallel()
	realAddress(t, "OPENESM_RABBITMQ")
	sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
		t.Helper()
		return realHarness(t, rabbitmqtest.QueueOptions{Quorum: true})
	})
}

// realTLS is the configuration that trusts the broker's certificate.
func realTLS(t *testing.T) *tls.Config {
	t.Helper()
	pem, err := os.ReadFile(realAddress(t, "OPENESM_RABBITMQ_CA"))
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func TestRealTLS(t *testing.T) {
	t.Parallel()
	s := newRealSite(t)
	// The first endpoint does not answer.
	s.options.Endpoints = []string{"amqps://127.0.0.1:1", "amqps://" + realAddress(t, "OPENESM_RABBITMQ_TLS")}
	s.options.TLS = realTLS(t)
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(3)...)
	r := s.run(esm.Config{}, nil)
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 3 })
	if err := r.stop(); err != nil {
		t.Error(err)
	}
}

func TestRealPlainTextToTLS(t *testing.T) {
	t.Parallel()
	s := newRealSite(t)
	s.options.Queue = s.queue
	s.options.Endpoints = []string{"amqp://" + realAddress(t, "OPENESM_RABBITMQ_TLS")}
	s.wantRefusal("the port speaks TLS: use an endpoint amqps://")
}

func TestRealTLSToPlainText(t *testing.T) {
	t.Parallel()
	s := newRealSite(t)
	s.options.Queue = s.queue
	s.options.Endpoints = []string{"amqps://" + realAddress(t, "OPENESM_RABBITMQ")}
	s.wantRefusal("the port does not speak TLS")
}

func TestRealUnknownAuthority(t *testing.T) {
	t.Parallel()
	s := newRealSite(t)
	s.options.Queue = s.queue
	s.options.Endpoints = []string{"amqps://" + realAddress(t, "OPENESM_RABBITMQ_TLS")}
	s.wantRefusal("certificate signed by unknown authority")
}

// The document names the virtual host (MQ-71).
func TestRealVirtualHost_MQ71(t *testing.T) {
	t.Parallel()
	s := newRealSite(t)
	username, password := realLogin()
	conn, err := amqp.Dial("amqp://" + username + ":" + password + "@" + realAddress(t, "OPENESM_RABBITMQ") + "/shop")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	realDeclare(t, conn, s.queue, rabbitmqtest.QueueOptions{})
	defer realRemove(conn, s.queue)
	err = realChannel(t, conn).PublishWithContext(t.Context(), "", s.queue, true, false, amqp.Publishing{Body: []byte("x")})
	if err != nil {
		t.Fatal(err)
	}
	s.options.Queue, s.options.VirtualHost = s.queue, "shop"
	r := s.runBytes("")
	s.eventually("it is settled", func() bool { return r.counts(esm.DeletedEventCount) == 1 })
	if err = r.stop(); err != nil {
		t.Error(err)
	}
	if want := `"rmqMessagesByQueue":{"` + s.queue + `::shop":[`; !contains(r.documents()[0], want) {
		t.Errorf("%s lacks %s", r.documents()[0], want)
	}
}

// brokerCommand has the broker under test killed, started, or in need.
func brokerCommand(t *testing.T, what string) {
	t.Helper()
	out, err := exec.Command(realAddress(t, "OPENESM_RABBITMQ_BROKER"), what).CombinedOutput()
	if err != nil {
		t.Errorf("broker %s: %v: %s", what, err, out)
	}
}
