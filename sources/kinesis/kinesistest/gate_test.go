package kinesistest_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// turnstile is a gate that lets every call through, with the fault that a test
// chooses, unless it is shut. What comes later waits for the test.
type turnstile struct {
	mu    sync.Mutex
	shut  bool
	fault kinesistest.Fault
	calls []kinesistest.Call
	later []deed
}

// deed is what the server is to do later.
type deed struct {
	d    time.Duration
	what string
	run  func()
}

func (g *turnstile) Pass(_ context.Context, c kinesistest.Call, do func(kinesistest.Fault)) {
	g.mu.Lock()
	g.calls = append(g.calls, c)
	shut, fault := g.shut, g.fault
	g.mu.Unlock()
	if !shut {
		do(fault)
	}
}

func (g *turnstile) After(d time.Duration, what string, run func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.later = append(g.later, deed{d, what, run})
}

// next returns what is to be done later, and forgets it.
func (g *turnstile) next(t *testing.T, want ...string) []deed {
	t.Helper()
	synctest.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	later := g.later
	g.later = nil
	var got []string
	for _, e := range later {
		got = append(got, e.what+" "+e.d.String())
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q to be done later, want %q", got, want)
	}
	return later
}

func TestShutGate(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		w.put("a")
		it := w.horizon(first)
		g := &turnstile{shut: true}
		w.server.SetGate(g)
		if _, err := w.get(it); err == nil {
			t.Error("no error from a call that was not let through")
		}
		g.shut, g.fault = false, kinesistest.Fault{Err: kinesistest.ExpiredIterator()}
		_, err := w.get(it)
		wantType[*types.ExpiredIteratorException](t, err)
		g.fault = kinesistest.Fault{}
		w.expect(it, "a")
		if n := w.server.Calls("GetRecords"); n != 3 || len(g.calls) != 3 {
			t.Errorf("%d calls, %d at the gate, want 3", n, len(g.calls))
		}
	})
}

// Each event of a subscription comes when the gate says so.
func TestGatePushesOneByOne(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		g := &turnstile{}
		w.server.SetGate(g)
		stream := w.follow(w.consumer("c"))
		timers := g.next(t, "expire 5m0s", "heartbeat 5s")
		w.put("a")
		w.put("b")
		push := g.next(t, "push 0s")
		select {
		case e := <-stream.Events():
			t.Fatalf("%+v came before its time", e)
		default:
		}
		push[0].run()
		if e := event(stream); !slices.Equal(data(e.Records), []string{"a", "b"}) {
			t.Errorf("got %q", data(e.Records))
		}
		g.next(t)
		timers[1].run()
		beat := g.next(t, "heartbeat 5s", "push 0s")
		beat[1].run()
		if e := event(stream); len(e.Records) != 0 || e.ContinuationSequenceNumber == nil {
			t.Errorf("got %+v", e)
		}
		timers[0].run()
		g.next(t, "push 0s")[0].run()
		if e := event(stream); e != nil || stream.Err() != nil {
			t.Errorf("got %+v, %v", e, stream.Err())
		}
		beat[0].run() // comes too late, and does nothing
		g.next(t)
	})
}

// A subscription whose client is gone takes no more records.
func TestGatePushesToNobody(t *testing.T) {
	t.Parallel()
	run(t, 1, func(t *testing.T, w *world) {
		g := &turnstile{}
		w.server.SetGate(g)
		stream := w.follow(w.consumer("c"))
		g.next(t, "expire 5m0s", "heartbeat 5s")
		w.put("a")
		push := g.next(t, "push 0s")
		_ = stream.Close()
		synctest.Wait()
		reads := 0
		w.server.SetWatch(func(e kinesistest.Event) {
			if e.What == kinesistest.Read {
				reads++
			}
		})
		push[0].run()
		g.next(t)
		if reads != 0 {
			t.Errorf("%d reads", reads)
		}
	})
}
