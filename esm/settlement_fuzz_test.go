package esm

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

// judged is a mapping whose handler answers its first batch with body, $i in it
// being the ID of record i, and all others with success.
type judged struct {
	records []sources.Record // of the first batch
	began   time.Time
	batches []string
	body    string
}

// Invoke notes which records came when.
func (j *judged) Invoke(_ context.Context, payload []byte) ([]byte, error) {
	var got []int
	for i, r := range j.records {
		if strings.Contains(string(payload), `"`+r.ID+`"`) {
			got = append(got, i)
		}
	}
	j.batches = append(j.batches, fmt.Sprint(got, " ", time.Since(j.began).Truncate(time.Minute)))
	if len(j.batches) > 1 {
		return nil, nil
	}
	return []byte(j.body), nil
}

// source makes a source with n records.
func (j *judged) source(n int, ordered bool) (source sources.Source, left func() int) {
	j.records, j.began = make([]sources.Record, n), time.Now()
	if ordered {
		s := memory.NewStream(memory.StreamOptions{})
		for i := range j.records {
			j.records[i].ID = s.Put("key", []byte{byte(i)})
		}
		s.End()
		source, left = s.Source("app"), func() int { return s.Lag("app") }
	} else {
		q := memory.NewQueue(memory.QueueOptions{VisibilityTimeout: time.Hour})
		for i := range j.records {
			j.records[i].ID = q.Send("body")
		}
		q.End()
		source, left = q.Source(), q.Len
	}
	for i, r := range j.records {
		j.body = strings.ReplaceAll(j.body, "$"+strconv.Itoa(i), r.ID)
	}
	return source, left
}

// again is what is to come a second time, and when.
func (j *judged) again(ordered, report bool) []string {
	marks := failedOf(j.body, j.records)
	if first := strings.Index(marks, "x"); ordered && first >= 0 {
		marks = marks[:first] + strings.Repeat("x", len(marks)-first)
	}
	var failed []int
	for i, mark := range marks {
		if mark == 'x' {
			failed = append(failed, i)
		}
	}
	switch {
	case len(failed) == 0, !report: // without it responses are ignored (SQS-86, KIN-159)
		return nil
	case ordered:
		return []string{fmt.Sprint(failed, " 0s")}
	default:
		return []string{fmt.Sprint(failed, " 1h0m0s")}
	}
}

// FuzzSettlement answers the first batch with any response. A queue hands out
// again exactly what failed, after the visibility timeout (SQS-74, SQS-81); a
// stream goes on from the first that failed, at once and with all that follow
// (KIN-151).
func FuzzSettlement(f *testing.F) {
	for _, body := range []string{
		``, `null`, `{"batchItemFailures":[{"itemIdentifier":"$2"},{"itemIdentifier":"$0"}]}`,
		`{"batchItemFailures":[{"itemIdentifier":"$4"},{"itemIdentifier":"$4"}]}`, `{"batchItemFailures":[{"itemIdentifier":"$5"}]}`,
		`{"batchItemFailures":[{"itemIdentifier":"$1"},{"itemIdentifier":""}]}`, `{"batchItemFailures":[{"itemIdentifier":"$1"}`,
		`{"batchItemFailures":[{"itemIdentifier":$1}]}`, `{"batchItemFailures":[{"itemIdentifier":"$1$2"}]}`,
	} {
		f.Add(body, false, true)
		f.Add(body, true, true)
		f.Add(body, true, false)
	}
	f.Fuzz(func(t *testing.T, body string, ordered, report bool) {
		synctest.Test(t, func(t *testing.T) {
			const n = 5
			j := &judged{body: body}
			source, left := j.source(n, ordered)
			config := Config{
				BatchSize: n, ReportBatchItemFailures: report, MaximumBatchingWindow: time.Second,
				Logger: slog.New(slog.DiscardHandler), Jitter: func() float64 { return 0.5 },
			}
			if !ordered {
				config.MaximumConcurrency = 1
			}
			m, err := New(source, Bytes(j), config)
			if err != nil {
				t.Fatal(err)
			}
			if err := m.Run(t.Context()); err != nil {
				t.Errorf("Run: %v", err)
			}
			want := append([]string{"[0 1 2 3 4] 0s"}, j.again(ordered, report)...)
			if !slices.Equal(j.batches, want) || left() != 0 {
				t.Errorf("%q: batches %q, %d left; want %q", j.body, j.batches, left(), want)
			}
		})
	})
}
