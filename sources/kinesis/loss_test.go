package kinesis_test

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/checkpoint"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// seldom reads an idle shard every few minutes, so that days of it are few calls.
var seldom = kinesis.Options{IdleInterval: 4 * time.Minute}

// losses are the losses that the observer was told of.
func (w *world) losses() []*kinesis.LossError {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*kinesis.LossError
	for _, err := range w.errs {
		if loss, ok := errors.AsType[*kinesis.LossError](err); ok {
			all = append(all, loss)
		}
	}
	return all
}

// trim drops the records before one; "" for all.
func (w *world) trim(before string) {
	w.t.Helper()
	if err := w.Trim(telemetry, firstShard, before); err != nil {
		w.t.Fatal(err)
	}
}

// handle runs a mapping until so many records are done, and a while longer.
func (w *world) handle(done int, options kinesis.Options) {
	w.t.Helper()
	m := w.run(w.journal(nil), options, esm.Config{})
	w.until(done, time.Hour)
	time.Sleep(15 * time.Second) // the measures are told every ten
	m.end()
}

// TestTrimmedRecordsAreTold stops a mapping for longer than the stream keeps records (KIN-45, P15).
func TestTrimmedRecordsAreTold(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.unwatched()
		w.send("k", "a")
		w.handle(1, kinesis.Options{})
		last := w.Records(telemetry, firstShard)[0].Number
		time.Sleep(time.Hour)
		w.send("k", "lost")
		time.Sleep(5 * time.Hour)
		kept := w.send("k", "b", "c")
		arrived := w.Records(telemetry, firstShard)[2].Arrival.UTC()
		time.Sleep(22 * time.Hour)
		w.trim(kept[0])
		w.handle(3, kinesis.Options{})
		w.handle(3, kinesis.Options{}) // and it is told once
		losses := w.losses()
		want := kinesis.LossError{
			Stream: "telemetry", Partition: firstShard, After: last, First: kept[0], Until: arrived,
		}
		if len(losses) != 1 || *losses[0] != want {
			t.Fatalf("told of %+v, want %+v", losses, want)
		}
		if n := w.count(kinesis.PositionsTrimmed); n != 1 {
			t.Errorf("PositionsTrimmed is %d", n)
		}
		for _, word := range []string{last, kept[0], firstShard, "telemetry", "unknown", arrived.Format(time.RFC3339)} {
			if text := losses[0].Error(); !strings.Contains(text, word) {
				t.Errorf("%q lacks %q", text, word)
			}
		}
	})
}

// TestNothingIsToldWhereNothingIsLost has positions that are as old as those of the
// test above, or older (KIN-45).
func TestNothingIsToldWhereNothingIsLost(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(w *world){
		"caught up, started again": func(w *world) {
			w.send("k", "a")
			w.handle(1, kinesis.Options{})
			time.Sleep(time.Hour)
			w.handle(1, kinesis.Options{})
			w.send("k", "b")
			w.handle(2, kinesis.Options{})
		},
		"idle, started again": func(w *world) {
			w.send("k", "a")
			w.handle(1, kinesis.Options{})
			time.Sleep(48 * time.Hour)
			w.trim("")
			m := w.run(w.journal(nil), seldom, esm.Config{})
			time.Sleep(30 * time.Hour)
			w.send("k", "b")
			w.until(2, time.Hour)
			m.end()
		},
		"idle, a record came before it was started again": func(w *world) {
			w.send("k", "a")
			w.handle(1, kinesis.Options{})
			time.Sleep(48 * time.Hour)
			w.trim(w.send("k", "b")[0])
			time.Sleep(time.Minute)
			w.handle(2, kinesis.Options{})
		},
		"idle, and empty answers before the record": func(w *world) {
			w.send("k", "a")
			w.handle(1, kinesis.Options{})
			time.Sleep(48 * time.Hour)
			w.trim(w.send("k", "b")[0])
			w.Inject("GetRecords", slices.Repeat([]kinesistest.Fault{{Empty: true}}, 5)...)
			w.handle(2, kinesis.Options{})
		},
		"idle, and the iterator expires": func(w *world) {
			w.send("k", "a")
			m := w.run(w.journal(nil), seldom, esm.Config{})
			w.until(1, time.Hour)
			time.Sleep(48 * time.Hour)
			w.trim("")
			w.Inject("GetRecords", kinesistest.Fault{Err: kinesistest.ExpiredIterator()})
			w.send("k", "b")
			w.until(2, time.Hour)
			m.end()
		},
		"the handler hangs for less than the retention period": func(w *world) {
			w.send("k", "a")
			time.Sleep(5 * time.Hour)
			p := w.open(kinesis.Options{})
			w.finish(p.want("a"))
			b := w.send("k", "b")
			time.Sleep(20 * time.Hour)
			w.trim(b[0])
			buf := make([]sources.Record, 1)
			for n, err := 0, error(nil); n == 0; n, err = p.Fetch(w.t.Context(), buf, time.Second) {
				if err != nil {
					w.t.Error(err)
				}
			}
			p.close()
			w.handle(2, kinesis.Options{})
		},
		"the oldest that there is": func(w *world) {
			w.trim(w.send("k", "a", "b")[1])
			w.finish([]sources.Record{{ID: w.put[firstShard][0]}})
			time.Sleep(23 * time.Hour)
			w.handle(2, kinesis.Options{})
		},
		"a time that is asked for": func(w *world) {
			from := time.Now()
			w.trim(w.send("k", "a", "b")[1])
			w.finish([]sources.Record{{ID: w.put[firstShard][0]}})
			time.Sleep(25 * time.Hour)
			w.handle(2, kinesis.Options{StartingPosition: kinesis.AtTimestamp, StartingPositionTimestamp: from})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.unwatched()
				test(w)
				w.once()
				if losses := w.losses(); len(losses) > 0 || w.count(kinesis.PositionsTrimmed) != 0 {
					t.Errorf("told of %v", losses)
				}
			})
		})
	}
}

