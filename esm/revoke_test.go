package esm_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// slow is a handler that takes ten seconds, or less if its context ends, which it
// notes in the journal of the topic.
func slow(source *kafkaTopic, j *journal) esm.Handler {
	return j.handler(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
		var bodies []string
		for _, r := range records {
			bodies = append(bodies, string(r.Data))
		}
		batch := strings.Join(bodies, " ")
		source.notef("invoke %s", batch)
		select {
		case <-ctx.Done():
			source.notef("cancelled %s", batch)
			return esm.Response{}, ctx.Err()
		case <-time.After(10 * time.Second):
			source.notef("done %s", batch)
			return esm.Response{}, nil
		}
	})
}

// A partition that is revoked while its records are handled: they are settled, the
// others are given back unstarted, and then it is closed.
func TestRevokedWhileHandled_KAF41(t *testing.T) {
	bubbles(t, func(t *testing.T, ahead bool) {
		source, s := newTopic("a b c d e")
		source.ahead = ahead
		j := newJournal()
		stop := background(t, mustNew(t, source, slow(source, j), j.config(esm.Config{BatchSize: 2, MaximumBatchingWindow: time.Second})))
		time.Sleep(5 * time.Second)
		source.parts[0].revoked()
		source.parts[0].revoked()
		synctest.Wait()
		equal(t, "at once", source.notes(), []string{"invoke a b"})
		time.Sleep(time.Minute)
		synctest.Wait()
		source.parts[0].revoked() // after Close
		source.parts[0].lost()
		equal(t, "then", source.notes(), unless(ahead, "done a b", "ack b", "release c d e", "close"))
		equal(t, "lag", s.Lag("app"), 3)
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// In a window that gathers a batch it is given back at once.
func TestRevokedWhileGathered(t *testing.T) {
	bubbles(t, func(t *testing.T, ahead bool) {
		source, s := newTopic("a b c")
		source.ahead = ahead
		j := newJournal()
		stop := background(t, mustNew(t, source, slow(source, j), j.config(esm.Config{MaximumBatchingWindow: time.Minute})))
		time.Sleep(time.Second)
		source.parts[0].revoked()
		synctest.Wait()
		equal(t, "at once", source.notes(), []string{"release a b c", "close"})
		equal(t, "lag", s.Lag("app"), 3)
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// An idle partition is closed at once too, and one that is revoked as it is handed out.
func TestRevokedWhileIdle(t *testing.T) {
	for name, told := range map[string]func(revoked, _ func()){
		"later": nil, "in OnRevoke": func(revoked, _ func()) { revoked() }, "beside OnRevoke": func(revoked, _ func()) { go revoked() },
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, _ := newTopic("")
				source.ahead = ahead
				source.told = told
				j := newJournal()
				stop := background(t, mustNew(t, source, slow(source, j), j.config(esm.Config{})))
				if told == nil {
					time.Sleep(time.Second)
					source.parts[0].revoked()
				}
				synctest.Wait()
				equal(t, "journal", source.notes(), []string{"close"})
				if _, err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// The wait for a retry ends at once, and nothing of what failed is settled.
func TestRevokedBeforeARetry(t *testing.T) {
	bubbles(t, func(t *testing.T, ahead bool) {
		source, s := newTopic("a b c d")
		source.ahead = ahead
		j := newJournal()
		stop := background(t, mustNew(t, source, j.script("b c", "c"), j.config(wholeBatches(esm.Config{BatchSize: 3}))))
		time.Sleep(1500 * time.Millisecond)
		source.parts[0].revoked()
		synctest.Wait()
		equal(t, "journal", source.notes(), unless(ahead, "ack a", "ack b", "release d", "close"))
		time.Sleep(time.Hour)
		equal(t, "invokes", j.invokes(), "abc/bc")
		equal(t, "lag", s.Lag("app"), 2)
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// What failed before the partition is revoked is not retried, and what is left of
// its batch is not begun: neither the second half of a bisected batch nor what comes
// after what is given up.
func TestRevokedBeginsNothing(t *testing.T) {
	for name, c := range map[string]struct {
		config  esm.Config
		steps   []string
		asked   int // in which invocation
		invokes string
		journal []string
	}{
		"failed":          {esm.Config{}, []string{"!"}, 1, "abcd", []string{"release e", "close"}},
		"failed in part":  {esm.Config{}, []string{"b c"}, 1, "abcd", []string{"ack a", "release e", "close"}},
		"first half":      {esm.Config{BisectBatchOnFunctionError: true}, []string{"!"}, 2, "abcd/ab", []string{"ack b", "release e", "close"}},
		"failed for good": {esm.Config{MaximumRetryAttempts: new(0)}, []string{"!"}, 1, "abcd", []string{"ack d", "release e", "close"}},
		"first half failed for good": {
			esm.Config{BisectBatchOnFunctionError: true, MaximumRetryAttempts: new(0)}, []string{"!", "!", "!"}, 3, "abcd/ab/a",
			[]string{"ack a", "release e", "close"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, _ := newTopic("a b c d e")
				source.ahead = ahead
				j := newJournal()
				n, script := 0, steps(c.steps...)
				config := c.config
				config.BatchSize = 4
				stop := background(t, mustNew(t, source, j.handler(func(ctx context.Context, records []sources.Record) (esm.Response, error) {
					if n++; n == c.asked {
						source.parts[0].revoked()
					}
					return script(ctx, records)
				}), j.config(wholeBatches(config))))
				time.Sleep(time.Hour)
				equal(t, "invokes", j.invokes(), c.invokes)
				equal(t, "journal", source.notes(), unless(ahead, slices.Clone(c.journal)...))
				if _, err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A delivery under way goes on, and settles if it succeeds; it is not tried again.
func TestRevokedWhileDelivered(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		journal []string
	}{
		"it succeeds": {nil, []string{"delivering", "ack poison", "release b", "close"}},
		"it fails":    {errDead, []string{"delivering", "release b", "close"}},
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, _ := newTopic("poison b")
				source.ahead = ahead
				j := newJournal()
				config := j.config(noRetries(func(ctx context.Context, _ *esm.FailureRecord) error {
					source.notef("delivering")
					if !sleep(ctx, 5*time.Second) {
						source.notef("cancelled")
						return ctx.Err()
					}
					return c.err
				}))
				stop := background(t, mustNew(t, source, j.handler(failIf("poison")), config))
				time.Sleep(time.Second)
				source.parts[0].revoked()
				time.Sleep(time.Hour)
				equal(t, "journal", source.notes(), unless(ahead, slices.Clone(c.journal)...))
				equal(t, "invokes", j.invokes(), "poison")
				if _, err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Each sub-lane ends what it has begun, the position follows what is finished without
// a gap, and the partition is closed after the last of them.
func TestRevokedWithSublanes(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const records, lanes, batch = 60, 4, 3
		source, s := newTopic(strings.Join(numbers(records), " "))
		j := newJournal()
		stop := background(t, mustNew(t, source, slow(source, j), j.config(esm.Config{
			BatchSize: batch, ParallelizationFactor: lanes, MaximumBatchingWindow: time.Second,
		})))
		time.Sleep(5 * time.Second)
		source.parts[0].revoked()
		time.Sleep(time.Hour)
		finished, released, closed := make(map[string]bool), 0, 0
		var last string
		for i, note := range source.notes() {
			verb, rest, _ := strings.Cut(note, " ")
			switch verb {
			case "invoke":
				if i >= lanes {
					t.Errorf("note %d: %s after the partition was revoked", i, note)
				}
			case "cancelled":
				t.Error(note)
			case "done":
				for body := range strings.FieldsSeq(rest) {
					finished[body] = true
				}
			case "ack":
				last = rest
			case "release":
				released += len(strings.Fields(rest))
			case "close":
				closed++
			}
		}
		position := 0
		for position < records && finished[numbers(records)[position]] {
			position++
		}
		equal(t, "handled", len(finished), lanes*batch)
		equal(t, "lag", s.Lag("app"), records-position)
		equal(t, "released", released, records-lanes*batch)
		equal(t, "closed", closed, 1)
		if position == 0 || last != numbers(records)[position-1] {
			t.Errorf("the last ack is %s, finished are %v", last, finished)
		}
		if _, err := stop(); err != nil {
			t.Error(err)
		}
	})
}

// The partition was given away because its handler took too long: what it comes to is
// dropped, as after any loss.
func TestLostAfterRevoked(t *testing.T) {
	bubbles(t, func(t *testing.T, ahead bool) {
		source, s := newTopic("a b c")
		source.ahead = ahead
		j := newJournal()
		stop := background(t, mustNew(t, source, slow(source, j), j.config(esm.Config{BatchSize: 2, MaximumBatchingWindow: time.Second})))
		time.Sleep(5 * time.Second)
		source.parts[0].revoked()
		time.Sleep(time.Second)
		source.parts[0].lost()
		source.parts[0].lost()
		source.parts[0].revoked()
		synctest.Wait()
		equal(t, "journal", source.notes(), []string{"invoke a b", "cancelled a b", "close"})
		equal(t, "lag", s.Lag("app"), 3)
		if took, err := stop(); err != nil || took > time.Second {
			t.Errorf("stopped after %v: %v", took, err)
		}
	})
}

// A lane that retries a record in place, or waits for a destination, makes no call by
// which it could learn that the partition has another owner.
func TestLossIsHeard(t *testing.T) {
	for name, config := range map[string]esm.Config{
		"in a retry": {}, "in a delivery": noRetries(down),
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, _ := newTopic("a")
				source.ahead = ahead
				j := newJournal()
				config := config
				config.MaximumBufferedBytes = 1
				stop := background(t, mustNew(t, source, j.handler(failIf("a")), j.config(config)))
				time.Sleep(time.Minute)
				source.parts[0].lost()
				synctest.Wait()
				calls := func() int { return len(j.seen()) + j.count(esm.OnFailureDestinationDeliveryErrorCount) }
				before := calls()
				time.Sleep(time.Hour)
				synctest.Wait()
				if after := calls(); before == 0 || after != before {
					t.Errorf("%d calls before the loss, %d after", before, after-before)
				}
				equal(t, "journal", source.notes(), []string{"close"})
				if _, err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A settlement ends with the loss, whether it hangs or waits to be tried again.
func TestLostWhileSettled(t *testing.T) {
	for name, ack := range map[string]func(context.Context) error{
		"it hangs": func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		},
		"it fails": func(context.Context) error { return errDead },
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, _ := newTopic("a b")
				source.ahead, source.ack = ahead, ack
				j := newJournal()
				stop := background(t, mustNew(t, source, j.handler(nil), j.config(esm.Config{BatchSize: 2, MaximumBatchingWindow: time.Second})))
				time.Sleep(time.Minute + time.Millisecond)
				source.parts[0].revoked()
				synctest.Wait()
				notes := source.notes()
				equal(t, "an ack before the loss", notes[0], "ack b")
				equal(t, "closed before the loss", slices.Contains(notes, "close"), false)
				source.parts[0].lost()
				synctest.Wait()
				equal(t, "at once", source.notes(), []string{"close"})
				equal(t, "stale", j.count(esm.StaleEventCount), 0)
				if _, err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A loss during the last seconds of a stop is one, too: nothing is acked after it.
func TestLostAfterDrainTimeout(t *testing.T) {
	bubbles(t, func(t *testing.T, ahead bool) {
		source, s := newTopic("a b")
		source.ahead = ahead
		j := newJournal()
		stop := background(t, mustNew(t, source, j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			<-ctx.Done()
			source.parts[0].lost()
			return esm.Response{}, nil // too late
		}), j.config(esm.Config{BatchSize: 1, DrainTimeout: time.Second})))
		time.Sleep(time.Second)
		if _, err := stop(); !errors.Is(err, esm.ErrDrainTimeout) {
			t.Error(err)
		}
		equal(t, "journal", source.notes(), []string{"close"})
		equal(t, "lag", s.Lag("app"), 2)
	})
}

// One partition goes, the others do not hear of it.
func TestRevokedAlone_P6(t *testing.T) {
	for name, gone := range map[string]func(p *topicPartition){
		"revoked": func(p *topicPartition) { p.revoked() },
		"lost":    func(p *topicPartition) { p.lost() },
	} {
		t.Run(name, func(t *testing.T) {
			bubbles(t, func(t *testing.T, ahead bool) {
				source, s := newTopic("a b", "c d", "e f")
				source.ahead = ahead
				j := newJournal()
				stop := background(t, mustNew(t, source, slow(source, j), j.config(esm.Config{BatchSize: 1})))
				time.Sleep(5 * time.Second)
				gone(source.parts[1])
				time.Sleep(time.Minute)
				putAll(s, 0, "g")
				putAll(s, 2, "h")
				time.Sleep(time.Minute)
				for _, body := range []string{"a", "b", "e", "f", "g", "h"} {
					if !strings.Contains(strings.Join(source.acks(), ","), "ack "+body) {
						t.Errorf("%s is not settled: %v", body, source.acks())
					}
				}
				equal(t, "lag", s.Lag("app"), map[string]int{"revoked": 1, "lost": 2}[name])
				if _, err := stop(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A revocation, a loss and a stop that come at one instant end in one orderly close.
func TestRevokedAndStopped_P11(t *testing.T) {
	for range 50 {
		synctest.Test(t, func(t *testing.T) {
			source, s := newTopic("a b c d e f", "g h i j k l")
			j := newJournal()
			stop := background(t, mustNew(t, source, slow(source, j), j.config(esm.Config{BatchSize: 2, ParallelizationFactor: 2})))
			time.Sleep(5 * time.Second)
			var racing sync.WaitGroup
			racing.Go(source.parts[0].revoked)
			racing.Go(source.parts[1].revoked)
			racing.Go(source.parts[1].lost)
			racing.Go(func() {
				if took, err := stop(); err != nil || took > time.Minute {
					t.Errorf("stopped after %v: %v", took, err)
				}
			})
			racing.Wait()
			closes, settled := 0, 0
			for _, note := range source.notes() {
				switch {
				case note == "close":
					closes++
				case strings.HasPrefix(note, "ack"):
					settled++
				}
			}
			if closes != 2 || settled == 0 || s.Lag("app") > 12-2 {
				t.Errorf("closed %d times, %d acks, lag %d", closes, settled, s.Lag("app"))
			}
		})
	}
}

// A stream in memory that is revoked is handed out again, and goes on where it was.
func TestRevokedAndTakenAgain_P5(t *testing.T) {
	bubble(t, func(t *testing.T) {
		s := memory.NewStream(memory.StreamOptions{Partitions: 3})
		j := newJournal()
		stop := background(t, mustNew(t, s.Source("app"), j.handler(func(ctx context.Context, _ []sources.Record) (esm.Response, error) {
			sleep(ctx, time.Second)
			return esm.Response{}, nil
		}), j.config(esm.Config{BatchSize: 7})))
		for i, body := range numbers(300) {
			s.Put(body, []byte(body))
			if i%10 == 0 && !s.Revoke("app", s.Partitions()[i/10%3]) {
				t.Errorf("nobody reads partition %d", i/10%3)
			}
			time.Sleep(time.Second)
		}
		time.Sleep(time.Minute)
		equal(t, "lag", s.Lag("app"), 0)
		equal(t, "handled", len(j.seen()), 300)
		if _, err := stop(); err != nil {
			t.Error(err)
		}
		if s.Revoke("app", s.Partitions()[0]) || s.Revoke("nobody", s.Partitions()[0]) || s.Revoke("app", "nothing") {
			t.Error("nobody was asked")
		}
	})
}
