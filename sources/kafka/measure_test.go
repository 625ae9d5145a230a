//go:build synctests

package kafka_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// Measure (KAF-170, KAF-171, KAF-173).
func TestMeasure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 2)
		w.send(0, 0, 30)
		w.send(1, 0, 10)
		w.commit(0, 5)
		if err := w.cluster.DeleteRecords(w.topic, 0, 8); err != nil {
			t.Fatal(err)
		}
		source, err := kafka.New(w.options("g"))
		if err != nil {
			t.Fatal(err)
		}
		if got := source.Measure(nil); len(got) != 3 {
			t.Errorf("before Start: %v", got)
		}
		g := newGate()
		var committed atomic.Int64
		config := unwindowed
		config.Observer = func(o esm.Observation) {
			if o.Metric == esm.CommittedEventCount {
				committed.Add(int64(o.Count))
			}
		}
		background(t, source, esm.Records(func(ctx context.Context, batch []sources.Record) (esm.Response, error) {
			if partitionOf(&batch[0]) == "orders-0" {
				return esm.Response{}, g.pass(ctx)
			}
			return esm.Response{}, nil
		}), config)
		g.await(t)
		measured := func() string {
			got := source.Measure(nil)
			slices.SortFunc(got, func(a, b sources.Measure) int {
				return strings.Compare(string(a.Name)+a.Partition, string(b.Name)+b.Partition)
			})
			var texts []string
			for _, m := range got {
				texts = append(texts, fmt.Sprintf("%s%s=%d", m.Name, m.Partition, m.Count))
			}
			return strings.Join(texts, " ")
		}
		held := "MaxOffsetLag=22 OffsetLagorders-0=22 OffsetLagorders-1=0 OffsetsLost=3 SumOffsetLag=22"
		w.until("the lag is "+held, func() bool { return measured() == held })
		g.release()
		done := "MaxOffsetLag=0 OffsetLagorders-0=0 OffsetLagorders-1=0 OffsetsLost=3 SumOffsetLag=0"
		w.until("the lag is "+done, func() bool { return measured() == done })
		w.until("all is counted as committed", func() bool { return committed.Load() == 32 })
	})
}

// Commits that fail are counted, and made again.
func TestCommitErrors_KAF172(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.send(0, 0, 5)
		var commits, polls atomic.Int32
		config := unwindowed
		config.Observer = func(o esm.Observation) {
			switch {
			case o.Err == nil:
			case o.Metric == esm.CommitErrorCount:
				commits.Add(1)
			case o.Metric == esm.PollingErrorCount:
				polls.Add(1)
			}
		}
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.OffsetCommit}, Count: 3})
		start(t, w.options("g"), config, nil)
		w.until("it is committed", func() bool { return w.committed("g")[0] == 5 })
		if commits.Load() == 0 {
			t.Error("no commit error was counted")
		}
	})
}

// A RevokeTimeout in which no handler may take all of its time limit is warned of (P5).
func TestShortRevokeTimeoutIsWarnedOf_P5(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		for timeout, want := range map[time.Duration]bool{kafka.DefaultRevokeTimeout: false, time.Minute: true} {
			source, err := kafka.New(w.options(timeout.String()))
			if err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			err = source.Start(t.Context(), sources.Settings{Timeout: timeout, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			if err != nil {
				t.Fatal(err)
			}
			if got := strings.Contains(log.String(), "RevokeTimeout is shorter than Config.Timeout"); got != want {
				t.Errorf("Timeout %v: warned: %v, want %v", timeout, got, want)
			}
			if err := source.Close(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}
