package wirefake_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

// pass has one call of an action pass, and returns its fault, "none" if it was
// not done.
func pass(t *testing.T, f *wirefake.Faults[int, string], action string) string {
	t.Helper()
	got := "none"
	f.Pass(t.Context(), wirefake.Attempt[int, string]{
		Action: action, Describe: func(number int) int { return number }, Do: func(fault string) { got = fault },
	})
	return got
}

// Injected faults come first, in order, then those of the hook.
func TestFaults(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	f := wirefake.NewFaults[int, string](&mu)
	got := []string{pass(t, f, "get")}
	f.Inject("get", "one", "two")
	f.Inject("get", "three")
	f.Inject("put", "other")
	f.SetHook(func(number int) string { return string(rune('a' + number)) })
	for range 4 {
		got = append(got, pass(t, f, "get"))
	}
	f.SetHook(nil)
	got = append(got, pass(t, f, "get"))
	if want := []string{"", "one", "two", "three", "f", ""}; !slices.Equal(got, want) {
		t.Errorf("got faults %q, want %q", got, want)
	}
	if f.Calls("get") != 6 || f.Calls("put") != 0 {
		t.Errorf("%d and %d calls", f.Calls("get"), f.Calls("put"))
	}
}

// gate lets every other call through.
type gate struct{ calls []int }

func (g *gate) Pass(_ context.Context, call int, do func(string)) {
	g.calls = append(g.calls, call)
	if call%2 == 0 {
		do("gate")
	}
}

func TestGate(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	f := wirefake.NewFaults[int, string](&mu)
	f.Inject("get", "injected")
	g := &gate{}
	f.SetGate(g)
	got := []string{pass(t, f, "get"), pass(t, f, "get"), pass(t, f, "get")}
	if want := []string{"none", "gate", "none"}; !slices.Equal(got, want) || !slices.Equal(g.calls, []int{1, 2, 3}) {
		t.Errorf("got faults %q of calls %v, want %q", got, g.calls, want)
	}
	f.SetGate(nil)
	if got := pass(t, f, "get"); got != "injected" {
		t.Errorf("without the gate: %q", got)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		closed := make(chan struct{})
		start := time.Now()
		wirefake.Pause(t.Context(), closed, 0)
		wirefake.Pause(t.Context(), closed, time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		wirefake.Pause(ctx, closed, time.Hour)
		time.AfterFunc(time.Second, func() { close(closed) })
		wirefake.Pause(t.Context(), closed, time.Hour)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("the pauses took %v, want 3s", took)
		}
	})
}
