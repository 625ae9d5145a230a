package kinesis_test

import (
	"context"
	"testing"
	"time"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// TestRecordPastItsRetentionIsGivenUp has a poison record block its shard no longer
// than the stream keeps it (KIN-124, KIN-130).
func TestRecordPastItsRetentionIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, destined := range map[string]bool{"discarded": false, "to the destination": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, 1, func(t *testing.T, w *world) {
				w.unwatched()
				if err := w.SetRetention(telemetry, 1); err != nil {
					t.Fatal(err)
				}
				bad := w.send("k", "bad")
				var last time.Duration // of the tries
				handler := func(_ context.Context, records []sources.Record) (esm.Response, error) {
					if records[0].ID == bad[0] {
						last = time.Since(w.began)
						return esm.Response{}, errHandler
					}
					return esm.Response{}, nil
				}
				config, given := esm.Config{}, 0
				if destined {
					config.OnFailure = w.destination(func(record *esm.FailureRecord) { given += len(record.Records) })
				}
				m := w.run(w.journal(handler), kinesis.Options{}, config)
				time.Sleep(10 * time.Minute)
				good := w.send("k", "good")
				time.Sleep(48 * time.Minute)
				if w.finished() != 0 {
					t.Error("the shard went on before the retention period was over")
				}
				time.Sleep(10 * time.Minute)
				m.end()
				w.mu.Lock()
				defer w.mu.Unlock()
				if w.done[good[0]] != 1 || last < 55*time.Minute || last > time.Hour {
					t.Errorf("the last try was after %v, the next record was handled %d times", last, w.done[good[0]])
				}
				if destined != (given == 1) || w.counts[esm.DroppedEventCount] > 0 == destined {
					t.Errorf("%d records went to the destination, counts %v", given, w.counts)
				}
			})
		})
	}
}

// TestRetentionIsReadAgain changes it while the source runs.
func TestRetentionIsReadAgain_KIN124(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		p := w.open(kinesis.Options{})
		defer p.close()
		kept := func(body string, want time.Duration) {
			t.Helper()
			sent := time.Now()
			w.send("k", body)
			r := p.want(body)[0]
			if got := r.Expires.Sub(sent); got < want-2*time.Second || got > want+2*time.Second {
				t.Errorf("%s expires after %v, want %v", body, got, want)
			}
			w.finish([]sources.Record{r})
		}
		kept("a", 24*time.Hour)
		if err := w.SetRetention(telemetry, 7*24); err != nil {
			t.Fatal(err)
		}
		time.Sleep(7 * time.Minute)
		kept("b", 7*24*time.Hour)
		w.setFault(on("DescribeStreamSummary", func(kinesistest.Call) kinesistest.Fault {
			return kinesistest.Fault{Answer: new(`{"StreamDescriptionSummary":{}}`)}
		}))
		time.Sleep(7 * time.Minute)
		kept("c", 7*24*time.Hour) // nothing is said, which is not 0
		w.setFault(on("DescribeStreamSummary", func(kinesistest.Call) kinesistest.Fault {
			return kinesistest.Fault{Err: kinesistest.AccessDenied()}
		}))
		time.Sleep(7 * time.Minute)
		kept("d", 7*24*time.Hour)
	})
}

// TestWhatIsStillGivenIsNotExpired reads a record that is older than the retention
// period that was told.
func TestWhatIsStillGivenIsNotExpired_P1(t *testing.T) {
	t.Parallel()
	inWorld(t, 1, func(t *testing.T, w *world) {
		w.send("k", "a")
		time.Sleep(25 * time.Hour)
		m := w.run(w.journal(nil), kinesis.Options{}, esm.Config{})
		w.until(1, time.Minute)
		m.end()
		if n := w.count(esm.DroppedEventCount); n > 0 {
			t.Errorf("%d records were dropped", n)
		}
	})
}
