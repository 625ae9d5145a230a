package esm

import (
	"testing"
	"time"
)

// A try after one outage that comes back in the next says nothing about that: it is no
// news, and opens no gate.
func TestGateTakesATryForItsOwnOutage_P9(t *testing.T) {
	var g gate
	at := func(int) time.Duration { return 0 }
	hour := func(int) time.Duration { return time.Hour }
	if !g.failed(pass{}, at) {
		t.Fatal("the first failure is no news")
	}
	try, ok := g.enter(t.Context(), time.Now().Add(time.Minute))
	if !ok || !try.tries {
		t.Fatalf("after the back-off: %+v, %v, want a try", try, ok)
	}
	g.succeeded(pass{}, 1) // of a fetch that began before
	if !g.failed(pass{openings: 1}, hour) {
		t.Fatal("the first failure of the next outage is no news")
	}
	if g.failed(try, hour) {
		t.Error("the try of the outage before is news")
	}
	g.succeeded(try, 0)
	if _, ok := g.enter(t.Context(), time.Now()); ok {
		t.Error("the gate is open though nothing has succeeded")
	}
}
