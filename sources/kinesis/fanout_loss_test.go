package kinesis_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// TestSlowFanOutIsTold has records dropped before a subscription is renewed (KIN-45, KIN-81).
func TestSlowFanOutIsTold(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		if err := f.SetRetention(telemetry, 1); err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 1<<20-1)
		for range 30 {
			if _, _, err := f.Put(telemetry, "k", body); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		all := f.Records(telemetry, fanFirst)
		time.Sleep(58 * time.Minute)
		f.Inject("SubscribeToShard", kinesistest.Fault{Stream: &kinesistest.Break{After: 5}})
		s, p := f.open(kinesis.Options{})
		var ids []string
		var losses []*kinesis.LossError
		buf := make([]sources.Record, 1)
		for until := time.Now().Add(time.Hour); time.Now().Before(until) && !slices.Contains(ids, all[29].Number); {
			n, err := p.Fetch(t.Context(), buf, time.Second)
			if loss, ok := errors.AsType[*kinesis.LossError](err); ok {
				losses = append(losses, loss)
			}
			if n == 0 {
				continue
			}
			if ids = append(ids, buf[0].ID); len(ids) > 3 {
				continue
			}
			time.Sleep(3 * time.Minute)
			if len(ids) == 3 {
				if err := f.Trim(telemetry, fanFirst, all[28].Number); err != nil {
					t.Fatal(err)
				}
			}
		}
		read := len(ids) - 2 // before the loss
		if read < 3 || read > 20 || ids[read] != all[28].Number || ids[read-1] != all[read-1].Number {
			t.Fatalf("read %q", ids)
		}
		if len(losses) != 1 || losses[0].After != ids[read-1] || losses[0].First != ids[read] {
			t.Errorf("told of %v", losses)
		}
		f.shut(s, p)
	})
}

// TestFanOutTellsOfTrimmedRecords stops a worker for longer than the stream keeps records (KIN-45, KIN-80).
func TestFanOutTellsOfTrimmedRecords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		wait time.Duration // before the next start
		trim int           // the first record that is kept
		lost bool
	}{
		"lost":            {22 * time.Hour, 2, true},
		"nothing lost":    {22 * time.Hour, 0, false},
		"idle":            {time.Minute, 2, false},
		"nothing is left": {22 * time.Hour, 3, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				f.put(1, 1)
				s, p := f.open(kinesis.Options{})
				if err := p.Ack(t.Context(), f.want(p, 0, 1)); err != nil {
					t.Fatal(err)
				}
				f.shut(s, p)
				f.put(1, 1)
				time.Sleep(5 * time.Hour)
				f.put(1, 1)
				records := f.Records(telemetry, fanFirst)
				time.Sleep(c.wait)
				before := ""
				if c.trim < len(records) {
					before = records[c.trim].Number
				}
				if err := f.Trim(telemetry, fanFirst, before); err != nil {
					t.Fatal(err)
				}
				s, p = f.open(kinesis.Options{})
				_, err := f.take(p, 0, 0)
				got, next := f.take(p, 1, 10*time.Second)
				loss, told := errors.AsType[*kinesis.LossError](errors.Join(err, next))
				if told != c.lost || told && (loss.After != records[0].Number || loss.First != records[2].Number) {
					t.Errorf("told of %v, %v", err, next)
				}
				if first := max(c.trim, 1); len(got) == 0 && first < 3 {
					f.want(p, first, 3)
				} else {
					f.are(got, first, first+len(got))
				}
				f.shut(s, p)
			})
		})
	}
}
