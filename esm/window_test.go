package esm_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// aggregator is a handler that gathers the bodies of a window in its state, and
// writes down every invocation.
type aggregator struct {
	mu     sync.Mutex
	lines  []string
	finals map[string]string // by window
	// before may fail an invocation, or answer it.
	before func(w esm.Window, bodies []string) (*esm.Response, error)
}

type gathered struct {
	Bodies []string `json:"bodies"`
}

func (a *aggregator) handle(ctx context.Context, records []sources.Record) (esm.Response, error) {
	w, ok := esm.WindowOf(ctx)
	if !ok {
		return esm.Response{}, errors.New("no window")
	}
	var state gathered
	if err := json.Unmarshal(w.State, &state); err != nil {
		return esm.Response{}, err
	}
	bodies := make([]string, len(records))
	for i, r := range records {
		bodies[i] = string(r.Data)
	}
	window := w.Start.UTC().Format("15:04:05") + "-" + w.End.UTC().Format("15:04:05")
	line := window + " " + strings.Join(state.Bodies, ",") + "+" + strings.Join(bodies, ",")
	if w.Final {
		line += " final"
	}
	if w.Early {
		line += " early"
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lines = append(a.lines, line)
	if a.before != nil {
		if response, err := a.before(w, bodies); response != nil || err != nil {
			if response == nil {
				return esm.Response{}, err
			}
			return *response, err
		}
	}
	if w.Final {
		if a.finals == nil {
			a.finals = map[string]string{}
		}
		a.finals[window] = strings.Join(state.Bodies, ",")
		return esm.Response{}, nil
	}
	state.Bodies = append(state.Bodies, bodies...)
	text, err := json.Marshal(state)
	return esm.Response{State: text}, err
}

func (a *aggregator) equal(t *testing.T, want ...string) {
	t.Helper()
	a.mu.Lock()
	defer a.mu.Unlock()
	equal(t, "invocations", strings.Join(a.lines, "\n"), strings.Join(want, "\n"))
}

// windows runs a mapping with windows of ten seconds over s until it ends.
func (a *aggregator) windows(config esm.Config) esm.Config {
	config.TumblingWindow = 10 * time.Second
	return newJournal().config(config)
}

func putAt(s *memory.Stream, seconds int, bodies ...string) {
	if left := time.Until(time.Date(2000, 1, 1, 0, 0, seconds, 0, time.UTC)); left > 0 {
		time.Sleep(left)
	}
	for _, body := range bodies {
		s.Put("key", []byte(body))
	}
}

// Window aggregates (KIN-170, KIN-171, KIN-172, KIN-173, KIN-174, KIN-175, KIN-183).
func TestWindowAggregates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		putAt(s, 3, "a", "b")
		putAt(s, 9, "c")
		putAt(s, 10, "d") // at the end of a window: the next one
		putAt(s, 35, "e")
		s.End()
		a := &aggregator{}
		mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{BatchSize: 2})))
		a.equal(t,
			"00:00:00-00:00:10 +a,b",
			"00:00:00-00:00:10 a,b+c",
			"00:00:00-00:00:10 a,b,c+ final",
			"00:00:10-00:00:20 +d",
			"00:00:10-00:00:20 d+ final",
			"00:00:30-00:00:40 +e",
			"00:00:30-00:00:40 e+ final",
		)
		equal(t, "lag", s.Lag("app"), 0)
	})
}

func TestIdleWindowCloses_KIN182(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		a := &aggregator{}
		stop := background(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{})))
		putAt(s, 1, "a")
		time.Sleep(128 * time.Second) // one second before two minutes after the end
		synctest.Wait()
		a.equal(t, "00:00:00-00:00:10 +a")
		time.Sleep(time.Second)
		synctest.Wait()
		a.equal(t, "00:00:00-00:00:10 +a", "00:00:00-00:00:10 a+ final")
		time.Sleep(time.Hour)
		putAt(s, 0, "b")
		synctest.Wait()
		a.equal(t, "00:00:00-00:00:10 +a", "00:00:00-00:00:10 a+ final", "01:02:10-01:02:20 +b")
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// late is a stream whose record "late" seems to have arrived ten seconds before.
type late struct{ sources.Source }

func (l late) Accept(ctx context.Context) (sources.Partition, error) {
	p, err := l.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return latePartition{p, p.(sources.WindowKeeper)}, nil
}

type latePartition struct {
	sources.Partition
	sources.WindowKeeper
}

