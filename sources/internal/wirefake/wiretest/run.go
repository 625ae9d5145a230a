package wiretest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"

	"github.com/openesm/openesm/sources/internal/wirefake"
)

// Fake is what all fakes have. C is a fake's call, F its fault.
type Fake[C, F any] interface {
	http.Handler
	Inject(action string, list ...F)
	SetFault(hook func(C) F)
	Calls(action string) int
	Close() error
}

// Subject is a fake under test, and the calls of one action.
type Subject[C, F any] struct {
	Fake Fake[C, F]
	// SetGate sets the fake's gate, nil if it has none to set.
	SetGate func(wirefake.Gate[C, F])
	// Action is the action of Call.
	Action string
	// Call makes one call that has an effect each time, by a client of the SDK
	// that does not try again.
	Call func(ctx context.Context) error
	// Effects is how many effects there are.
	Effects func() int
	// Fault is the fault of a plan; its Err is one of the fake.
	Fault func(wirefake.Plan) F
	// Number is the number of a call.
	Number func(C) int
	// Errors are the errors that the fake's users have.
	Errors []Failure
}

// Failure is an error of a fake, and what it is to the SDK.
type Failure struct {
	Err    error
	Code   string
	Status int
}

// Run holds a fake to what all fakes promise. Start starts one, in a bubble; it is
// closed by Run.
func Run[C, F any](t *testing.T, start func(t *testing.T) Subject[C, F]) {
	t.Helper()
	for name, test := range map[string]func(*testing.T, Subject[C, F]){
		"errors":  errorFaults[C, F],
		"cuts":    cuts[C, F],
		"delay":   delays[C, F],
		"hook":    hooks[C, F],
		"gate":    gates[C, F],
		"close":   closes[C, F],
		"unknown": unknown[C, F],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := start(t)
				test(t, s)
				if err := s.Fake.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		})
	}
}

// fails makes one call that must fail, and returns its error.
func (s Subject[C, F]) fails(t *testing.T, why string) error {
	t.Helper()
	err := s.Call(t.Context())
	if err == nil {
		t.Errorf("%s: no error", why)
	}
	return err
}

// works makes one call that must not fail.
func (s Subject[C, F]) works(t *testing.T) {
	t.Helper()
	if err := s.Call(t.Context()); err != nil {
		t.Errorf("%s: %v", s.Action, err)
	}
}

func (s Subject[C, F]) wantEffects(t *testing.T, want int) {
	t.Helper()
	if got := s.Effects(); got != want {
		t.Errorf("%d calls took effect, want %d", got, want)
	}
}

func (s Subject[C, F]) inject(plans ...wirefake.Plan) {
	for _, plan := range plans {
		s.Fake.Inject(s.Action, s.Fault(plan))
	}
}

// An error is answered with its status and code instead of doing the call.
func errorFaults[C, F any](t *testing.T, s Subject[C, F]) {
	t.Helper()
	for _, f := range s.Errors {
		s.inject(wirefake.Plan{Err: f.Err})
		err := s.fails(t, f.Code)
		WantCode(t, err, f.Code)
		response, ok := errors.AsType[*awshttp.ResponseError](err)
		if !ok || response.HTTPStatusCode() != f.Status || response.ServiceRequestID() == "" {
			t.Errorf("%s: got %v, want status %d and a request ID", f.Code, err, f.Status)
		}
	}
	s.wantEffects(t, 0)
	s.works(t)
	s.wantEffects(t, 1)
	if n := s.Fake.Calls(s.Action); n != len(s.Errors)+1 {
		t.Errorf("got %d calls, want %d", n, len(s.Errors)+1)
	}
}

// A cut loses the call or its answer.
func cuts[C, F any](t *testing.T, s Subject[C, F]) {
	t.Helper()
	failure := s.Errors[0]
	s.inject(wirefake.Plan{Cut: wirefake.CutBefore}, wirefake.Plan{Cut: wirefake.CutBefore, Err: failure.Err},
		wirefake.Plan{Cut: wirefake.CutAfter}, wirefake.Plan{Cut: wirefake.CutAfter, Err: failure.Err})
	for i, want := range []int{0, 0, 1} {
		err := s.fails(t, "a connection that is cut")
		if !errors.Is(err, io.EOF) {
			t.Errorf("cut %d: got %v, want an EOF", i, err)
		}
		s.wantEffects(t, want)
	}
	WantCode(t, s.fails(t, "an error, and a cut after it"), failure.Code)
	s.wantEffects(t, 1)
	s.works(t)
	s.wantEffects(t, 2)
}

