package kinesis_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kinesis"
	"github.com/openesm/openesm/sources/kinesis/kinesistest"
)

// TestHungStartOfAConsumer has the calls of Start never answered.
func TestHungStartOfAConsumer_P11(t *testing.T) {
	t.Parallel()
	for _, action := range []string{"DescribeStreamSummary", "DescribeStreamConsumer", "RegisterStreamConsumer"} {
		t.Run(action, func(t *testing.T) {
			t.Parallel()
			inFan(t, 1, func(t *testing.T, f *fan) {
				const limit = 20 * time.Second
				f.Inject(action, kinesistest.Fault{Delay: never})
				s := f.source(kinesis.Options{ConsumerName: "newcomer"})
				began := time.Now()
				err := s.Start(t.Context(), sources.Settings{})
				if !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, sources.ErrUnusable) || time.Since(began) > limit+time.Second {
					t.Errorf("Start: %v after %v", err, time.Since(began))
				}
				if err == nil || !strings.Contains(err.Error(), action+" on ") || !strings.Contains(err.Error(), "not answered within 20s") {
					t.Errorf("Start: %v: does not tell what was not answered", err)
				}
				err = s.Start(t.Context(), sources.Settings{})
				if err != nil {
					t.Errorf("Start again: %v", err)
				}
				err = s.Close(t.Context())
				if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestFanOutFetchKeepsToItsWait has a Fetch return when its wait has passed though the
// list hangs that is to tell whether the shard is gone (KIN-74) (P8, P11).
func TestFanOutFetchKeepsToItsWait(t *testing.T) {
	t.Parallel()
	inFan(t, 1, func(t *testing.T, f *fan) {
		const wait = 2 * time.Second
		f.put(1, 1)
		s, p := f.open(kinesis.Options{})
		f.Inject("SubscribeToShard", kinesistest.Fault{Err: kinesistest.ResourceNotFound()})
		f.Inject("ListShards", kinesistest.Fault{Delay: never})
		began := time.Now()
		for told := false; !told; {
			start := time.Now()
			n, err := p.Fetch(t.Context(), make([]sources.Record, 1), wait)
			if took := time.Since(start); n != 0 || took > wait {
				t.Fatalf("Fetch: %d records, error %v after %v, want none within %v", n, err, took, wait)
			}
			told = err != nil
			if time.Since(began) > time.Minute {
				t.Fatal("no error after a minute")
			}
		}
		f.want(p, 0, 1)
		f.shut(s, p)
	})
}
