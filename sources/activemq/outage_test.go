package activemq_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/activemq"
	"github.com/openesm/openesm/sources/activemq/activemqtest"
)

// What was handled while its connection was cut comes again, and what is acknowledged then
// settles nothing else: nothing is lost, and the user hears of it (MQ-38).
func TestCutWhileHandling(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{BatchSize: 1, MaximumConcurrency: 1}
		cut := false
		b.handle = func(context.Context, []string) error {
			if !cut {
				cut = true
				b.broker.Cut()
				time.Sleep(time.Second)
			}
			return nil
		}
		b.send("a", "b", "c")
		b.start()
		time.Sleep(time.Minute)
		b.mustStop()
		b.equal("handled", b.handled(), []string{"a", "a", "b", "c"})
		b.equal("redelivered", b.native.Native.(*activemq.Message).Header.DeliveryCount, 0)
		b.equal("stale", b.count(esm.StaleEventCount), 1)
		b.equal("left", b.broker.Len(queue), 0)
		if !slices.ContainsFunc(b.errs, func(err error) bool { return strings.Contains(err.Error(), "link to orders is lost") }) {
			b.t.Error("nobody heard of the lost link:", b.errs)
		}
	})
}

// A failed batch is not tried again when its link was lost: the broker delivers its
// messages again, and they are handled once at a time.
func TestNoRetryOfWhatWasLost(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{BatchSize: 2}
		running, tries := 0, 0
		b.handle = func(context.Context, []string) error {
			tries++
			if running++; running > 1 {
				b.t.Error("handled twice at once")
			}
			time.Sleep(5 * time.Second)
			running--
			if tries <= 2 {
				return errHandler
			}
			return nil
		}
		b.broker.Send(queue, activemqtest.Grouped("g", "a"), activemqtest.Grouped("g", "b"))
		b.start()
		time.Sleep(2 * time.Second)
		b.broker.Cut()
		time.Sleep(time.Minute)
		b.mustStop()
		b.equal("batches", b.batches, slices.Repeat([][]string{{"a", "b"}}, 3))
		b.equal("left", b.broker.Len(queue), 0)
	})
}

// A group whose messages may still be handled, by a handler that began before the link was
// lost, waits for that; others go on.
func TestGroupWaitsForWhatWasLost(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{BatchSize: 1, Timeout: 20 * time.Second}
		b.handle = func(_ context.Context, bodies []string) error {
			if bodies[0] == "a1" && len(b.handled()) == 1 {
				time.Sleep(10 * time.Second)
			}
			return nil
		}
		b.broker.Send(queue, activemqtest.Grouped("a", "a1"), activemqtest.Grouped("a", "a2"))
		b.start()
		time.Sleep(2 * time.Second)
		b.broker.Cut()
		b.broker.Send(queue, activemqtest.Grouped("b", "b1"))
		time.Sleep(time.Minute)
		b.mustStop()
		b.equal("handled", b.handled(), []string{"a1", "b1", "a1", "a2"})
		if at := b.starts[2]; at < 10*time.Second || at > 15*time.Second {
			b.t.Errorf("the group goes on after %v, its handler ended after 10 s", at)
		}
	})
}

// During an outage attempts become rare, the user hears of it, and afterwards all goes on
// (MQ-23).
func TestOutage(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		attempts := 0
		b.broker.SetFault(func(c activemqtest.Call) error {
			if c.Do == "Attach" {
				attempts++
			}
			return nil
		})
		b.start()
		time.Sleep(time.Second)
		b.broker.SetDown(errors.New("connection refused"))
		b.broker.Cut()
		b.send("a")
		time.Sleep(time.Hour)
		b.broker.SetDown(nil)
		b.equal("handled", b.handled(), []string(nil))
		time.Sleep(2 * time.Minute)
		b.mustStop()
		b.equal("handled", b.handled(), []string{"a"})
		if attempts < 20 || attempts > 1000 {
			b.t.Errorf("%d attempts in an hour", attempts)
		}
		if heard := b.count(esm.PollingErrorCount); heard < attempts/2 || heard > attempts+1 {
			b.t.Errorf("heard of %d failures, there were about %d", heard, attempts)
		}
	})
}

