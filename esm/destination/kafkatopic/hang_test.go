package kafkatopic_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// silent is a client whose brokers never answer.
type silent struct{}

func (silent) Produce(context.Context, *kgo.Record, func(*kgo.Record, error)) {}

// TestHungDelivery_P11 has a delivery end that got a context without a deadline.
func TestHungDelivery_P11(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := newDestination(t, silent{}).Deliver(t.Context(), &esm.FailureRecord{Records: make([]sources.Record, 1)})
		if took := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || took > 30*time.Second {
			t.Errorf("error %v after %v, want one of a deadline after 30s", err, took)
		}
		if err == nil || !strings.Contains(err.Error(), "not answered in time") {
			t.Errorf("error %v does not say that there was no answer", err)
		}
	})
}

// refusing is a client whose brokers say that a message is too large, as late as can be.
type refusing struct{ end context.CancelFunc }

func (r refusing) Produce(_ context.Context, record *kgo.Record, promise func(*kgo.Record, error)) {
	promise(record, kerr.MessageTooLarge)
	r.end()
}

// TestContextThatEndsAsTheMessageIsRefused_P1 delivers nothing.
func TestContextThatEndsAsTheMessageIsRefused_P1(t *testing.T) {
	t.Parallel()
	for range 20 { // the answer or the end of the context, whichever is seen first
		ctx, cancel := context.WithCancel(t.Context())
		err := newDestination(t, refusing{cancel}).Deliver(ctx, &esm.FailureRecord{Records: make([]sources.Record, 1)})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("error %v, want the context's", err)
		}
	}
}

// picky is a client whose brokers find the key large too large, and fail for another one
// from the second batch on.
type picky struct{ produced map[string]int }

func (p picky) Produce(_ context.Context, record *kgo.Record, promise func(*kgo.Record, error)) {
	key := string(record.Key)
	p.produced[key]++
	switch {
	case key == "large", key == "failing" && p.produced[key] == 1:
		promise(record, kerr.MessageTooLarge)
	case key == "failing":
		promise(record, kerr.NotLeaderForPartition)
	default:
		promise(record, nil)
	}
}

// TestFailureBesideOneThatIsTooLarge_P1 is told, though the one that is too large goes in
// the end.
func TestFailureBesideOneThatIsTooLarge_P1(t *testing.T) {
	t.Parallel()
	record := &esm.FailureRecord{Records: []sources.Record{{Key: "large"}, {Key: "failing"}, {Key: "large"}, {Key: "large"}}}
	err := newDestination(t, picky{make(map[string]int)}).Deliver(t.Context(), record)
	if !errors.Is(err, kerr.NotLeaderForPartition) {
		t.Errorf("error %v, want %v", err, kerr.NotLeaderForPartition)
	}
}