// An answer that is held back comes late, and not at all to who does not wait.
func delays[C, F any](t *testing.T, s Subject[C, F]) {
	t.Helper()
	s.inject(wirefake.Plan{Delay: 7 * time.Second}, wirefake.Plan{Delay: 9 * time.Second, Err: s.Errors[0].Err},
		wirefake.Plan{Delay: 11 * time.Second, Cut: wirefake.CutBefore}, wirefake.Plan{Delay: time.Hour})
	if d := Took(func() { s.works(t) }); d != 7*time.Second {
		t.Errorf("the answer took %v, want 7s", d)
	}
	if d := Took(func() { WantCode(t, s.fails(t, "a late error"), s.Errors[0].Code) }); d != 9*time.Second {
		t.Errorf("the error took %v, want 9s", d)
	}
	if d := Took(func() { _ = s.fails(t, "a late cut") }); d != 11*time.Second {
		t.Errorf("the cut took %v, want 11s", d)
	}
	s.wantEffects(t, 1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	d := Took(func() {
		if err := s.Call(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline's error", err)
		}
	})
	if d != time.Second {
		t.Errorf("a call that was given up took %v, want 1s", d)
	}
	s.wantEffects(t, 2)
	ctx, cancel = context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if d := Took(func() { s.held(ctx, t) }); d != time.Second {
		t.Errorf("the server went on for %v when its caller was gone, want 1s", d)
	}
}

// held makes one call by hand that fails in an hour, or before that if the caller or
// the server is gone.
func (s Subject[C, F]) held(ctx context.Context, t *testing.T) {
	t.Helper()
	s.inject(wirefake.Plan{Delay: time.Hour, Err: s.Errors[0].Err})
	c := Caller{T: t, Server: s.Fake}
	c.post(ctx, s.Action, strings.NewReader("{}"), 2)
}

// The hook is asked about calls that nothing was injected for.
func hooks[C, F any](t *testing.T, s Subject[C, F]) {
	t.Helper()
	asked := 0
	s.Fake.SetFault(func(c C) F {
		asked++
		if n := s.Number(c); n != asked+1 {
			t.Errorf("call %d has number %d", asked+1, n)
		}
		return s.Fault(wirefake.Plan{Delay: time.Duration(asked) * time.Second})
	})
	s.inject(wirefake.Plan{})
	s.Fake.Inject("Another", s.Fault(wirefake.Plan{Delay: time.Hour}))
	for i := range 4 {
		if d := Took(func() { s.works(t) }); d != time.Duration(i)*time.Second {
			t.Errorf("call %d took %v, want %d s", i+1, d, i)
		}
	}
	s.Fake.SetFault(nil)
	s.works(t)
	if n := s.Fake.Calls(s.Action); asked != 3 || n != 5 || s.Fake.Calls("Another") != 0 {
		t.Errorf("asked about %d of %d calls, want 3 of 5 and none of another action", asked, n)
	}
	s.wantEffects(t, 5)
}

// The gate alone says what happens to a call.
func gates[C, F any](t *testing.T, s Subject[C, F]) {
	t.Helper()
	if s.SetGate == nil {
		return
	}
	g := new(Gate[C, F])
	g.Shut()
	s.SetGate(g)
	s.inject(wirefake.Plan{Delay: time.Minute})
	took := Took(func() {
		_ = s.fails(t, "a call that was not let through")
		s.wantEffects(t, 0)
		g.Open(s.Fault(wirefake.Plan{Err: s.Errors[0].Err}))
		WantCode(t, s.fails(t, "the gate's error"), s.Errors[0].Code)
		g.Open(s.Fault(wirefake.Plan{Cut: wirefake.CutAfter}))
		_ = s.fails(t, "the gate's cut")
		s.wantEffects(t, 1)
		g.Open(s.Fault(wirefake.Plan{}))
		s.works(t)
		s.wantEffects(t, 2)
	})
	if calls := g.Calls(); s.Fake.Calls(s.Action) != 4 || len(calls) != 4 || s.Number(calls[3]) != 4 || took != 0 {
		t.Errorf("%d calls, at the gate %+v, in %v; want 4, at once", s.Fake.Calls(s.Action), calls, took)
	}
	s.SetGate(nil)
	if d := Took(func() { s.works(t) }); d != time.Minute {
		t.Errorf("without the gate: %v, want the fault that was injected", d)
	}
}

// Close ends the calls under way, and nothing is answered after it.
func closes[C, F any](t *testing.T, s Subject[C, F]) {
	t.Helper()
	s.inject(wirefake.Plan{Delay: time.Hour})
	var under sync.WaitGroup
	under.Go(func() { _ = s.Call(t.Context()) })
	synctest.Wait()
	under.Go(func() { s.held(t.Context(), t) })
	synctest.Wait()
	took := Took(func() {
		for range 2 {
			if err := s.Fake.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		under.Wait()
		_ = s.fails(t, "a call of a closed server")
	})
	if took != 0 {
		t.Errorf("Close took %v", took)
	}
	s.wantEffects(t, 1)
}

// A call that the service does not have is refused as AWS does.
func unknown[C, F any](t *testing.T, s Subject[C, F]) {
	t.Helper()
	c := Caller{T: t, Server: s.Fake}
	status, kind := c.Refused("Nothing.Nowhere", "{}")
	if status != http.StatusBadRequest || kind != "com.amazon.coral.service#UnknownOperationException" {
		t.Errorf("got status %d, %s", status, kind)
	}
}