func (p latePartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	n, err := p.Partition.Fetch(ctx, buf, wait)
	for i := range buf[:n] {
		if string(buf[i].Data) == "late" {
			buf[i].Time = buf[i].Time.Add(-10 * time.Second)
		}
	}
	return n, err
}

func TestLateRecordsJoinTheOpenWindow_KIN35(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		putAt(s, 12, "a", "late", "b")
		s.End()
		a := &aggregator{}
		mustRun(t, mustNew(t, late{s.Source("app")}, esm.Records(a.handle), a.windows(esm.Config{BatchSize: 1})))
		a.equal(t, "00:00:10-00:00:20 +a", "00:00:10-00:00:20 a+late", "00:00:10-00:00:20 a,late+b", "00:00:10-00:00:20 a,late,b+ final")
	})
}

// Failed batch keeps the state before (KIN-178, KIN-180).
func TestFailedBatchKeepsTheStateBefore(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		putAt(s, 1, "a", "b", "c")
		s.End()
		a, tries := &aggregator{}, 0
		a.before = func(_ esm.Window, bodies []string) (*esm.Response, error) {
			if len(bodies) == 0 || bodies[0] != "b" {
				return nil, nil
			}
			switch tries++; tries {
			case 1:
				return nil, errHandler
			case 2:
				return &esm.Response{State: []byte(`[1]`)}, nil // no object
			case 3:
				return &esm.Response{State: []byte(`{"bodies":`)}, nil
			}
			return nil, nil
		}
		f := &failures{}
		mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{
			BatchSize: 1, OnFailure: f, MaximumRetryAttempts: new(3),
		})))
		a.equal(t, "00:00:00-00:00:10 +a", "00:00:00-00:00:10 a+b", "00:00:00-00:00:10 a+b", "00:00:00-00:00:10 a+b", "00:00:00-00:00:10 a+b",
			"00:00:00-00:00:10 a,b+c", "00:00:00-00:00:10 a,b,c+ final")
		equal(t, "given up", len(f.records), 0)
	})
}

// Batch given up is not in the state (KIN-180, KIN-185).
func TestBatchGivenUpIsNotInTheState(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		putAt(s, 1, "a", "poison", "c")
		s.End()
		a := &aggregator{before: func(_ esm.Window, bodies []string) (*esm.Response, error) {
			if strings.Contains(strings.Join(bodies, ","), "poison") {
				return nil, errHandler
			}
			return nil, nil
		}}
		f := &failures{}
		mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{
			BatchSize: 3, MaximumBatchingWindow: time.Second, OnFailure: f, MaximumRetryAttempts: new(0), BisectBatchOnFunctionError: true,
		})))
		equal(t, "given up", f.summary(), []string{"RetryAttemptsExhausted poison x1"})
		equal(t, "final", a.finals["00:00:00-00:00:10"], "a,c")
	})
}

func TestPartialFailureGoesOnWithItsState_KIN179(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		putAt(s, 1, "a", "b", "c")
		s.End()
		tries := 0
		a := &aggregator{before: func(esm.Window, []string) (*esm.Response, error) {
			if tries++; tries > 1 {
				return nil, nil
			}
			return &esm.Response{State: []byte(`{"bodies":["a"]}`), BatchItemFailures: []string{"2"}}, nil
		}}
		mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{
			BatchSize: 3, MaximumBatchingWindow: time.Second, ReportBatchItemFailures: true,
		})))
		a.equal(t, "00:00:00-00:00:10 +a,b,c", "00:00:00-00:00:10 a+b,c", "00:00:00-00:00:10 a,b,c+ final")
	})
}

// Large state ends the window early (KIN-176, KIN-177).
func TestLargeStateEndsTheWindowEarly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		putAt(s, 1, "a", strings.Repeat("x", 1100), "c")
		putAt(s, 11, "d")
		s.End()
		a := &aggregator{}
		mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{BatchSize: 1, MaximumBatchBytes: 4400})))
		x := strings.Repeat("x", 1100)
		a.equal(t, "00:00:00-00:00:10 +a", "00:00:00-00:00:10 a+"+x, "00:00:00-00:00:10 a,"+x+"+ final early", "00:00:00-00:00:10 +c",
			"00:00:00-00:00:10 c+ final", "00:00:10-00:00:20 +d", "00:00:10-00:00:20 d+ final")
	})
}

