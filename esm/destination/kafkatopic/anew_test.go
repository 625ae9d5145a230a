package kafkatopic_test

import (
	"errors"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// TestTopicMadeAnew delivers to a topic that was deleted and made anew, to which the client
// has delivered before.
func TestTopicMadeAnew(t *testing.T) {
	t.Parallel()
	c, k := defaults(t, "1000000", kgo.RecordRetries(2), kgo.DisableIdempotentWrite(), kgo.MetadataMinAge(10*time.Millisecond))
	d := newDestination(t, k)
	if err := d.Deliver(t.Context(), &esm.FailureRecord{Records: make([]sources.Record, 1)}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.DeleteTopic(topic), c.CreateTopic(topic, 1, nil)); err != nil {
		t.Fatal(err)
	}
	record := &esm.FailureRecord{Records: []sources.Record{{ID: "1"}, {ID: "2"}}}
	if err := d.Deliver(t.Context(), record); !errors.Is(err, kerr.UnknownTopicID) {
		t.Errorf("first attempt: %v, want %v", err, kerr.UnknownTopicID)
	}
	if err := d.Deliver(t.Context(), record); err != nil {
		t.Errorf("second attempt: %v", err)
	}
	if n := inTopic(c); n != 2 {
		t.Errorf("%d messages of 2 records", n)
	}
}
