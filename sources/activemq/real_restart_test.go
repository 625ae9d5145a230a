package activemq_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/go-amqp"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources/activemq/activemqtest"
)

// A broker is killed under load, twice, and started again: nothing that it had taken is
// lost, the messages of a group stay in order, and nothing is left. Not beside other
// tests, which want a broker that stays.
//
//nolint:paralleltest // see above
func TestRealRestart(t *testing.T) {
	for broker, variable := range map[string]string{"classic": "OPENESM_ACTIVEMQ_RESTART", "artemis": "OPENESM_ARTEMIS_RESTART"} {
		t.Run(broker, func(t *testing.T) {
			r := newReal(t, broker)
			script := os.Getenv(variable)
			if script == "" {
				t.Skip(variable + " is not set: it is what kills and starts the broker (.ci/real/activemq)")
			}
			restart(t, r, script)
		})
	}
}

// load sends messages of some groups, each until the broker has taken it.
type load struct {
	mu    sync.Mutex
	taken map[string]bool
	stop  chan struct{}
	all   sync.WaitGroup
}

func restart(t *testing.T, r *realBroker, script string) {
	t.Helper()
	const groups = 4
	b := r.bench(t)
	b.config = esm.Config{BatchSize: 20, Timeout: 10 * time.Second}
	b.start()
	l := &load{taken: make(map[string]bool), stop: make(chan struct{})}
	for g := range groups {
		l.all.Go(func() { l.run(r, g) })
	}
	for range 2 {
		before := len(b.handled())
		eventually(t, "messages come", func() bool { return len(b.handled()) > before+100 })
		for _, what := range []string{"kill", "start"} {
			if out, err := exec.CommandContext(t.Context(), script, what).CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", what, err, out)
			}
		}
	}
	before := len(b.handled())
	eventually(t, "messages come again", func() bool { return len(b.handled()) > before+100 })
	close(l.stop)
	l.all.Wait()
	for end := time.Now().Add(3 * time.Minute); len(l.missing(b.handled())) > 0; {
		if time.Now().After(end) {
			t.Fatalf("not handled within three minutes: %q; in the queue: %q; dead: %q; failures: %v", l.missing(b.handled()),
				shown(r.browse(r.queue, 2*time.Second)), shown(r.browse(activemqtest.DeadLetters, 2*time.Second)), b.errs)
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.mustStop()
	inOrder(t, b.handled())
	r.empty(t, r.queue)
	t.Logf("%d messages were taken, %d handled", len(l.taken), len(b.handled()))
}

// missing are messages that the broker took and that were not handled.
func (l *load) missing(handled []string) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	seen := make(map[string]bool, len(handled))
	for _, body := range handled {
		seen[body] = true
	}
	var all []string
	for body := range l.taken {
		if !seen[body] {
			all = append(all, body)
		}
	}
	return all
}

// run sends the messages of one group.
func (l *load) run(r *realBroker, group int) {
	var sender *amqp.Sender
	for n := 0; ; {
		select {
		case <-l.stop:
			return
		case <-time.After(25 * time.Millisecond):
		}
		body := fmt.Sprintf("%d.%d", group, n)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		if sender == nil {
			sender = r.trySender(ctx)
		}
		if sender != nil && sender.Send(ctx, activemqtest.Grouped(strconv.Itoa(group), body), nil) == nil {
			l.mu.Lock()
			l.taken[body] = true
			l.mu.Unlock()
			n++
		} else {
			sender = nil
			time.Sleep(100 * time.Millisecond)
		}
		cancel()
	}
}

// trySender is a sender, nil if the broker is not there.
func (r *realBroker) trySender(ctx context.Context) *amqp.Sender {
	conn, err := amqp.Dial(ctx, "amqp://"+r.address, &amqp.ConnOptions{SASLType: amqp.SASLTypePlain("openesm", r.password)})
	if err != nil {
		return nil
	}
	r.t.Cleanup(func() { _ = conn.Close() })
	session, err := conn.NewSession(ctx, nil)
	if err != nil {
		return nil
	}
	sender, err := session.NewSender(ctx, r.queue, &amqp.SenderOptions{TargetCapabilities: []string{"queue"}})
	if err != nil {
		return nil
	}
	return sender
}

// inOrder sees that each message of a group comes after the one before it was handled for
// the first time.
func inOrder(t *testing.T, handled []string) {
	t.Helper()
	next := make(map[string]int)
	for _, body := range handled {
		group, text, _ := strings.Cut(body, ".")
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		if n > next[group] {
			t.Fatalf("message %d of group %s came before %d", n, group, next[group])
		}
		next[group] = max(next[group], n+1)
	}
}