func TestStateThatFitsNoDocumentFails(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		putAt(s, 1, "a")
		s.End()
		a := &aggregator{before: func(esm.Window, []string) (*esm.Response, error) {
			return &esm.Response{State: []byte(`{"x":"` + strings.Repeat("x", 5000) + `"}`)}, nil
		}}
		f := &failures{}
		mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{
			MaximumBatchBytes: 5000, OnFailure: f, MaximumRetryAttempts: new(0),
		})))
		equal(t, "given up", f.summary(), []string{"RetryAttemptsExhausted a x1"})
		equal(t, "invocations", len(a.lines), 1) // and no final one: nothing is in the window
	})
}

func TestFailingFinalInvocationHoldsTheShard_KIN181(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		putAt(s, 1, "a")
		putAt(s, 11, "b")
		tries := 0
		a := &aggregator{before: func(w esm.Window, _ []string) (*esm.Response, error) {
			if w.Final {
				if tries++; tries < 5 {
					return nil, errHandler
				}
			}
			return nil, nil
		}}
		s.End()
		mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{MaximumRetryAttempts: new(0)})))
		a.equal(t, "00:00:00-00:00:10 +a", "00:00:00-00:00:10 a+ final", "00:00:00-00:00:10 a+ final", "00:00:00-00:00:10 a+ final",
			"00:00:00-00:00:10 a+ final", "00:00:00-00:00:10 a+ final", "00:00:10-00:00:20 +b", "00:00:10-00:00:20 b+ final")
	})
}

// The state goes on after a restart, the window ends though nothing comes any more,
// and children wait for that (KIN-183, KIN-186, P12).
func TestStateSurvivesARestart(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		a := &aggregator{}
		stop := background(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{})))
		putAt(s, 1, "a")
		synctest.Wait()
		_, err := stop()
		equal(t, "Run", err, nil)
		putAt(s, 5, "b")
		if _, _, err := s.Split(s.Partitions()[0]); err != nil {
			t.Fatal(err)
		}
		putAt(s, 6, "c")
		s.End()
		mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{})))
		a.equal(t, "00:00:00-00:00:10 +a", "00:00:00-00:00:10 a+b", "00:00:00-00:00:10 a,b+ final", "00:00:00-00:00:10 +c", "00:00:00-00:00:10 c+ final")
		equal(t, "lag", s.Lag("app"), 0)
	})
}

// Stop during a final invocation keeps the window (P1, P11).
func TestStopDuringAFinalInvocationKeepsTheWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		broken := true
		a := &aggregator{before: func(w esm.Window, _ []string) (*esm.Response, error) {
			if w.Final && broken {
				return nil, errHandler
			}
			return nil, nil
		}}
		stop := background(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{})))
		putAt(s, 1, "a")
		s.End()
		time.Sleep(time.Hour)
		took, err := stop()
		equal(t, "Run", err, nil)
		equal(t, "took", took, 0)
		broken = false
		mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), a.windows(esm.Config{})))
		equal(t, "final", a.finals["00:00:00-00:00:10"], "a")
	})
}

// Event of a window (KIN-198, KIN-199).
func TestEventOfAWindow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{Name: "telemetry"})
		putAt(s, 61, "a")
		s.End()
		var documents []string
		handler := esm.Bytes(invoker(func(_ context.Context, payload []byte) ([]byte, error) {
			documents = append(documents, string(payload))
			return []byte(`{"state":{"sum":41},"batchItemFailures":[]}`), nil
		}))
		config := newJournal().config(esm.Config{TumblingWindow: 2 * time.Minute, ReportBatchItemFailures: true})
		mustRun(t, mustNew(t, s.Source("app"), handler, config))
		const tail = `"shardId":"shardId-000000000000","eventSourceARN":"arn:aws:kinesis:us-east-1:000000000000:stream/telemetry",` +
			`"isFinalInvokeForWindow":%v,"isWindowTerminatedEarly":false}`
		const window = `"window":{"start":"2000-01-01T00:00:00Z","end":"2000-01-01T00:02:00Z"},`
		if len(documents) != 2 || !strings.HasSuffix(documents[0], `],`+window+`"state":{},`+fmt.Sprintf(tail, false)) {
			t.Fatalf("first of %q", documents)
		}
		equal(t, "final", documents[1], `{"Records":[],`+window+`"state":{"sum":41},`+fmt.Sprintf(tail, true))
	})
}