// A link that breaks as soon as it delivers, because of a message that nobody can read, is
// opened again less and less often.
func TestLinkThatBreaksAtOnce(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		attached := 0
		b.broker.SetWatch(func(e activemqtest.Event) {
			if e.What == activemqtest.Delivered {
				attached++
				go b.broker.Cut()
			}
		})
		b.config.MaximumConcurrency = 1
		b.send("unreadable")
		b.start()
		time.Sleep(10 * time.Minute)
		_ = b.stop()
		synctest.Wait()
		if attached < 3 || attached > 200 {
			b.t.Errorf("%d links in ten minutes", attached)
		}
		b.equal("left", b.broker.Len(queue), 1)
	})
}

// The broker ends the link, because the queue was deleted say; it is opened again when it
// may be.
func TestQueueComesBack(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.start()
		time.Sleep(time.Second)
		b.broker.DeleteQueue(queue)
		b.broker.SetStrict(true)
		time.Sleep(10 * time.Minute)
		select {
		case err := <-b.done:
			b.t.Fatal("Run ended:", err)
		default:
		}
		b.broker.AddQueue(queue)
		b.send("a")
		time.Sleep(2 * time.Minute)
		b.mustStop()
		b.equal("handled", b.handled(), []string{"a"})
	})
}

// A broker that does not answer is given up by deadlines, and a stop is prompt.
func TestSilentBroker(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		b.config = esm.Config{DrainTimeout: 5 * time.Second}
		b.send("a")
		b.handle = func(context.Context, []string) error {
			b.broker.SetSilent(true)
			return nil
		}
		b.start()
		time.Sleep(time.Minute)
		start := time.Now()
		_ = b.stop()
		if took := time.Since(start); took > 6*time.Second {
			b.t.Errorf("stopped after %v", took)
		}
	})
}

// What only people can put right ends Run at once, with an error that says it and has no
// secret in it.
func TestHopelessStart(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set  func(b *activemqtest.Broker, o *activemq.Options)
		says string
	}{
		"wrong password": {func(b *activemqtest.Broker, _ *activemq.Options) { b.SetLogin("user", "other") }, "username or password is wrong"},
		"missing queue":  {func(b *activemqtest.Broker, _ *activemq.Options) { b.SetStrict(true) }, "the queue does not exist, or the user may not read it"},
		"bad secret": {func(_ *activemqtest.Broker, o *activemq.Options) {
			o.Access = activemq.BasicAuthSecret(func(context.Context) ([]byte, error) { return []byte(`{"password":"hidden"}`), nil })
		}, "the secret has no login"},
		"second endpoint": {func(b *activemqtest.Broker, o *activemq.Options) {
			o.Endpoints = append(o.Endpoints, "amqp://second.test")
			b.SetLogin("user", "other")
		}, "connect to orders at second.test:5672: username or password is wrong"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBench(t, func(b *bench) {
				test.set(b.broker, &b.options)
				b.start()
				time.Sleep(time.Second)
				select {
				case err := <-b.done:
					if err == nil || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error()+b.log.String(), "hidden") {
						b.t.Errorf("Run: %v, log %s", err, b.log.String())
					}
				default:
					b.t.Error("Run goes on")
					_ = b.stop()
				}
			})
		})
	}
}

