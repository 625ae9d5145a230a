package kafkatopic_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/openesm/openesm/esm"
	"github.com/openesm/openesm/esm/destination/kafkatopic"
	"github.com/openesm/openesm/sources"
	"github.com/openesm/openesm/sources/memory"
)

const topic = "failures"

// cluster is an embedded broker with the topic, and a client of it.
func cluster(t *testing.T, options ...kgo.Opt) (*kfake.Cluster, *kgo.Client) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, client(t, c, append(options, kgo.RecordRetries(0), kgo.DisableIdempotentWrite())...)
}

func client(t *testing.T, c *kfake.Cluster, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	k, err := kgo.NewClient(append(options, kgo.SeedBrokers(c.ListenAddrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// run fails every record of a stream, in batches of that size.
func run(t *testing.T, destination esm.Destination, size int, observer esm.Observer, records ...[2]string) {
	t.Helper()
	stream := memory.NewStream(memory.StreamOptions{Name: "telemetry"})
	for _, r := range records {
		stream.Put(r[0], []byte(r[1]))
	}
	stream.End()
	mapping, err := esm.New(stream.Source("app"), esm.Records(func(context.Context, []sources.Record) (esm.Response, error) {
		return esm.Response{}, errors.New("poison")
	}), esm.Config{
		FunctionARN: "arn:aws:lambda:eu-west-1:123456789012:function:consumer", OnFailure: destination,
		BatchSize: size, MaximumBatchingWindow: time.Millisecond, MaximumRetryAttempts: new(0), ParallelizationFactor: 10,
		Logger: slog.New(slog.DiscardHandler), Observer: observer, Jitter: func() float64 { return 0.01 },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := mapping.Run(t.Context()); err != nil {
		t.Errorf("Run: %v", err)
	}
	if lag := stream.Lag("app"); lag != 0 {
		t.Errorf("%d records are not passed", lag)
	}
}

// consume reads n messages of the topic.
func consume(t *testing.T, c *kfake.Cluster, n int) []*kgo.Record {
	t.Helper()
	k := client(t, c, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	var all []*kgo.Record
	for len(all) < n {
		fetches := k.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		all = append(all, fetches.Records()...)
	}
	return all
}

func newDestination(t *testing.T, client kafkatopic.Client) esm.Destination {
	t.Helper()
	d, err := kafkatopic.New(client, "kafka://"+topic)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// failure is what the tests look at in a message.
type failure struct {
	Request struct {
		Condition string `json:"condition"`
	} `json:"requestContext"`
	Info struct {
		BatchSize int    `json:"batchSize"`
		First     string `json:"startSequenceNumber"`
		Last      string `json:"endSequenceNumber"`
	} `json:"KinesisBatchInfo"`
	Payload *struct {
		Records []struct {
			Kinesis struct {
				Data []byte `json:"data"`
			} `json:"kinesis"`
		} `json:"Records"`
	} `json:"payload"`
}

func decode(t *testing.T, message *kgo.Record) failure {
	t.Helper()
	var f failure
	if err := json.Unmarshal(message.Value, &f); err != nil {
		t.Fatalf("%v in %s", err, message.Value)
	}
	return f
}

// One message for each record (DST-40, DST-44, DST-45, DST-46, DST-47).
func TestOneMessageForEachRecord(t *testing.T) {
	t.Parallel()
	c, k := cluster(t)
	run(t, newDestination(t, k), 3, nil, [2]string{"a", "one"}, [2]string{"", "two"}, [2]string{"a", "three"})
	data := map[string]string{}
	for _, message := range consume(t, c, 3) {
		f := decode(t, message)
		if f.Payload == nil || len(f.Payload.Records) != 1 || f.Info.BatchSize != 1 || f.Info.First != f.Info.Last ||
			f.Request.Condition != "RetryAttemptsExhausted" {
			t.Fatalf("message %s", message.Value)
		}
		key := "none"
		if message.Key != nil {
			key = "key " + string(message.Key)
		}
		data[string(f.Payload.Records[0].Kinesis.Data)] = key
	}
	if len(data) != 3 || data["one"] != "key a" || data["two"] != "none" || data["three"] != "key a" {
		t.Errorf("keys by data: %v", data)
	}
}

func TestTooLargeGoesWithoutPayload_ASYNC58(t *testing.T) {
	t.Parallel()
	c, k := cluster(t, kgo.ProducerBatchMaxBytes(4096), kgo.ProducerBatchCompression(kgo.NoCompression()))
	run(t, newDestination(t, k), 3, nil, [2]string{"a", "small"}, [2]string{"b", strings.Repeat("x", 8000)}, [2]string{"c", "small"})
	with := 0
	sequences := map[string]bool{}
	for _, message := range consume(t, c, 3) {
		f := decode(t, message)
		sequences[f.Info.First] = true
		if f.Payload != nil {
			with++
		} else if string(message.Key) != "b" {
			t.Errorf("no payload for key %s", message.Key)
		}
	}
	if with != 2 || len(sequences) != 3 {
		t.Errorf("%d with payload, records %v", with, sequences)
	}
}

// Trouble is outlived (P1, P9).
func TestTroubleIsOutlived(t *testing.T) {
	t.Parallel()
	for name, code := range map[string]*kerr.Error{
		"missing":   kerr.UnknownTopicOrPartition,
		"forbidden": kerr.TopicAuthorizationFailed,
		"throttled": kerr.ThrottlingQuotaExceeded,
		"no leader": kerr.NotLeaderForPartition,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, k := cluster(t)
			failing := 3
			c.ControlKey(int16(kmsg.Produce), func(r kmsg.Request) (kmsg.Response, error, bool) {
				if failing--; failing < 0 {
					return nil, nil, false
				}
				c.KeepControl()
				request := r.(*kmsg.ProduceRequest)
				response := request.ResponseKind().(*kmsg.ProduceResponse)
				for _, t := range request.Topics {
					answer := kmsg.NewProduceResponseTopic()
					answer.Topic, answer.TopicID = t.Topic, t.TopicID
					for _, p := range t.Partitions {
						partition := kmsg.NewProduceResponseTopicPartition()
						partition.Partition, partition.ErrorCode = p.Partition, code.Code
						answer.Partitions = append(answer.Partitions, partition)
					}
					response.Topics = append(response.Topics, answer)
				}
				return response, nil, true
			})
			var mu sync.Mutex // observers are called concurrently
			var errs []error
			run(t, newDestination(t, k), 3, func(o esm.Observation) {
				if o.Metric == esm.OnFailureDestinationDeliveryErrorCount {
					mu.Lock()
					defer mu.Unlock()
					errs = append(errs, o.Err)
				}
			}, [2]string{"a", "one"}, [2]string{"b", "two"}, [2]string{"c", "three"})
			if len(errs) == 0 {
				t.Error("no failed delivery was observed")
			}
			for _, err := range errs {
				if !errors.Is(err, code) || !strings.Contains(err.Error(), "kafka: produce to topic failures: ") {
					t.Errorf("error %v, want %v", err, code)
				}
			}
			var sequences []string
			for _, message := range consume(t, c, 3) {
				sequences = append(sequences, decode(t, message).Info.First)
			}
			for _, sequence := range []string{"1", "2", "3"} {
				if !slices.Contains(sequences, sequence) {
					t.Errorf("record %s did not arrive: %v", sequence, sequences)
				}
			}
		})
	}
}

func TestBrokerGoneEndsWithTheAttempt_P9(t *testing.T) {
	t.Parallel()
	c, k := cluster(t)
	c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	record := &esm.FailureRecord{Records: []sources.Record{{ID: "1", Key: "a"}}}
	if err := newDestination(t, k).Deliver(ctx, record); err == nil {
		t.Error("delivered to nobody")
	}
}

func TestNames_DST09(t *testing.T) {
	t.Parallel()
	client, err := kgo.NewClient()
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	for _, name := range []string{"failures", "kafka://failures", "a.b_c-D9", strings.Repeat("x", 249)} {
		if _, err := kafkatopic.New(client, name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"", ".hidden", "a b", "kafka://", "kafka:///x", strings.Repeat("x", 250)} {
		if _, err := kafkatopic.New(client, name); err == nil || !strings.Contains(err.Error(), "1 to 249") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for _, none := range []kafkatopic.Client{nil, (*kgo.Client)(nil)} {
		if _, err := kafkatopic.New(none, "failures"); err == nil || !strings.Contains(err.Error(), "client: is nil") {
			t.Errorf("no client: %v", err)
		}
	}
}
