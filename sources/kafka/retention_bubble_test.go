//go:build synctests

package kafka_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/kafka"
)

// configure sets a config of the topic.
func (w *world) configure(name, value string) {
	w.t.Helper()
	answers, err := w.admin.AlterTopicConfigs(context.Background(), []kadm.AlterConfig{{Name: name, Value: &value}}, w.topic)
	if err == nil {
		_, err = answers.On(w.topic, func(r *kadm.AlterConfigsResponse) error { return r.Err })
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// expiries keeps when records expire, by their values.
type expiries struct {
	mu sync.Mutex
	at map[string]time.Time
}

func (e *expiries) note(_ context.Context, records []sources.Record) (esm.Response, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range records {
		e.at[string(records[i].Data)] = records[i].Expires
	}
	return esm.Response{}, nil
}

// left sends a record that is so old, and returns how long it has left when it is handled;
// 0 for ever.
func (e *expiries) left(w *world, value string, age time.Duration) time.Duration {
	w.t.Helper()
	began := time.Now()
	err := w.client.ProduceSync(w.t.Context(), &kgo.Record{Topic: w.topic, Value: []byte(value), Timestamp: began.Add(-age)}).FirstErr()
	if err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(5 * time.Second)
	e.mu.Lock()
	defer e.mu.Unlock()
	at, handled := e.at[value]
	switch {
	case !handled:
		w.t.Fatalf("%s was not handled", value)
	case at.IsZero():
		return 0
	}
	return at.Sub(began).Round(10 * time.Second)
}

// A record that its topic does not keep longer ends, and is told of; what comes behind it
// is handled.
func TestRecordPastItsRetentionIsGivenUpInBubbles_KAF34(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.configure("retention.ms", "3600000")
		w.put(0, "k", "bad")
		var (
			l     listener
			mu    sync.Mutex
			tries []time.Duration
		)
		began, seen := time.Now(), newLedger()
		source, err := kafka.New(w.plain())
		if err != nil {
			t.Fatal(err)
		}
		cancel, ended := launch(t, source, esm.Records(func(_ context.Context, records []sources.Record) (esm.Response, error) {
			if string(records[0].Data) == "bad" {
				mu.Lock()
				defer mu.Unlock()
				tries = append(tries, time.Since(began))
				return esm.Response{}, errors.New("bad")
			}
			seen.add(records)
			return esm.Response{}, nil
		}), esm.Config{Observer: l.observe})
		time.Sleep(50 * time.Minute)
		w.put(0, "k", "good")
		time.Sleep(9 * time.Minute)
		if seen.total() != 0 {
			t.Error("the partition went on before the retention period was over")
		}
		time.Sleep(5 * time.Minute)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if last := tries[len(tries)-1]; seen.total() != 1 || last < 55*time.Minute || last > time.Hour+time.Minute {
			t.Errorf("the last try was after %v, %d records were handled", last, seen.total())
		}
		if n := l.counts[esm.DroppedEventCount]; n != 1 {
			t.Errorf("%d records were told to be dropped", n)
		}
	})
}

// When records expire follows the topic's configuration, also when that changes.
func TestRetentionIsReadAgainInBubbles_KAF34(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const (
			hour = time.Hour
			day  = 24 * hour
		)
		w := newVirtualWorld(t, 1)
		e := &expiries{at: make(map[string]time.Time)}
		source, err := kafka.New(w.plain())
		if err != nil {
			t.Fatal(err)
		}
		cancel, ended := launch(t, source, esm.Records(e.note), esm.Config{})
		time.Sleep(time.Second)
		want := func(value string, age, want time.Duration) {
			t.Helper()
			if got := e.left(w, value, age); got != want {
				t.Errorf("%s has %v left, want %v", value, got, want)
			}
		}
		again := func(name, value string) {
			t.Helper()
			w.configure(name, value)
			time.Sleep(6 * time.Minute)
		}
		want("default", 0, 7*day)
		want("older", day, 6*day)
		want("too old", 8*day, 5*time.Minute)
		again("retention.ms", "3600000")
		want("an hour", 0, hour)
		again("retention.ms", "-1")
		want("for ever", 0, 0)
		again("retention.ms", "9223372036854775807")
		want("as good as for ever", 0, 0)
		again("retention.ms", "3600000")
		again("cleanup.policy", "compact")
		want("compacted", 0, 0)
		again("cleanup.policy", "compact,delete")
		want("compacted and deleted", 0, hour)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		again("retention.ms", "7200000")
		want("what was known", 0, hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// Where the mapping may not know, nothing expires, and nobody is told.
func TestRetentionThatMayNotBeKnownInBubbles_KAF34(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		w.cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1})
		source, err := kafka.New(w.plain())
		if err != nil {
			t.Fatal(err)
		}
		var l listener
		e := &expiries{at: make(map[string]time.Time)}
		cancel, ended := launch(t, source, esm.Records(e.note), esm.Config{Observer: l.observe})
		time.Sleep(time.Second)
		if got := e.left(w, "a", 0); got != 0 {
			t.Errorf("expires after %v, want never", got)
		}
		time.Sleep(11 * time.Minute)
		cancel()
		if err := <-ended; err != nil || len(l.errs) > 0 {
			t.Errorf("Run: %v, told %v", err, l.errs)
		}
	})
}

// A topic that comes later is asked for at once.
func TestRetentionOfALaterTopicInBubbles_KAF34(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newVirtualWorld(t, 1)
		options := w.plain()
		options.Topics, options.TopicPattern = nil, "orders.*"
		options.ClientOptions = append(options.ClientOptions, kgo.MetadataMaxAge(5*time.Second))
		source, err := kafka.New(options)
		if err != nil {
			t.Fatal(err)
		}
		e := &expiries{at: make(map[string]time.Time)}
		cancel, ended := launch(t, source, esm.Records(e.note), esm.Config{})
		time.Sleep(time.Second)
		w.admit("orders-later", 1)
		w.configure("retention.ms", "3600000")
		time.Sleep(10 * time.Second)
		if got := e.left(w, "a", 0); got != time.Hour {
			t.Errorf("expires after %v, want an hour", got)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
