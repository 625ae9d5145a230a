package kafkatopic_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/sources"
)

// defaults is an embedded broker with the topic, whose batches of records may be so
// long, and a client of it with franz-go's defaults.
func defaults(t *testing.T, most string, options ...kgo.Opt) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": most}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, client(t, c, options...)
}

// inTopic is how many messages the topic has.
func inTopic(c *kfake.Cluster) int {
	n := int64(0)
	for _, p := range c.PartitionInfos(topic) {
		n += p.HighWatermark
	}
	return int(n)
}

// TestAttemptEndsWithItsContext_P11 has the broker answer late. The next attempt takes
// up what the first one left under way.
func TestAttemptEndsWithItsContext_P11(t *testing.T) {
	t.Parallel()
	c, k := defaults(t, "1000000")
	ctx, cancel := context.WithCancel(t.Context())
	answer := make(chan struct{})
	c.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		cancel()
		c.SleepControl(func() { <-answer })
		return nil, nil, false
	})
	d := newDestination(t, k)
	record := &esm.FailureRecord{Records: []sources.Record{{ID: "1", Key: "a"}, {ID: "2", Key: "b"}}}
	err := d.Deliver(ctx, record)
	close(answer)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want the context's", err)
	}
	if err := d.Deliver(t.Context(), record); err != nil {
		t.Errorf("second attempt: %v", err)
	}
	if n := inTopic(c); n != 2 {
		t.Errorf("%d messages of 2 records", n)
	}
}

// TestNeighboursOfOneThatIsTooLarge come once and whole; it comes without its key if
// even that is too large.
func TestNeighboursOfOneThatIsTooLarge(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]kgo.Opt{
		"for the topic":  {kgo.ProducerBatchCompression(kgo.NoCompression())},
		"for the client": {kgo.ProducerBatchCompression(kgo.NoCompression()), kgo.ProducerBatchMaxBytes(4096)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, k := defaults(t, "4096", options...)
			records := [][2]string{{strings.Repeat("k", 5000), "large"}}
			for key := range strings.SplitSeq("abcdefghi", "") {
				records = append(records, [2]string{key, "small"})
			}
			run(t, newDestination(t, k), len(records), nil, records...)
			if n := inTopic(c); n != len(records) {
				t.Errorf("%d messages of %d records", n, len(records))
			}
			for _, message := range consume(t, c, len(records)) {
				payload := decode(t, message).Payload != nil
				if len(message.Key) > 1 || payload != (message.Key != nil) {
					t.Errorf("key of %d bytes, payload: %t", len(message.Key), payload)
				}
			}
		})
	}
}

// TestManyThatAreTooLargeTogether are stripped of nothing.
func TestManyThatAreTooLargeTogether(t *testing.T) {
	t.Parallel()
	const n = 300
	c, k := defaults(t, "100000", kgo.ProducerBatchCompression(kgo.NoCompression()))
	records := make([][2]string, n)
	for i := range records {
		records[i] = [2]string{"a", strings.Repeat("x", 2048)}
	}
	run(t, newDestination(t, k), n, nil, records...)
	if got := inTopic(c); got != n {
		t.Errorf("%d messages of %d records", got, n)
	}
	stripped := 0
	for _, message := range consume(t, c, n) {
		if decode(t, message).Payload == nil {
			stripped++
		}
	}
	if stripped > 0 {
		t.Errorf("%d of %d messages have no payload", stripped, n)
	}
}

// TestLanesThatShareBatches deliver at the same time what fits into a batch of its own
// only.
func TestLanesThatShareBatches(t *testing.T) {
	t.Parallel()
	const n = 40
	c, k := defaults(t, "100000", kgo.ProducerBatchCompression(kgo.NoCompression()))
	records := make([][2]string, n)
	for i := range records {
		records[i] = [2]string{string(rune('a' + i)), strings.Repeat("x", 50_000)}
	}
	run(t, newDestination(t, k), 10, nil, records...)
	if got := inTopic(c); got != n {
		t.Errorf("%d messages of %d records", got, n)
	}
	for _, message := range consume(t, c, n) {
		if decode(t, message).Payload == nil {
			t.Errorf("record %s has no payload", message.Key)
		}
	}
}

// TestWhatNoAttemptDelivers is told with what to do.
func TestWhatNoAttemptDelivers(t *testing.T) {
	t.Parallel()
	c, k := defaults(t, "1000", kgo.ProducerBatchCompression(kgo.NoCompression()))
	d := newDestination(t, k)
	record := &esm.FailureRecord{
		FunctionARN: strings.Repeat("f", 2000), Records: []sources.Record{{ID: "1"}, {ID: "2"}, {ID: "3"}},
	}
	if err := d.Deliver(t.Context(), record); err == nil || !strings.Contains(err.Error(), "max.message.bytes") {
		t.Errorf("error %v does not say what to do", err)
	}
	if n := inTopic(c); n != 0 {
		t.Errorf("%d messages", n)
	}
}

// choosy is a client that writes a key when its turn has come, and counts.
type choosy struct {
	written map[string]int
	attempt int
}

func (c *choosy) Produce(_ context.Context, record *kgo.Record, promise func(*kgo.Record, error)) {
	if key := string(record.Key); c.attempt >= int(key[0]-'a') {
		c.written[key]++
		promise(record, nil)
	} else {
		promise(record, kerr.NotLeaderForPartition)
	}
}

// TestWhatIsDeliveredIsNotDeliveredAgain has one record more written at each attempt.
func TestWhatIsDeliveredIsNotDeliveredAgain(t *testing.T) {
	t.Parallel()
	client := &choosy{written: make(map[string]int)}
	d := newDestination(t, client)
	record := &esm.FailureRecord{Records: []sources.Record{{Key: "c"}, {Key: "a"}, {Key: "b"}}}
	for ; client.attempt < 2; client.attempt++ {
		if err := d.Deliver(t.Context(), record); !errors.Is(err, kerr.NotLeaderForPartition) {
			t.Errorf("attempt %d: error %v", client.attempt, err)
		}
	}
	if err := d.Deliver(t.Context(), record); err != nil {
		t.Errorf("last attempt: %v", err)
	}
	if want := map[string]int{"a": 1, "b": 1, "c": 1}; !maps.Equal(client.written, want) {
		t.Errorf("written %v, want %v", client.written, want)
	}
}
