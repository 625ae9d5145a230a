package esm_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// deafSource is a source one of whose calls ignores its context.
type deafSource struct {
	sources.Source
	*deaf

	call string
}

func newDeafSource(source sources.Source, call string) *deafSource {
	return &deafSource{Source: source, call: call, deaf: newDeaf()}
}

func (s *deafSource) Unwrap() sources.Source { return s.Source }

func (s *deafSource) at(call string) {
	if s.call == call {
		s.hang()
	}
}

func (s *deafSource) Start(context.Context, sources.Settings) error {
	s.at("Start")
	return nil
}

func (s *deafSource) Accept(ctx context.Context) (sources.Partition, error) {
	s.at("Accept")
	p, err := s.Source.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return deafPartition{p, s}, nil
}

func (s *deafSource) Close(ctx context.Context) error {
	s.at("Close")
	return s.Source.Close(ctx)
}

type deafPartition struct {
	sources.Partition
	source *deafSource
}

func (p deafPartition) Unwrap() sources.Partition { return p.Partition }

func (p deafPartition) Fetch(ctx context.Context, buf []sources.Record, wait time.Duration) (int, error) {
	p.source.at("Fetch")
	return p.Partition.Fetch(ctx, buf, wait)
}

// A source of somebody else's that ignores its contexts holds Run up for the drain and
// some seconds, not for ever, and the log names what did not return.
func TestSourceThatIgnoresItsContextDoesNotHoldTheStop_P11(t *testing.T) {
	for call, step := range map[string]string{
		"Start": "step=Start ", "Accept": `step="Accept of the first partition"`,
		"Fetch": `step="Accept, or a call to a partition"`, "Close": "step=Close ",
	} {
		t.Run(call, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				source := newDeafSource(queueOf(memory.QueueOptions{}, "a").Source(), call)
				j, log := newJournal(), new(logbook)
				config := j.config(esm.Config{Name: "orders", DrainTimeout: 3 * time.Second})
				config.Logger = log.logger()
				stop := background(t, mustNew(t, source, j.handler(nil), config))
				time.Sleep(time.Minute)
				took, err := stop()
				if !errors.Is(err, esm.ErrDrainTimeout) {
					t.Errorf("Run: %v", err)
				}
				if want := 9 * time.Second; took != want { // the drain, the settling, a second
					t.Errorf("took %v, want %v", took, want)
				}
				equal(t, "lines that name it", len(log.lines("level=ERROR", "does not return", "mapping=orders", step)), 1)
				close(source.free)
				synctest.Wait()
			})
		})
	}
}

func TestSourceThatEndsAndDoesNotCloseIsLeft_P11(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, "a")
		q.End()
		source := newDeafSource(q.Source(), "Close")
		j := newJournal()
		start := time.Now()
		err := mustNew(t, source, j.handler(nil), j.config(esm.Config{})).Run(t.Context())
		if !errors.Is(err, esm.ErrDrainTimeout) {
			t.Errorf("Run: %v", err)
		}
		if took := time.Since(start); took > 35*time.Second {
			t.Errorf("took %v", took)
		}
		equal(t, "deleted", q.Deleted(), 1)
		close(source.free)
		synctest.Wait()
	})
}

// The log says what is waited for: after five seconds, and then once a minute.
func TestLogSaysWhatIsWaitedFor_P14(t *testing.T) {
	for call, step := range map[string]string{"Start": "step=Start ", "Accept": `step="Accept of the first partition"`, "Close": "step=Close "} {
		t.Run(call, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				q := queueOf(memory.QueueOptions{}, "a")
				q.End()
				source := newDeafSource(q.Source(), call)
				j, log := newJournal(), new(logbook)
				config := j.config(esm.Config{Name: "orders"})
				config.Logger = log.logger()
				done := make(chan error)
				go func() { done <- mustNew(t, source, j.handler(nil), config).Run(t.Context()) }()
				time.Sleep(4 * time.Second)
				equal(t, "lines before five seconds", len(log.lines("waiting for the source")), 0)
				hang := 130 * time.Second
				if call == "Close" {
					hang = 20 * time.Second // within its limit
				}
				time.Sleep(hang - 4*time.Second)
				close(source.free)
				equal(t, "Run", <-done, nil)
				lines := log.lines("waiting for the source", "mapping=orders", "source=arn:aws:sqs", step)
				var at []string
				for _, line := range lines {
					_, after, _ := strings.Cut(line, " for=")
					at = append(at, strings.TrimSpace(after))
				}
				want := "[5s 1m5s 2m5s]"
				if call == "Close" {
					want = "[5s]"
				}
				equal(t, "told after", fmt.Sprint(at), want)
			})
		})
	}
}

// What a source reports by itself is counted each time, and logged at a falling rate (P7, P14).
func TestReportsReachObserverAndLog(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var settings sources.Settings
		source := &stub{Source: queueOf(memory.QueueOptions{}).Source(), start: func(s sources.Settings) error {
			settings = s
			return nil
		}}
		j, log := newJournal(), new(logbook)
		config := j.config(esm.Config{Name: "orders"})
		config.Logger = log.logger()
		stop := background(t, mustNew(t, source, j.handler(nil), config))
		settings.Report(errDown)
		equal(t, "logged at once", len(log.lines("level=WARN", "in the background", "mapping=orders", errDown.Error(), "times=1\n")), 1)
		for range 100 {
			time.Sleep(100 * time.Millisecond)
			settings.Report(errDown)
		}
		settings.Report(errDead)
		equal(t, "observed", j.count(esm.PollingErrorCount), 102)
		equal(t, "logged", len(log.lines("in the background")), 1)
		time.Sleep(time.Minute)
		equal(t, "logged within a minute", len(log.lines("in the background", errDead.Error(), "times=101\n")), 1)
		settings.Logger.Warn("advice")
		equal(t, "the source's own line", len(log.lines("advice", "mapping=orders")), 1)
		_, err := stop()
		equal(t, "Run", err, nil)
		settings.Report(errDown) // which is too late, and harms nobody
	})
}