// TestLatestTellsOfRecordsSinceItsMoment has the position of a shard that nothing was
// read of (KIN-45, KIN-50).
func TestLatestTellsOfRecordsSinceItsMoment(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "before")
		time.Sleep(time.Minute)
		options := kinesis.Options{StartingPosition: kinesis.Latest}
		m := w.run(w.journal(nil), options, esm.Config{})
		time.Sleep(time.Minute)
		m.end()
		pin := w.lease(firstShard).Position.Timestamp
		w.unwatched()
		w.send("k", "lost")
		time.Sleep(5 * time.Hour)
		kept := w.send("k", "a")
		time.Sleep(22 * time.Hour)
		w.trim(kept[0])
		w.handle(1, options)
		if losses := w.losses(); len(losses) != 1 || losses[0].After != "" || !losses[0].Since.Equal(pin) || losses[0].First != kept[0] {
			t.Errorf("told of %+v, want one since %v", losses, pin)
		}
	})
}

// TestPartOfAggregateIsTold has the rest of a record gone: it is lost for sure (KIN-45, KIN-213).
func TestPartOfAggregateIsTold(t *testing.T) {
	t.Parallel()
	for _, deaggregate := range []bool{true, false} {
		t.Run(strconv.FormatBool(deaggregate), func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.unwatched()
				arrived := time.Now().UTC()
				numbers := w.send("k", "aggregate", "b")
				if err := w.store.Create(t.Context(), checkpoint.Lease{Shard: firstShard, Position: checkpoint.Position{
					Sequence: numbers[0], SubSequence: 1, Timestamp: arrived,
				}}); err != nil {
					t.Fatal(err)
				}
				w.trim(numbers[1])
				w.handle(1, kinesis.Options{Deaggregate: deaggregate})
				if losses := w.losses(); len(losses) != 1 || losses[0].After != numbers[0] || !losses[0].Since.Equal(arrived) {
					t.Errorf("told of %+v", losses)
				}
			})
		})
	}
}

// backlog sends records of a MiB, of which ten make an answer.
func (w *world) backlog(n int) []string {
	w.t.Helper()
	body := strings.Repeat("x", 1<<20-1)
	var all []string
	for range n {
		all = append(all, w.send("k", body)...)
	}
	return all
}

// slow reads so many records, and so long for each.
func (o *openPart) slow(n int, each time.Duration) (ids []string, losses []*kinesis.LossError) {
	buf := make([]sources.Record, 1)
	for until := time.Now().Add(2 * time.Hour); len(ids) < n && time.Now().Before(until); {
		got, err := o.Fetch(o.w.t.Context(), buf, time.Second)
		switch loss, ok := errors.AsType[*kinesis.LossError](err); {
		case ok:
			losses = append(losses, loss)
		case err != nil:
			o.w.t.Fatal(err)
		case got == 1:
			ids = append(ids, buf[0].ID)
			time.Sleep(each)
		}
	}
	return ids, losses
}

