package kinesistest_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/openesm/openesm/sources/internal/wirefake/wiretest"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// turnstile is a gate of the tests.
type turnstile = wiretest.Gate[kinesistest.Call, kinesistest.Fault]

// Each event of a subscription comes when the gate says so.
func TestGatePushesOneByOne(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		g := new(turnstile)
		w.server.SetGate(g)
		stream := w.follow(w.consumer("c"))
		timers := g.Next(t, "expire 5m0s", "heartbeat 5s")
		w.put("a")
		w.put("b")
		push := g.Next(t, "push 0s")
		select {
		case e := <-stream.Events():
			t.Fatalf("%+v came before its time", e)
		default:
		}
		push[0].Run()
		if e := event(stream); !slices.Equal(data(e.Records), []string{"a", "b"}) {
			t.Errorf("got %q", data(e.Records))
		}
		g.Next(t)
		timers[1].Run()
		beat := g.Next(t, "heartbeat 5s", "push 0s")
		beat[1].Run()
		if e := event(stream); len(e.Records) != 0 || e.ContinuationSequenceNumber == nil {
			t.Errorf("got %+v", e)
		}
		timers[0].Run()
		g.Next(t, "push 0s")[0].Run()
		if e := event(stream); e != nil || stream.Err() != nil {
			t.Errorf("got %+v, %v", e, stream.Err())
		}
		beat[0].Run() // comes too late, and does nothing
		g.Next(t)
	})
}

// A subscription whose client is gone takes no more records.
func TestGatePushesToNobody(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		g := new(turnstile)
		w.server.SetGate(g)
		stream := w.follow(w.consumer("c"))
		g.Next(t, "expire 5m0s", "heartbeat 5s")
		w.put("a")
		push := g.Next(t, "push 0s")
		_ = stream.Close()
		synctest.Wait()
		reads := 0
		w.server.SetWatch(func(e kinesistest.Event) {
			if e.What == kinesistest.Read {
				reads++
			}
		})
		push[0].Run()
		g.Next(t)
		if reads != 0 {
			t.Errorf("%d reads", reads)
		}
	})
}
