package kinesis_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/awscall"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// modeled is an error of the Kinesis model.
func modeled(shape string) *kinesistest.Error {
	return &kinesistest.Error{Status: 400, Type: shape, Message: "no"}
}

// refusals are what a SubscribeToShard may fail with (KIN-87).
func refusals() map[string]kinesistest.Fault {
	all := map[string]kinesistest.Fault{
		"":                             {Cut: kinesistest.CutBefore},
		"InternalFailure":              {Err: kinesistest.InternalFailure()},
		"ServiceUnavailableException":  {Err: kinesistest.ServiceUnavailable()},
		"ThrottlingException":          {Err: kinesistest.ThrottlingException()},
		"ExpiredTokenException":        {Err: modeled("ExpiredTokenException")},
		"UnrecognizedClientException":  {Err: modeled("UnrecognizedClientException")},
		"SomethingOfTheFutureHappened": {Err: modeled("SomethingOfTheFutureHappened")},
	}
	for _, shape := range []string{
		"AccessDeniedException", "InvalidArgumentException", "ResourceNotFoundException",
	} {
		all[shape] = kinesistest.Fault{Err: modeled(shape)}
	}
	return all
}

// exceptions are what an event stream may end with (KIN-87).
func exceptions() map[string]*kinesistest.Error {
	all := map[string]*kinesistest.Error{"InternalFailureException": kinesistest.InternalFailure()}
	for _, shape := range []string{
		"KMSAccessDeniedException", "KMSDisabledException", "KMSInvalidStateException", "KMSNotFoundException",
		"KMSOptInRequired", "KMSThrottlingException", "ResourceInUseException", "ResourceNotFoundException",
		"SomethingOfTheFutureHappened",
	} {
		all[shape] = modeled(shape)
	}
	return all
}

// every has all SubscribeToShard meet one fault.
func every(fault kinesistest.Fault) func(kinesistest.Call) kinesistest.Fault {
	return func(c kinesistest.Call) kinesistest.Fault {
		if c.Action == "SubscribeToShard" {
			return fault
		}
		return kinesistest.Fault{}
	}
}

// Errors of the call reach the engine, for as long as they last, are tried again
// with growing pauses, and lose nothing.
func TestFanOutCallErrors_KIN87(t *testing.T) {
	t.Parallel()
	for code, fault := range refusals() {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				const bad = 5 * time.Minute
				f.put(1, 1)
				f.setFault(every(fault))
				s, p := f.open(kinesis.Options{})
				failures := 0
				for until := time.Now().Add(bad); time.Now().Before(until); {
					records, err := f.take(p, 0, time.Until(until))
					if call, ok := errors.AsType[*awscall.Error](err); err != nil && (!ok || awscall.Code(call.Err) != code) {
						t.Fatalf("got error %v, want %s", err, code)
					}
					if len(records) > 0 {
						t.Fatalf("%d records", len(records))
					}
					if err != nil {
						failures++
					}
				}
				if calls := len(f.asked()); failures < calls-1 || calls < 10 || calls > 100 {
					t.Errorf("%d failures of %d calls in %v", failures, calls, bad)
				}
				f.setFault(nil)
				f.want(p, 0, 1)
				f.apart()
				f.shut(s, p)
			})
		})
	}
}

// What passed is forgotten: pauses begin small again, and to be refused is no error
// again.
func TestFanOutRecovers_KIN83(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		failed, used := kinesistest.InternalFailure(), kinesistest.ResourceInUse()
		faults := []kinesistest.Fault{
			{Err: used}, {}, {Err: used}, {},
			{Err: failed}, {Err: failed}, {Err: failed}, {Err: failed}, {Err: failed}, {Err: used},
			{Stream: &kinesistest.Break{After: 3, Err: failed}}, {Err: used}, {},
		}
		f.setFault(func(c kinesistest.Call) kinesistest.Fault {
			if c.Action == "SubscribeToShard" && c.Number <= len(faults) {
				return faults[c.Number-1]
			}
			return kinesistest.Fault{}
		})
		s, p := f.open(kinesis.Options{})
		for until := time.Now().Add(14 * time.Minute); time.Now().Before(until); {
			_, err := f.take(p, 0, time.Until(until))
			if err != nil && !strings.Contains(err.Error(), "InternalFailure") {
				t.Errorf("told of %v", err)
			}
		}
		calls := f.asked()
		if d := calls[11].at - calls[10].at; d > 17*time.Second {
			t.Errorf("subscribed again after %v, want 15 s and a little", d)
		}
		f.apart()
		f.shut(s, p)
	})
}

// A Fetch does not stay longer than it may for the pause after a failure.
func TestFanOutPause(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(_ *testing.T, f *fan) {
		f.setFault(every(kinesistest.Fault{Err: kinesistest.InternalFailure()}))
		s, p := f.open(kinesis.Options{})
		_, _ = f.take(p, 1, time.Minute)
		began := time.Now()
		f.none(p, 300*time.Millisecond)
		if d := time.Since(began); d != 300*time.Millisecond {
			f.t.Errorf("took %v", d)
		}
		f.shut(s, p)
	})
}

