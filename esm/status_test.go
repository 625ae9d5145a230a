package esm_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/retry"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

const (
	resultNone   = "No records processed"
	resultFailed = "PROBLEM: Function call failed"
)

// namedFirst is a response that names the first record of a batch.
func namedFirst(_ context.Context, records []sources.Record) (esm.Response, error) {
	return esm.Response{BatchItemFailures: []string{records[0].ID}}, nil
}

// throttles asks for a rest with each batch.
func throttles(context.Context, []sources.Record) (esm.Response, error) {
	return esm.Response{}, &esm.ThrottleError{Err: errHandler}
}

// problemOf returns the problem of a metric.
func problemOf(t *testing.T, status esm.Status, metric esm.Metric) esm.Problem {
	t.Helper()
	for _, p := range status.Problems {
		if p.Metric == metric {
			return p
		}
	}
	t.Fatalf("%s is no problem of %+v", metric, status)
	return esm.Problem{}
}

// TestHandlerThatDoesNotGetOnIsHeardOf has a source stand still for an hour, without an
// error of anything.
func TestHandlerThatDoesNotGetOnIsHeardOf_P14(t *testing.T) {
	waits := func(context.Context, []sources.Record) (esm.Response, error) {
		return esm.Response{}, &esm.ThrottleError{RetryAfter: 10 * time.Minute, Err: errHandler}
	}
	for name, test := range map[string]struct {
		handle  func(context.Context, []sources.Record) (esm.Response, error)
		ordered bool
		metric  esm.Metric
		text    string
		lines   int
	}{
		"stream, named":         {namedFirst, true, esm.FailedInvokeEventCount, "batchItemFailures", 61},
		"stream, throttled":     {throttles, true, esm.ThrottledEventCount, errHandler.Error(), 61},
		"stream, asked to wait": {waits, true, esm.ThrottledEventCount, errHandler.Error(), 7},
		"queue, named":          {namedFirst, false, esm.FailedInvokeEventCount, "batchItemFailures", 61},
		"queue, throttled":      {throttles, false, esm.ThrottledEventCount, errHandler.Error(), 61},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j, log := newJournal(), new(logbook)
				config := j.config(esm.Config{Name: "orders", ReportBatchItemFailures: true, BatchSize: 1})
				config.Logger = log.logger()
				source := queueOf(memory.QueueOptions{}, "a").Source()
				if test.ordered {
					source = streamOf("a").Source("app")
				}
				m := mustNew(t, source, j.handler(test.handle), config)
				stop := background(t, m)
				began := time.Now()
				time.Sleep(time.Minute)
				equal(t, "since", problemOf(t, m.Status(), test.metric).Since, began)
				if len(log.lines("level=WARN", "mapping=orders", "partition=", "attempts=", "since=", test.text)) == 0 {
					t.Error("not told in the log within a minute")
				}
				time.Sleep(59*time.Minute + time.Second)
				synctest.Wait()
				problem := problemOf(t, m.Status(), test.metric)
				equal(t, "since, after an hour", problem.Since, began)
				equal(t, "attempts", problem.Count, len(j.sizes()))
				lines := len(log.lines("level=WARN"))
				if lines > test.lines || 3*lines < test.lines {
					t.Errorf("%d lines in an hour", lines)
				}
				_, err := stop()
				equal(t, "Run", err, nil)
			})
		})
	}
}

// TestOrdinaryPartialFailureIsNoProblem has a few of many records fail, and a few
// batches be throttled.
func TestOrdinaryPartialFailureIsNoProblem(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		t.Run(strconv.FormatBool(ordered), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				j, log, calls := newJournal(), new(logbook), 0
				config := j.config(esm.Config{ReportBatchItemFailures: true, BatchSize: 10, MaximumConcurrency: 2})
				config.Logger = log.logger()
				source := queueOf(memory.QueueOptions{}, strings.Split("abcdefghij", "")...).Source()
				if ordered {
					config.MaximumConcurrency = 0
					source = streamOf(strings.Split("abcdefghij", "")...).Source("app")
				}
				m := mustNew(t, source, j.handler(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
					switch calls++; {
					case calls == 1:
						return throttles(ctx, records)
					case len(records) > 1:
						return esm.Response{BatchItemFailures: []string{records[len(records)-1].ID}}, nil
					default:
						return esm.Response{}, nil
					}
				}), config)
				stop := background(t, m)
				for range 300 {
					time.Sleep(time.Second)
					if status := m.Status(); len(status.Problems) > 0 {
						t.Fatalf("problems %+v", status.Problems)
					}
				}
				equal(t, "result", m.Status().LastProcessingResult, "OK")
				equal(t, "warnings", len(log.lines("level=WARN")), 0)
				_, err := stop()
				equal(t, "Run", err, nil)
			})
		})
	}
}