// While it runs a mapping outlives a password that was changed, and takes up the new one.
func TestPasswordIsChanged(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		password := "first"
		b.broker.SetLogin("user", "first")
		b.options.Access = activemq.BasicAuthSecret(func(context.Context) ([]byte, error) {
			return fmt.Appendf(nil, `{"username":"user","password":%q}`, password), nil
		})
		b.start()
		time.Sleep(time.Second)
		b.broker.SetLogin("user", "second")
		b.broker.Cut()
		b.send("a")
		time.Sleep(10 * time.Minute)
		password = "second"
		time.Sleep(2 * time.Minute)
		b.mustStop()
		b.equal("handled", b.handled(), []string{"a"})
	})
}

// The endpoints of an active/standby pair are tried in turn (MQ-22).
func TestFailover(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		up := "standby.test:5671"
		client := b.broker.Client()
		b.options.Endpoints = []string{"amqp+ssl://active.test", "amqps://standby.test"}
		b.options.Client = clientFunc(func(ctx context.Context, to activemq.Target) (activemq.Link, error) {
			if to.Address != up || !to.TLS || to.Username != "user" || to.Password != "hidden" || to.Queue != queue {
				return nil, fmt.Errorf("dial %v: connection refused: %w", to, io.ErrUnexpectedEOF)
			}
			return client.Attach(ctx, to)
		})
		b.send("a")
		b.start()
		time.Sleep(10 * time.Second)
		b.equal("handled", b.handled(), []string{"a"})
		up = "active.test:5671"
		b.broker.Cut()
		b.send("b")
		time.Sleep(time.Minute)
		b.mustStop()
		b.equal("handled", b.handled(), []string{"a", "b"})
		if strings.Contains(b.log.String(), "hidden") || !strings.Contains(fmt.Sprint(b.errs), "connect to orders at standby.test:5671: dial orders at standby.test:5671") {
			b.t.Error(b.errs)
		}
	})
}

// clientFunc is a client that is one function.
type clientFunc func(ctx context.Context, to activemq.Target) (activemq.Link, error)

func (f clientFunc) Attach(ctx context.Context, to activemq.Target) (activemq.Link, error) {
	return f(ctx, to)
}

// Two mappings share a queue: nothing is handled twice, and nothing is left.
func TestTwoConsumers(t *testing.T) {
	t.Parallel()
	inBench(t, func(b *bench) {
		other := &bench{t: b.t, broker: b.broker, options: b.options, counts: make(map[esm.Metric]int), began: b.began}
		for _, one := range []*bench{b, other} {
			one.config.BatchSize = 3
			one.start()
		}
		time.Sleep(time.Second)
		b.send(numbers(200)...)
		time.Sleep(time.Minute)
		b.mustStop()
		other.mustStop()
		all := append(b.handled(), other.handled()...)
		if len(all) != 200 || len(b.handled()) == 0 || len(other.handled()) == 0 {
			b.t.Errorf("%d and %d handled of 200", len(b.handled()), len(other.handled()))
		}
		b.equal("left", b.broker.Len(queue), 0)
	})
}

func TestOptions(t *testing.T) {
	t.Parallel()
	access := activemq.BasicAuth("user", "hidden")
	for _, test := range []struct {
		options activemq.Options
		says    []string
	}{
		{activemq.Options{}, []string{"Endpoints is empty", "Queue:", "Access is not set"}},
		{activemq.Options{Endpoints: []string{"amqp://h", "amqp://user:hidden@h"}, Queue: "q", Access: access}, []string{"Endpoints: entry 2 has a login"}},
		{activemq.Options{Endpoints: []string{"stomp://h"}, Queue: "a.>", Access: access, PrefetchBytes: -1}, []string{"scheme", "without wildcards", "PrefetchBytes: -1"}},
	} {
		_, err := activemq.New(test.options)
		for _, says := range test.says {
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("New: %v, want %q", err, says)
			}
		}
	}
	target := activemq.Target{Address: "h:1", Queue: "q", Username: "user", Password: "hidden"}
	if text := fmt.Sprintf("%v %+v %#v %s", target, target, target, target); strings.Contains(text, "hidden") {
		t.Error(text)
	}
}