// An answer that is lost leaves a subscription that nobody has, which is outlived.
func TestFanOutLostAnswer_KIN83(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.put(1, 1)
		f.Inject("SubscribeToShard", kinesistest.Fault{Cut: kinesistest.CutAfter})
		s, p := f.open(kinesis.Options{})
		_, err := f.take(p, 1, time.Minute)
		if err == nil {
			t.Error("no error")
		}
		began := time.Now()
		f.want(p, 0, 1)
		if d := time.Since(began); d > 8*time.Second {
			t.Errorf("outlived after %v", d)
		}
		f.shut(s, p)
	})
}

// Every end of an event stream after every number of events: nothing is lost and
// nothing comes twice (KIN-85, KIN-87).
func TestFanOutBreaks(t *testing.T) {
	t.Parallel()
	kinds := exceptions()
	kinds["cut"] = nil
	for kind, exception := range kinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			for after := range 5 {
				inFan(t, 1, func(t *testing.T, f *fan) {
					const records = 40
					f.setFault(every(kinesistest.Fault{Stream: &kinesistest.Break{After: after, Err: exception}}))
					s, p := f.open(kinesis.Options{})
					var got []sources.Record
					for range records {
						f.put(1, 1)
						for until := time.Now().Add(3 * time.Second); time.Now().Before(until); {
							some, err := f.take(p, 0, time.Until(until))
							got = append(got, some...)
							if err != nil && kind != "cut" && awscall.Code(err) != kind {
								t.Fatalf("got error %v, want %s", err, kind)
							}
						}
					}
					f.setFault(nil)
					for until := time.Now().Add(time.Minute); time.Now().Before(until); {
						some, _ := f.take(p, 0, time.Until(until))
						got = append(got, some...)
					}
					f.are(got, 0, records)
					f.apart()
					f.shut(s, p)
				})
			}
		})
	}
}

// A number that the service does not take any more is forgotten for that of the
// last record.
func TestFanOutBadContinuation_KIN85(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.put(2, 1)
		s, p := f.open(kinesis.Options{})
		f.want(p, 0, 2)
		f.none(p, 4*time.Minute)
		f.Inject("SubscribeToShard", kinesistest.Fault{Err: modeled("InvalidArgumentException")})
		_, err := f.take(p, 0, 2*time.Minute)
		if awscall.Code(err) != "InvalidArgumentException" {
			t.Errorf("got error %v", err)
		}
		f.put(1, 1)
		f.want(p, 2, 3)
		calls := f.asked() // without the injected one
		if last := f.Records(telemetry, fanFirst)[1].Number; calls[1].after != last {
			t.Errorf("went on %+v, want after %s", calls[1], last)
		}
		f.shut(s, p)
	})
}

// muted is a gate that holds back the events of subscriptions while it is on.
type muted struct{ on atomic.Bool }

func (g *muted) Pass(_ context.Context, _ kinesistest.Call, do func(kinesistest.Fault)) {
	do(kinesistest.Fault{})
}

func (g *muted) After(d time.Duration, what string, run func()) {
	time.AfterFunc(d, func() {
		if what == "expire" || !g.on.Load() {
			run()
		}
	})
}

// A connection that brings nothing, not even events without records, is dead: it is
// cut and made anew.
func TestFanOutDeadConnection_KIN85(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		var gate muted
		f.SetGate(&gate)
		f.put(1, 1)
		s, p := f.open(kinesis.Options{})
		f.want(p, 0, 1)
		gate.on.Store(true)
		began := time.Now()
		_, err := f.take(p, 0, time.Minute)
		if err == nil || !strings.Contains(err.Error(), "not answered within 30s") || time.Since(began) != 30*time.Second {
			t.Errorf("got error %v after %v", err, time.Since(began))
		}
		synctest.Wait()
		if n := f.subscribers(); n != 0 {
			t.Errorf("%d subscriptions are left", n)
		}
		gate.on.Store(false)
		f.put(1, 1)
		f.want(p, 1, 2)
		f.shut(s, p)
	})
}

func TestFanOutSlowStart(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		f.put(1, 1)
		f.Inject("SubscribeToShard", kinesistest.Fault{Delay: time.Hour}, kinesistest.Fault{Delay: 29 * time.Second})
		s, p := f.open(kinesis.Options{})
		began := time.Now()
		_, err := f.take(p, 1, time.Hour)
		if err == nil || !strings.Contains(err.Error(), "not answered within 30s") || time.Since(began) != 30*time.Second {
			t.Errorf("got error %v after %v", err, time.Since(began))
		}
		f.want(p, 0, 1)
		f.shut(s, p)
	})
}