// TestSlowReaderIsTold reads a backlog in the middle of which records are dropped: with
// an iterator that has expired, and with one that has not (KIN-41, KIN-45).
func TestSlowReaderIsTold(t *testing.T) {
	t.Parallel()
	for name, each := range map[string]time.Duration{"expired": time.Minute, "not expired": 20 * time.Second} {
		for _, lost := range []bool{true, false} {
			t.Run(name+" lost "+strconv.FormatBool(lost), func(t *testing.T) {
				t.Parallel()
				inWorld(t, 1, func(t *testing.T, w *world) {
					w.unwatched()
					if err := w.SetRetention(telemetry, 1); err != nil {
						t.Fatal(err)
					}
					all := w.backlog(30)
					time.Sleep(58 * time.Minute)
					p := w.open(kinesis.Options{})
					defer p.close()
					ids, losses := p.slow(10, each)
					if len(losses) > 0 {
						t.Fatalf("told of %v before anything was dropped", losses)
					}
					want := all
					if lost {
						w.trim(all[15])
						want = slices.Concat(all[:10], all[15:])
					}
					more, losses := p.slow(len(want)-10, 0)
					if ids = append(ids, more...); !slices.Equal(ids, want) {
						t.Errorf("read %d records %q, want %d", len(ids), ids, len(want))
					}
					if lost != (len(losses) == 1) {
						t.Fatalf("told of %v", losses)
					}
					if lost && (losses[0].After != all[9] || losses[0].First != all[15] || losses[0].Since.IsZero()) {
						t.Errorf("told of %+v", losses[0])
					}
				})
			})
		}
	}
}

// TestWhatWaitedIsTold has all that was left to be read dropped while the handler hangs (KIN-45, KIN-74).
func TestWhatWaitedIsTold(t *testing.T) {
	t.Parallel()
	for name, left := range map[string]func(w *world) (first string){
		"a new record": func(w *world) string {
			first := w.send("k", "new")[0]
			w.trim(first)
			return first
		},
		"nothing": func(w *world) string {
			w.trim("")
			return ""
		},
		"no shard": func(w *world) string {
			if _, err := w.Split(telemetry, firstShard); err != nil {
				w.t.Fatal(err)
			}
			if err := w.Expire(telemetry, firstShard); err != nil {
				w.t.Fatal(err)
			}
			return ""
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.unwatched()
				all := w.backlog(30)
				p := w.open(kinesis.Options{})
				defer p.close()
				buf := make([]sources.Record, 100)
				if n, err := p.Fetch(t.Context(), buf, time.Second); n != 10 || err != nil {
					t.Fatal(n, err)
				}
				time.Sleep(30 * time.Hour)
				first := left(w)
				var told []*kinesis.LossError
				for until := time.Now().Add(10 * time.Second); time.Now().Before(until); {
					n, err := p.Fetch(t.Context(), buf, time.Second)
					if loss, ok := errors.AsType[*kinesis.LossError](err); ok {
						told = append(told, loss)
					}
					if n > 0 && buf[0].ID != first {
						t.Errorf("got %s", buf[0].ID)
					}
					if errors.Is(err, sources.ErrEnd) {
						break
					}
				}
				if len(told) != 1 || told[0].After != all[9] || told[0].First != first || told[0].Since.IsZero() {
					t.Fatalf("told of %+v", told)
				}
				if text := told[0].Error(); (first == "") != strings.Contains(text, "none is left") {
					t.Error(text)
				}
			})
		})
	}
}

// TestUnclearLossIsLogged has positions that are trimmed, of shards that may have been
// idle (KIN-45).
func TestUnclearLossIsLogged(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trimmed, waiting bool
		level            string
	}{
		"kept":    {false, true, ""},
		"empty":   {true, false, "level=INFO"},
		"waiting": {true, true, "level=WARN"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.send("k", "a")
				w.handle(1, kinesis.Options{})
				time.Sleep(25 * time.Hour)
				if c.waiting {
					w.send("k", "b")
				}
				if records := w.Records(telemetry, firstShard); c.trimmed {
					w.trim(append(records, kinesistest.Record{})[1].Number)
				}
				var log bytes.Buffer
				p := w.open(kinesis.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
				if _, err := p.read(1, 10*time.Second); err != nil {
					t.Error(err)
				}
				p.close()
				const words = "position is older"
				if text := log.String(); strings.Count(text, words) != len(c.level)/len("level=INFO") || !strings.Contains(text, c.level) {
					t.Errorf("logged %q, want one line of %q", text, c.level)
				}
			})
		})
	}
}
