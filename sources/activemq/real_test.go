package activemq_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/activemq"
	"github.com/openesm/openesm/sources/sourcetest"
)

// brokers are the real ones that tests may be run on, by name.
var brokers = map[string]string{"classic": "OPENESM_ACTIVEMQ_AMQP", "artemis": "OPENESM_ARTEMIS_AMQP"}

// realBroker is one.
type realBroker struct {
	t        testing.TB
	address  string
	password string
	queue    string
}

// realName makes a name that no other test has.
func realName() string { return fmt.Sprintf("test-%d-%d", os.Getpid(), named.Add(1)) }

var named atomic.Int64

// newReal is a queue of its own of a broker; the test is skipped where there is none.
func newReal(tb testing.TB, broker string) *realBroker {
	tb.Helper()
	address := os.Getenv(brokers[broker])
	if address == "" {
		tb.Skip(brokers[broker] + " is not set: it is the address of a broker (.ci/real/activemq)")
	}
	return &realBroker{t: tb, address: address, password: os.Getenv("OPENESM_ACTIVEMQ_PASSWORD"), queue: realName()}
}

// eachBroker runs a test on all real brokers.
func eachBroker(t *testing.T, run func(t *testing.T, r *realBroker)) {
	t.Helper()
	for name := range brokers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run(t, newReal(t, name))
		})
	}
}

func (r *realBroker) options() activemq.Options {
	return activemq.Options{Endpoints: []string{"amqp://" + r.address}, Queue: r.queue, Access: activemq.BasicAuth("openesm", r.password)}
}

// session is that of a client beside the adapter.
func (r *realBroker) session() *amqp.Session {
	r.t.Helper()
	return r.sessionAt(r.address)
}

func (r *realBroker) sessionAt(address string) *amqp.Session {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := amqp.Dial(ctx, "amqp://"+address, &amqp.ConnOptions{SASLType: amqp.SASLTypePlain("openesm", r.password)})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return session
}

// sender sends to a queue.
func (r *realBroker) sender(queue string) *amqp.Sender {
	r.t.Helper()
	sender, err := r.session().NewSender(r.t.Context(), queue, &amqp.SenderOptions{TargetCapabilities: []string{"queue"}})
	if err != nil {
		r.t.Fatal(err)
	}
	return sender
}

// send puts messages into the queue.
func (r *realBroker) send(messages ...*amqp.Message) {
	r.t.Helper()
	sender := r.sender(r.queue)
	for _, m := range messages {
		if err := sender.Send(r.t.Context(), m, nil); err != nil {
			r.t.Fatal(err)
		}
	}
}

// browse returns what a queue has, without taking it, within that time.
func (r *realBroker) browse(queue string, d time.Duration) []*amqp.Message {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	receiver, err := r.session().NewReceiver(r.t.Context(), queue, &amqp.ReceiverOptions{
		Credit: 1000, SourceDistributionMode: amqp.SourceDistributionModeCopy, SourceCapabilities: []string{"queue"},
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = receiver.Close(context.Background()) }()
	var all []*amqp.Message
	for {
		m, err := receiver.Receive(ctx, nil)
		if err != nil {
			return all
		}
		all = append(all, m)
	}
}

func realTLS(t *testing.T) *tls.Config {
	t.Helper()
	pool := x509.NewCertPool()
	pem, err := os.ReadFile(filepath.Join(os.Getenv("OPENESM_ACTIVEMQ_CERTIFICATES"), "ca.pem"))
	if err != nil || !pool.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate of the broker:", err)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

func TestRealConformance(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, r *realBroker) {
		sourcetest.Run(t, func(t *testing.T) sourcetest.Harness {
			t.Helper()
			r := *r
			r.t, r.queue = t, realName()
			sender := r.sender(r.queue) // before the suite counts goroutines
			return sourcetest.Harness{
				Send: func(ctx context.Context, messages ...sourcetest.Message) error {
					for _, m := range messages {
						if err := sender.Send(ctx, message(m), nil); err != nil {
							return err
						}
					}
					return nil
				},
				Open: func(context.Context) (sources.Source, error) { return activemq.New(r.options()) },
			}
		})
	})
}