// Typed handler of windows (KIN-179, KIN-184).
func TestTypedHandlerOfWindows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{})
		putAt(s, 1, "1", "2", "39")
		s.End()
		total := ""
		handler := esm.TypedResponse(func(_ context.Context, event events.KinesisTimeWindowEvent) (events.KinesisTimeWindowEventResponse, error) {
			response := events.KinesisTimeWindowEventResponse{}
			if event.IsFinalInvokeForWindow {
				total = event.State["sum"]
				return response, nil
			}
			sum, _ := strconv.Atoi(event.State["sum"])
			for _, r := range event.Records {
				n, err := strconv.Atoi(string(r.Kinesis.Data))
				if err != nil {
					return response, err
				}
				sum += n
			}
			response.State = map[string]string{"sum": strconv.Itoa(sum)}
			return response, nil
		})
		mustRun(t, mustNew(t, s.Source("app"), handler, newJournal().config(esm.Config{TumblingWindow: time.Minute, BatchSize: 2})))
		equal(t, "total", total, "42")
	})
}

func TestResponseWithoutStateFails_KIN178(t *testing.T) {
	bubble(t, func(t *testing.T) {
		for _, body := range []string{``, `{}`, `null`, `"abc"`, `{"state":7}`, `{"batchItemFailures":[]}`} {
			s := memory.NewStream(memory.StreamOptions{})
			putAt(s, 1, "a")
			s.End()
			f := &failures{}
			handler := esm.Bytes(invoker(func(context.Context, []byte) ([]byte, error) { return []byte(body), nil }))
			mustRun(t, mustNew(t, s.Source("app"), handler, newJournal().config(esm.Config{
				TumblingWindow: time.Minute, MaximumRetryAttempts: new(0), OnFailure: f,
			})))
			equal(t, "given up after "+body, f.summary(), []string{"RetryAttemptsExhausted a x1"})
		}
	})
}

// Nothing is in a state twice or not at all, whatever stops and failures there are:
// state and position are stored in one piece (P1, P5, P12, KIN-186).
func TestEveryRecordIsInOneStateOnce(t *testing.T) {
	for seed := range 20 {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				s := memory.NewStream(memory.StreamOptions{Partitions: 1 + seed%3})
				calls := 0
				a := &aggregator{before: func(esm.Window, []string) (*esm.Response, error) {
					if calls++; (calls*7+seed)%5 == 0 {
						return nil, errHandler
					}
					return nil, nil
				}}
				const records = 60
				sent := make(chan struct{})
				go func() {
					defer close(sent)
					for i := range records {
						time.Sleep(time.Duration((i*13+seed*7)%9) * time.Second)
						s.Put(strconv.Itoa(i), []byte(strconv.Itoa(i)))
					}
					s.End()
				}()
				config := a.windows(esm.Config{BatchSize: 1 + seed%4, BisectBatchOnFunctionError: seed%2 == 0})
				var stops []func() (time.Duration, error)
				for life := range 8 {
					stops = append(stops, background(t, mustNew(t, s.Source("app"), esm.Records(a.handle), config)))
					time.Sleep(time.Duration((life*11+seed)%40) * time.Second)
					if (life+seed)%3 == 0 {
						continue // the next one takes the partitions away from it
					}
					for _, stop := range stops {
						if _, err := stop(); err != nil {
							t.Fatal(err)
						}
					}
					stops = nil
				}
				<-sent
				mustRun(t, mustNew(t, s.Source("app"), esm.Records(a.handle), config))
				for _, stop := range stops {
					if _, err := stop(); err != nil {
						t.Fatal(err)
					}
				}
				counts := map[string]int{}
				last := map[string]string{} // of each final invocation, which may come twice
				for _, line := range a.lines {
					if window, bodies, final := strings.Cut(strings.TrimSuffix(line, "+ final"), " "); final && strings.HasSuffix(line, "+ final") {
						last[window+" "+bodies] = bodies
					}
				}
				for _, bodies := range last {
					for body := range strings.SplitSeq(bodies, ",") {
						counts[body]++
					}
				}
				for i := range records {
					if counts[strconv.Itoa(i)] != 1 {
						t.Errorf("record %d is in %d finals", i, counts[strconv.Itoa(i)])
					}
				}
				equal(t, "lag", s.Lag("app"), 0)
			})
		})
	}
}

// A handler that writes to the state that it was given does not change what it gets next.
func TestStateIsTheHandlersOwn_KIN180(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf("a")
		s.End()
		j := newJournal()
		var states []string
		mustRun(t, mustNew(t, s.Source("app"), j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			w, _ := esm.WindowOf(ctx)
			states = append(states, string(w.State))
			for i := range w.State {
				w.State[i] = '!'
			}
			if len(states) < 3 {
				return esm.Response{}, errHandler
			}
			return esm.Response{State: []byte(`{"n":1}`)}, nil
		}), j.config(esm.Config{TumblingWindow: time.Second})))
		equal(t, "states", states, []string{"{}", "{}", "{}", `{"n":1}`})
	})
}
