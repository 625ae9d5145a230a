package rabbitmq_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/rabbitmq/rabbitmqtest"
)

func contains(text, part string) bool { return strings.Contains(text, part) }

// realSender publishes persistent numbers until it is stopped, and tells which the broker
// has confirmed.
type realSender struct {
	stop      chan struct{}
	confirmed chan []string
}

func startRealSender(t *testing.T, queue string) *realSender {
	t.Helper()
	w := &realSender{stop: make(chan struct{}), confirmed: make(chan []string, 1)}
	go func() {
		var done []string
		defer func() { w.confirmed <- done }()
		var channel *amqp.Channel
		var conn *amqp.Connection
		defer func() {
			if conn != nil {
				_ = conn.Close()
			}
		}()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for n := 0; ; {
			select {
			case <-w.stop:
				return
			case <-tick.C:
			}
			if channel == nil {
				if conn, channel = redial(t); channel == nil {
					continue
				}
			}
			body := strconv.Itoa(n)
			ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
			confirmation, err := channel.PublishWithDeferredConfirmWithContext(ctx, "", queue, true, false, amqp.Publishing{
				DeliveryMode: amqp.Persistent, Body: []byte(body),
			})
			ok := false
			if err == nil {
				ok, err = confirmation.WaitContext(ctx)
			}
			cancel()
			if err != nil || !ok {
				_ = conn.Close()
				channel = nil
				n++ // it may have arrived
				continue
			}
			done = append(done, body)
			n++
		}
	}()
	return w
}

func redial(t *testing.T) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	username, password := realLogin()
	conn, err := amqp.Dial("amqp://" + username + ":" + password + "@" + realAddress(t, "OPENESM_RABBITMQ") + "/")
	if err != nil {
		return nil, nil
	}
	channel, err := conn.Channel()
	if err == nil {
		err = channel.Confirm(false)
	}
	if err != nil {
		_ = conn.Close()
		return nil, nil
	}
	return conn, channel
}

// A broker that is killed twice under load loses nothing that it has confirmed, and order is
// kept: a message never comes for the first time after a later one (P1, P4, P12).
func TestRealKilledBroker_P12(t *testing.T) { //nolint:paralleltest // the broker is everybody's
	s := newRealSite(t)
	s.options.Endpoints = []string{"amqp://" + realAddress(t, "OPENESM_RABBITMQ")}
	s.queues(rabbitmqtest.QueueOptions{})
	r := s.run(esm.Config{BatchSize: 20, RetryBackoff: promptly()}, nil)
	w := startRealSender(t, s.queue)
	for _, enough := range []int{200, 600} {
		s.eventually("messages are handled", func() bool { return r.counts(esm.DeletedEventCount) >= enough })
		brokerCommand(t, "kill")
		brokerCommand(t, "start")
	}
	s.eventually("messages are handled", func() bool { return r.counts(esm.DeletedEventCount) >= 1000 })
	close(w.stop)
	confirmed := <-w.confirmed
	seen := map[string]bool{}
	s.eventually("all are handled", func() bool {
		for _, body := range r.messages() {
			seen[body] = true
		}
		return !slices.ContainsFunc(confirmed, func(body string) bool { return !seen[body] })
	})
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	last := -1
	first := map[int]bool{}
	for _, body := range r.messages() {
		n, err := strconv.Atoi(body)
		if err != nil {
			t.Fatal(err)
		}
		if !first[n] && n < last {
			t.Errorf("%d comes for the first time after %d", n, last)
		}
		first[n] = true
		last = max(last, n)
	}
	if strings.Contains(s.log.String(), "panic") || r.counts(esm.PollingErrorCount) == 0 {
		t.Error("nobody heard of it")
	}
	t.Logf("%d confirmed, %d deliveries handled, %d stale", len(confirmed), len(r.messages()), r.counts(esm.StaleEventCount))
}

// Under a memory alarm the acknowledgements are read, for the connection never publishes,
// and a stop is prompt (M14).
func TestRealMemoryAlarm(t *testing.T) { //nolint:paralleltest // the broker is everybody's
	s := newRealSite(t)
	s.options.Endpoints = []string{"amqp://" + realAddress(t, "OPENESM_RABBITMQ")}
	s.queues(rabbitmqtest.QueueOptions{})
	s.send(numbers(20)...)
	brokerCommand(t, "alarm")
	defer brokerCommand(t, "calm")
	r := s.run(esm.Config{BatchSize: 5}, nil)
	s.eventually("all are handled", func() bool { return r.counts(esm.DeletedEventCount) == 20 })
	began := time.Now()
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("the stop took %v", took)
	}
	if n := s.ready(s.queue); n > 0 {
		t.Errorf("%d came back", n)
	}
}