// TestFilteredRecordsHealNothing has a filter reject records while the handler fails.
func TestFilteredRecordsHealNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{})
		m := mustNew(t, q.Source(), newJournal().handler(failIf("bad")), newJournal().config(esm.Config{
			Filter: func(r *sources.Record) bool { return string(r.Data) != "other" }, BatchSize: 1,
		}))
		stop := background(t, m)
		q.Send("other")
		time.Sleep(time.Second)
		equal(t, "all rejected", m.Status(), esm.Status{State: esm.StateEnabled, LastProcessingResult: resultNone})
		q.Send("bad")
		began := time.Now()
		for range 600 {
			q.Send("other")
			time.Sleep(time.Second)
			status := m.Status()
			equal(t, "result", status.LastProcessingResult, resultFailed)
			equal(t, "since", problemOf(t, status, esm.InvokeErrorCount).Since, began)
		}
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// TestDroppedRecordsAreAProblem has all records of a stream given up, with nowhere to go.
func TestDroppedRecordsAreAProblem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := streamOf()
		m := mustNew(t, s.Source("app"), newJournal().handler(failIf("bad")), newJournal().config(esm.Config{BatchSize: 1, MaximumRetryAttempts: new(0)}))
		stop := background(t, m)
		for i := range 60 {
			s.Put("k", []byte("bad"))
			time.Sleep(10 * time.Second)
			status := m.Status()
			equal(t, "failures", problemOf(t, status, esm.InvokeErrorCount).Count, i+1)
			dropped := problemOf(t, status, esm.DroppedEventCount)
			equal(t, "dropped", dropped.Count, i+1)
			if dropped.Err == nil || !strings.Contains(dropped.Err.Error(), string(retry.RetryAttemptsExhausted)) {
				t.Errorf("error %v", dropped.Err)
			}
			equal(t, "result", status.LastProcessingResult, "PROBLEM: Records were dropped")
		}
		time.Sleep(time.Minute)
		equal(t, "failed", m.Status().LastProcessingResult, resultFailed)
		s.Put("k", []byte("good"))
		time.Sleep(time.Second)
		equal(t, "over", m.Status(), esm.Status{State: esm.StateEnabled, LastProcessingResult: "OK"})
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// TestPoisonBesideGoodRecordsIsOneProblem looks at a queue that hands a bad message out
// again and again, each second.
func TestPoisonBesideGoodRecordsIsOneProblem(t *testing.T) {
	bubble(t, func(t *testing.T) {
		q := queueOf(memory.QueueOptions{}, "bad")
		var healed atomic.Bool
		m := mustNew(t, q.Source(), newJournal().handler(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
			if healed.Load() {
				return esm.Response{}, nil
			}
			return failIf("bad")(ctx, records)
		}), newJournal().config(esm.Config{BatchSize: 1}))
		began := time.Now()
		stop := background(t, m)
		for range 600 {
			q.Send("good")
			time.Sleep(time.Second)
			status := m.Status()
			equal(t, "result", status.LastProcessingResult, resultFailed)
			equal(t, "since", problemOf(t, status, esm.InvokeErrorCount).Since, began)
		}
		healed.Store(true)
		time.Sleep(2 * time.Minute)
		equal(t, "healed", m.Status(), esm.Status{State: esm.StateEnabled, LastProcessingResult: "OK"})
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// TestFailureOfTheBackgroundLapses has the source tell of failures of its own.
func TestFailureOfTheBackgroundLapses(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var settings sources.Settings
		source := &stub{Source: streamOf().Source("app"), start: func(given sources.Settings) error {
			settings = given
			return nil
		}}
		m := mustNew(t, source, newJournal().handler(nil), newJournal().config(esm.Config{}))
		stop := background(t, m)
		began := time.Now()
		settings.Report(errors.New("leases: table: throttled"))
		time.Sleep(time.Minute - 1)
		equal(t, "result", m.Status().LastProcessingResult, "PROBLEM: leases: table: throttled")
		time.Sleep(time.Nanosecond)
		equal(t, "lapsed", m.Status(), esm.Status{State: esm.StateEnabled, LastProcessingResult: resultNone})
		time.Sleep(5 * time.Second)
		settings.Report(errDead)
		equal(t, "the same problem", problemOf(t, m.Status(), esm.PollingErrorCount).Since, began)
		time.Sleep(time.Hour)
		settings.Report(errDead)
		equal(t, "another one", problemOf(t, m.Status(), esm.PollingErrorCount).Count, 1)
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// TestCheckThatFailedIsAProblemUntilADelivery leaves it open for a day.
func TestCheckThatFailedIsAProblemUntilADelivery_P14(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s, j := streamOf(), newJournal()
		m := mustNew(t, s.Source("app"), j.handler(failIf("bad")), j.config(esm.Config{
			BatchSize: 1, MaximumRetryAttempts: new(0), OnFailure: checkable(func(context.Context) error { return errDead }),
		}))
		stop := background(t, m)
		time.Sleep(24 * time.Hour)
		status := m.Status()
		equal(t, "result", status.LastProcessingResult, "PROBLEM: The on-failure destination could not be checked")
		equal(t, "error", problemOf(t, status, esm.OnFailureDestinationDeliveryErrorCount).Err, errDead)
		equal(t, "observed", j.count(esm.OnFailureDestinationDeliveryErrorCount), 1)
		s.Put("k", []byte("bad"))
		synctest.Wait()
		status = m.Status()
		equal(t, "result", status.LastProcessingResult, resultFailed)
		equal(t, "problems", len(status.Problems), 1)
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}

// TestHandlerThatNeverReturnsIsAProblem has a lane wait for handlers for hours.
func TestHandlerThatNeverReturnsIsAProblem_P14(t *testing.T) {
	bubble(t, func(t *testing.T) {
		free := make(chan struct{})
		j := newJournal()
		m := mustNew(t, streamOf("a").Source("app"), j.handler(func(context.Context, []sources.Record) (esm.Response, error) {
			<-free
			return esm.Response{}, nil
		}), j.config(esm.Config{Timeout: time.Second}))
		stop := background(t, m)
		time.Sleep(3 * time.Hour)
		status := m.Status()
		equal(t, "result", status.LastProcessingResult, "PROBLEM: Function call does not return")
		equal(t, "error", problemOf(t, status, esm.AbandonedInvokeCount).Err, esm.ErrTimeout)
		close(free)
		time.Sleep(2 * time.Minute)
		equal(t, "healed", m.Status(), esm.Status{State: esm.StateEnabled, LastProcessingResult: "OK"})
		_, err := stop()
		equal(t, "Run", err, nil)
	})
}
