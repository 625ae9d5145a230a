package sqstest_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/sources/sqs/sqstest"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	for _, queue := range []string{"orders", "orders.fifo"} {
		t.Run(queue, func(t *testing.T) {
			t.Parallel()
			attributes := map[string]string{}
			if queue == "orders.fifo" {
				attributes = fifo()
			}
			run(t, "dead-"+queue, attributes, func(w *world) {
				attributes["VisibilityTimeout"] = "5"
				attributes["RedrivePolicy"] = `{"maxReceiveCount":3,` +
					`"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead-` + queue + `"}`
				w.queue, w.url = queue, w.create(queue, attributes)
				watched(w)
			})
		})
	}
}

func watched(w *world) {
	var got []string
	w.server.SetWatch(func(e sqstest.Event) {
		what := []string{"received", "deleted", "redriven", "returned", "hidden"}[e.What]
		got = append(got, strings.TrimSpace(fmt.Sprintf("%s %s %v %s", what, e.Body, e.Lost, e.Host)))
		if e.Queue != w.queue || e.ID == "" {
			w.t.Errorf("got event %+v", e)
		}
	})
	group := ""
	if w.queue == "orders.fifo" {
		group = "g"
	}
	w.send(group, "a", "b")
	first := w.receive(1, 0)
	if err := w.change(first[0], 0); err != nil {
		w.t.Error(err)
	}
	messages := w.receive(10, 0)
	w.mustDelete(messages[1])
	time.Sleep(5 * time.Second)
	w.server.Inject("ReceiveMessage", sqstest.Fault{Cut: sqstest.CutAfter})
	if _, err := w.tryReceive(); err == nil {
		w.t.Error("no error from a cut connection")
	}
	time.Sleep(5 * time.Second)
	w.expect()
	w.server.SetWatch(nil)
	want := []string{
		"received a false memhttp.test", "returned a false memhttp.test",
		"received a false memhttp.test", "received b false memhttp.test",
		"deleted b false memhttp.test", "returned a false",
		"received a true memhttp.test", "returned a false", "redriven a false",
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("got\n%q, want\n%q", got, want)
	}
}

func TestSendFIFO(t *testing.T) {
	t.Parallel()
	run(t, "steps.fifo", fifo(), func(w *world) {
		first, err := w.server.SendFIFO("steps.fifo", "g", "1", "a")
		if err != nil {
			w.t.Fatal(err)
		}
		again, err := w.server.SendFIFO("steps.fifo", "g", "1", "b")
		if err != nil || again != first {
			w.t.Errorf("got %q, %v of the same deduplication ID, want %q", again, err, first)
		}
		if m := w.expect("a")[0]; *m.MessageId != first || m.Attributes["MessageGroupId"] != "g" {
			w.t.Errorf("got message %v of %v, want %s of g", *m.MessageId, m.Attributes, first)
		}
		if _, err := w.server.SendFIFO("nobody.fifo", "g", "1", "a"); err == nil {
			w.t.Error("no error of a queue that does not exist")
		}
		if _, err := w.server.SendFIFO("steps.fifo", "", "1", "a"); err == nil {
			w.t.Error("no error of a message without a group")
		}
	})
}
