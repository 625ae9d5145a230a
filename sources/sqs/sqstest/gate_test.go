package sqstest_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/sqs/sqstest"
)

// turnstile is a gate of the tests.
type turnstile = wiretest.Gate[sqstest.Call, sqstest.Fault]

// poll begins long polls and returns where their bodies come.
func (w *world) poll(polls int) <-chan string {
	received := make(chan string, polls)
	for range polls {
		go func() { received <- strings.Join(bodies(w.receive(1, 20)), " ") }()
		synctest.Wait()
	}
	return received
}

// TestGateServesOneByOne has three receives wait, which are served when the gate
// says so, the one that waits longest first.
func TestGateServesOneByOne(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		g := new(turnstile)
		w.server.SetGate(g)
		received := w.poll(3)
		polls := g.Next(w.t, "poll 20s", "poll 20s", "poll 20s")
		if _, err := w.server.Send("orders", "a", "b"); err != nil {
			w.t.Fatal(err)
		}
		serve := g.Next(w.t, "serve 0s")
		w.wantNone(received)
		serve[0].Run()
		if got := <-received; got != "a" {
			w.t.Errorf("got %q, want a", got)
		}
		serve = g.Next(w.t, "serve 0s", "due 30s") // for the third
		w.wantNone(received)
		serve[0].Run()
		if got := <-received; got != "b" {
			w.t.Errorf("got %q, want b", got)
		}
		g.Next(w.t)
		time.Sleep(time.Hour)
		for i := range polls {
			w.wantNone(received)
			polls[i].Run() // the first two are served
			synctest.Wait()
		}
		if got := <-received; got != "a" { // long due
			w.t.Errorf("got %q at the end of the wait, want a message that came back", got)
		}
	})
}

func (w *world) wantNone(received <-chan string) {
	w.t.Helper()
	synctest.Wait()
	if len(received) > 0 {
		w.t.Errorf("got %q, want nothing yet", <-received)
	}
}

func TestGateBringsMessagesBack(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "5"}, func(w *world) {
		w.send("", "a", "b")
		g := new(turnstile)
		w.server.SetGate(g)
		first := w.expect("a", "b")
		time.Sleep(time.Second)
		received := w.poll(1)
		later := g.Next(w.t, "poll 20s", "due 4s")
		if err := w.change(first[1], 1); err != nil {
			w.t.Error(err)
		}
		later = append(later, g.Next(w.t, "due 1s")...)
		time.Sleep(time.Second)
		later[2].Run()
		g.Next(w.t, "serve 0s", "due 3s")[0].Run()
		if got := <-received; got != "b" {
			w.t.Errorf("got %q, want b", got)
		}
		time.Sleep(3 * time.Second)
		for _, i := range []int{1, 0} {
			later[i].Run() // superseded, and served
		}
		g.Next(w.t)
		w.wantNone(received)
	})
}

// TestGateAndLeavers has a caller leave its long poll: its messages stay.
func TestGateAndLeavers(t *testing.T) {
	t.Parallel()
	run(t, "orders", nil, func(w *world) {
		g := new(turnstile)
		w.server.SetGate(g)
		ctx, cancel := context.WithCancel(w.t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := w.client.ReceiveMessage(ctx, everything(w.url, 10, 20))
			ended <- err
		}()
		poll := g.Next(w.t, "poll 20s")
		if _, err := w.server.Send("orders", "a"); err != nil {
			w.t.Fatal(err)
		}
		serve := g.Next(w.t, "serve 0s")
		cancel()
		if err := <-ended; err == nil {
			w.t.Error("no error of a call that was given up")
		}
		synctest.Wait()
		serve[0].Run()
		poll[0].Run()
		w.wantCounts(sqstest.Counts{Visible: 1})
	})
}

func TestCallTellsWhatItIs(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "5"}, func(w *world) {
		w.send("", "a")
		var calls []sqstest.Call
		w.server.SetFault(func(c sqstest.Call) sqstest.Fault {
			calls = append(calls, c)
			return sqstest.Fault{}
		})
		endpoint := "http://other.test"
		w.client = w.server.Client(func(o *sqs.Options) { o.BaseEndpoint = &endpoint })
		first := w.receive(7, 3)[0]
		if err := w.change(first, 9); err != nil {
			w.t.Error(err)
		}
		time.Sleep(9 * time.Second)
		w.one()
		w.mustDelete(first)
		if c := calls[0]; c.Host != "other.test" || c.Max != 7 || c.Wait != 3 {
			w.t.Errorf("got receive %+v", c)
		}
		if e := calls[1].Entries[0]; e.Visibility != 9 || e.Stale || e.MessageID == "" {
			w.t.Errorf("got entry %+v of the change", e)
		}
		if e := calls[3].Entries[0]; !e.Stale {
			w.t.Errorf("got entry %+v of the delete, want a stale one", e)
		}
	})
}

func TestCallTellsWhatIsStale_SQS63(t *testing.T) {
	t.Parallel()
	attributes := fifo()
	attributes["VisibilityTimeout"] = "5"
	run(t, "steps.fifo", attributes, func(w *world) {
		w.send("g", "a")
		var stale []bool
		w.server.SetFault(func(c sqstest.Call) sqstest.Fault {
			if c.Action == "DeleteMessage" {
				stale = append(stale, c.Entries[0].Stale)
			}
			return sqstest.Fault{Err: sqstest.InternalFailure()}
		})
		w.server.Inject("ReceiveMessage", sqstest.Fault{})
		m := w.one()
		for range 2 {
			if err := w.delete(m); err == nil {
				w.t.Error("no error of a call that fails")
			}
			time.Sleep(5 * time.Second)
		}
		if !slices.Equal(stale, []bool{false, true}) {
			w.t.Errorf("got stale %v, want it from the end of the visibility timeout on", stale)
		}
	})
}

func TestStaleDeleteThatIsTaken_SQS63(t *testing.T) {
	t.Parallel()
	run(t, "orders", map[string]string{"VisibilityTimeout": "5"}, func(w *world) {
		w.send("", "a")
		first := w.one()
		time.Sleep(5 * time.Second)
		w.one()
		w.server.Inject("DeleteMessage", sqstest.Fault{Stale: true})
		w.mustDelete(first)
		w.wantCounts(sqstest.Counts{Deleted: 1})
	})
}
